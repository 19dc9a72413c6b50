// From the end of an execution to messages in the outbox. What is to be told stands in the execution's record until
// its messages are on disk, and they go out only after that: a crash in between makes the same messages again, and
// loses none.
import { messageOf } from "../errors.ts";
import type { Clock } from "../async/clock.ts";
import { runKey, type HistoryReader, type Outline, type Recorder, type Told } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { LogStore, LogStream } from "../logs/port.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution, NotifyDue } from "../model/execution.ts";
import type { ExecutionId, BatchName } from "../model/ids.ts";
import { plainTail } from "../text/untrusted.ts";
import { decideNotice } from "./decide.ts";
import type { Deliveries } from "./deliveries.ts";
import { mailHtml, mailSubject, mailText, tailLines, webhookBody, type Notice } from "./message.ts";
import { endSuffix, pingBytes, pingUrl } from "./ping.ts";
import type { Outbox, Message, Notifier, PingEvent } from "./port.ts";

/** As much of each log's end is looked at. */
const tailBytes = 16 * 1024;
const retryMs = 1_000;

export interface NotifierLoop extends Notifier {
  /** Takes up what an earlier agent left, then lets messages go out. Throws StoreError. Call once. */
  start: () => Promise<void>;
  /** Returns what was to be told by now is in the outbox, or stays in the record. */
  stop: () => Promise<void>;
}

