// Makes messages: what a batch's receivers are told of an end, of a due time that it is late for, of a start.
import type { Clock } from "../async/clock.ts";
import { messageOf } from "../errors.ts";
import type { HistoryReader, LateDue } from "../history/port.ts";
import { mergedEnd, type LogStore, type LogStream, type LogFollowers } from "../logs/port.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution, NotifyDue } from "../model/execution.ts";
import type { BatchName } from "../model/ids.ts";
import { plainTail } from "../text/untrusted.ts";
import { mailHtml, mailSubject, mailText, tailLines, webhookBody, type Notice } from "./message.ts";
import { endSuffix, pingBytes, pingUrl } from "./ping.ts";
import type { Draft, PingEvent } from "./port.ts";

/** As much of each log's end is looked at. */
const tailBytes = 16 * 1024;

export interface DraftDeps {
  clock: Clock;
  reader: Pick<HistoryReader, "find">;
  logs: LogStore;
  followers: LogFollowers;
  /** The batch as it is in force; null when there is none. */
  batchOf: (name: BatchName) => Batch | null;
  /** True when there is a mail server. */
  mails: boolean;
  /** Returns where people see an execution, or else a batch. */
  linkTo: (of: Execution | BatchName) => string;
  /** The batch's files that differ from its last success before this execution; null when that cannot be told. */
  changedSince: (execution: Execution) => Promise<Notice["changed"]>;
}

export function createDrafts(deps: DraftDeps) {
  const { clock, reader, logs, batchOf } = deps;

  /** None where nobody is to hear of it any more. */
  async function ofEnd(execution: Execution, due: NotifyDue): Promise<Draft[]> {
    return drafts(execution.batch, await describe(execution.batch, due, execution.trigger.dueAt, execution));
  }

  async function ofLate(name: BatchName, { dueAt, execution: id, count, since }: LateDue): Promise<Draft[]> {
    const execution = id === null ? null : ((await reader.find(id)) ?? null);
    const notice = await describe(name, { event: "late", count, since }, dueAt, execution);
    return drafts(name, notice).map((draft) => ({ ...draft, about: lateAbout(name, dueAt) }));
  }

  /** Start first, where both are due. */
  async function ofPing(event: PingEvent, execution: Execution): Promise<Draft[]> {
    const { batch, id } = execution;
    const urls = batchOf(batch)?.notify?.ping ?? [];
    const suffix = event === "start" ? "/start" : endSuffix(execution);
    if (urls.length === 0 || suffix === null) return [];
    const body = event === "start" ? "" : (await outputEnd(execution)).toString("base64");
    return urls.map((to) => {
      const content = { kind: "ping", url: pingUrl(to, suffix), body } as const;
      return { batch, execution: id, event, createdAt: nowIso(), to, content };
    });
  }

  function drafts(name: BatchName, notice: Notice): Draft[] {
    const notify = batchOf(name)?.notify ?? null;
    if (notify === null) return []; // taken out meanwhile
    const common = {
      batch: name,
      execution: notice.execution?.id ?? ("" as const),
      event: notice.due.event,
      createdAt: nowIso(),
    };
    const mail = {
      kind: "mail",
      subject: mailSubject(notice),
      text: mailText(notice),
      html: mailHtml(notice),
    } as const;
    const webhook = { kind: "webhook", body: webhookBody(notice) } as const;
    return [
      ...(deps.mails ? notify.mail : []).map((to) => ({ ...common, to, content: mail })),
      ...notify.webhook.map((to) => ({ ...common, to, content: webhook })),
    ];
  }

  async function describe(
    batch: BatchName,
    due: NotifyDue,
    dueAt: string,
    execution: Execution | null,
  ): Promise<Notice> {
    return {
      due,
      batch,
      dueAt,
      execution,
      description: batchOf(batch)?.file.description ?? null,
      link: deps.linkTo(execution ?? batch),
      changed: execution === null ? null : await deps.changedSince(execution).catch(() => null),
      stdout: execution === null ? [] : await tail(execution, "stdout"),
      stderr: execution === null ? [] : await tail(execution, "stderr"),
    };
  }

  async function tail({ batch, id }: Execution, stream: LogStream): Promise<string[]> {
    try {
      const size = (await logs.stat(batch, id, stream))?.size ?? 0;
      const body = logs.read(batch, id, stream, Math.max(0, size - tailBytes), size);
      return plainTail(new Uint8Array(await new Response(body).arrayBuffer()), size, tailLines);
    } catch (error) {
      return [`(it cannot be read: ${messageOf(error)})`];
    }
  }

  /** Returns the last bytes of the merged log; nothing where it cannot be read. */
  async function outputEnd({ batch, id, finishedAt }: Execution): Promise<Buffer> {
    const opened = await Promise.allSettled(
      (["stdout", "stderr", "times"] as const).map((file) => deps.followers.open(batch, id, file)),
    );
    const followers = opened.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    const [stdout, stderr, times] = followers;
    try {
      if (stdout === undefined || stderr === undefined || times === undefined) return Buffer.alloc(0);
      return await mergedEnd({ stdout, stderr, times, now: () => clock.now() }, finishedAt ?? nowIso(), pingBytes);
    } catch {
      return Buffer.alloc(0);
    } finally {
      for (const follower of followers) follower.close();
    }
  }

  function nowIso(): string {
    return new Date(clock.now()).toISOString();
  }

  return { ofEnd, ofLate, ofPing };
}

/** The first part of the id of messages about a due time that a batch is late for. */
export function lateAbout(name: BatchName, dueAt: string): string {
  return `${name}-${dueAt.replace(/\D/g, "")}`;
}