export function createNotifier(deps: {
  clock: Clock;
  log: Logger;
  recorder: Recorder;
  reader: HistoryReader;
  logs: LogStore;
  outbox: Outbox;
  deliveries: Pick<Deliveries, "add" | "start" | "stop">;
  /** The batch as it is in force; null when there is none. */
  batchOf: (name: BatchName) => Batch | null;
  /** True when there is a mail server. */
  mails: boolean;
  /** Returns where people see an execution. */
  linkTo: (execution: Execution) => string;
  /** The batch's files that differ from its last success before this execution; null when that cannot be told. */
  changedSince: (execution: Execution) => Promise<Notice["changed"]>;
}): NotifierLoop {
  const { clock, log, recorder, reader, outbox, deliveries } = deps;
  const due: ExecutionId[] = [];
  let working: Promise<void> | null = null;
  let started = false;
  let stopped = false;
  let troubled = false;
  let cancel: () => void = () => undefined;

  function decide(final: Execution, told: Told | undefined): ReturnType<Notifier["decide"]> {
    const notify = deps.batchOf(final.batch)?.notify ?? null;
    if (notify === null) {
      // Should it be asked for again, what failed before is no news, and what succeeds then no recovery.
      const isWell = final.status === "succeeded" && told !== undefined && told.failures > 0;
      return { told: isWell ? { ...told, failures: 0, heard: true } : told, due: null };
    }
    return decideNotice(notify, told, final, told === undefined ? lastOtherRun(final) : undefined, clock.now());
  }

  /** How the batch's run before this one ended. */
  function lastOtherRun({ batch, run }: Execution): Outline | undefined {
    const key = runKey(run);
    for (const outline of recorder.recent(batch))
      if (outline.runKey !== key && (outline.status === "failed" || outline.status === "succeeded")) return outline;
    return undefined;
  }

  function take({ id }: Execution): void {
    due.push(id);
    work();
  }

  /** One after the other: a start is in the outbox before its end. */
  let pinging: Promise<void> = Promise.resolve();

  function ping(event: PingEvent, execution: Execution): void {
    const urls = deps.batchOf(execution.batch)?.notify?.ping ?? [];
    const suffix = event === "start" ? "/start" : endSuffix(execution);
    if (urls.length === 0 || suffix === null) return;
    pinging = pinging
      .then(async () => {
        const body = event === "start" ? "" : (await outputEnd(execution)).toString("base64");
        for (const to of urls) {
          const content = { kind: "ping", url: pingUrl(to, suffix), body } as const;
          const { batch, id } = execution;
          deliveries.add(await outbox.put({ batch, execution: id, event, createdAt: nowIso(), to, content }));
        }
      })
      .catch((error: unknown) =>
        log.error("cannot write heartbeat", {
          batch: execution.batch,
          id: execution.id,
          event,
          error: errorText(error),
        }),
      );
  }

  /** Returns the last bytes of stdout and stderr, one after the other. */
  async function outputEnd(execution: Execution): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (const stream of ["stdout", "stderr"] as const)
      parts.push((await logEnd(execution, stream, pingBytes).catch(() => null))?.bytes ?? new Uint8Array());
    return Buffer.concat(parts).subarray(-pingBytes);
  }

  function nowIso(): string {
    return new Date(clock.now()).toISOString();
  }

  function work(): void {
    if (!started || stopped || troubled) return;
    working ??= workOff().finally(() => {
      working = null;
      if (due.length > 0) work();
    });
  }

  async function workOff(): Promise<void> {
    for (let id = due[0]; id !== undefined; id = due[0]) {
      try {
        await see(id);
      } catch (error) {
        log.error("people cannot be told of an end yet; tried again every second", { id, error: errorText(error) });
        troubled = true;
        cancel = clock.after(retryMs, () => {
          troubled = false;
          work();
        });
        return;
      }
      due.shift();
    }
  }

  /** Throws StoreError when a message cannot be written. */
  async function see(id: ExecutionId): Promise<void> {
    const execution = await reader.find(id);
    if (execution?.notifyDue === undefined) return;
    const messages = await write(execution, execution.notifyDue);
    const { notifyDue: _done, ...settled } = (await reader.find(id)) ?? execution; // as it stands by now
    const send = () => messages.forEach(deliveries.add);
    const recorded = recorder.commit([{ kind: "put", execution: settled, silent: true }]);
    // A history that cannot be written holds up messages, not the agent.
    await recorded.then(send, () => void recorder.durable().then(send));
  }

  async function write(execution: Execution, notifyDue: NotifyDue): Promise<Message[]> {
    const batch = deps.batchOf(execution.batch);
    const notify = batch?.notify ?? null;
    if (batch === null || notify === null) return []; // taken out meanwhile
    const notice: Notice = {
      due: notifyDue,
      execution,
      description: batch.file.description ?? null,
      link: deps.linkTo(execution),
      changed: await deps.changedSince(execution).catch(() => null),
      stdout: await tail(execution, "stdout"),
      stderr: await tail(execution, "stderr"),
    };
    const common = {
      batch: execution.batch,
      execution: execution.id,
      event: notifyDue.event,
      createdAt: nowIso(),
    };
    const mail = {
      kind: "mail",
      subject: mailSubject(notice),
      text: mailText(notice),
      html: mailHtml(notice),
    } as const;
    const webhook = { kind: "webhook", body: webhookBody(notice) } as const;
    const drafts = [
      ...(deps.mails ? notify.mail : []).map((to) => ({ ...common, to, content: mail })),
      ...notify.webhook.map((to) => ({ ...common, to, content: webhook })),
    ];
    const messages: Message[] = [];
    for (const draft of drafts) messages.push(await outbox.put(draft));
    return messages;
  }

  async function logEnd({ batch, id }: Execution, stream: LogStream, maxBytes: number) {
    const size = (await deps.logs.stat(batch, id, stream))?.size ?? 0;
    const body = deps.logs.read(batch, id, stream, Math.max(0, size - maxBytes), size);
    return { size, bytes: new Uint8Array(await new Response(body).arrayBuffer()) };
  }

  async function tail(execution: Execution, stream: LogStream): Promise<string[]> {
    try {
      const { bytes, size } = await logEnd(execution, stream, tailBytes);
      return plainTail(bytes, size, tailLines);
    } catch (error) {
      return [`(it cannot be read: ${errorText(error)})`];
    }
  }

  async function start(): Promise<void> {
    const left: Execution[] = [];
    for (const id of reader.notifyDue()) {
      const execution = await reader.find(id);
      if (execution !== undefined) left.push(execution);
    }
    const again = new Set(left.map(({ id }) => id));
    // Messages of ends that are still marked were not complete, and none of them has gone out: they are made anew.
    for (const message of await outbox.open()) {
      if (again.has(message.execution) && message.content.kind !== "ping") await outbox.remove(message.id);
      else deliveries.add(message);
    }
    left.sort((a, b) => ((a.finishedAt ?? "") < (b.finishedAt ?? "") ? -1 : 1));
    due.unshift(...left.map(({ id }) => id).filter((id) => !due.includes(id)));
    started = true;
    work();
    deliveries.start();
  }

  return {
    decide,
    ping,
    take,
    start,
    async stop() {
      cancel();
      if (working === null && troubled) {
        troubled = false;
        work(); // once more
      }
      while (working !== null && !troubled) await working;
      await pinging;
      stopped = true;
      cancel();
      await deliveries.stop();
    },
  };
}

function errorText(error: unknown): string {
  return messageOf(error);
}
