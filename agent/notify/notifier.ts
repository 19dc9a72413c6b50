// From the end of an execution to messages in the outbox. What is to be told stands in the execution's record until
// its messages are on disk, and they go out only after that: a crash in between makes the same messages again, and
// loses none.
import pMap from "p-map";
import { messageOf } from "../errors.ts";
import { runKey, type HistoryReader, type Outline, type Recorder, type Told } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";
import { takeUp } from "./backlog.ts";
import { decideLate, decideNotice } from "./decide.ts";
import type { Deliveries } from "./deliveries.ts";
import { createDrafts, lateAbout, type DraftDeps } from "./drafts.ts";
import type { Draft, Message, Notifier, Outbox } from "./port.ts";

const retryMs = 1_000;
/** Messages of one execution that are written at a time. */
const parallelPuts = 16;
/** Time for what is to be told when the agent ends, on a slow disk. */
const maxDrainMs = 3_000;

export interface NotifierLoop extends Notifier {
  /**
   * Makes the messages that an earlier agent had still to make. Those that it left are taken up in the background, and
   * only after them does anything go out. Throws StoreError. Call once.
   */
  start: () => Promise<void>;
  /** Returns what was to be told by now is in the outbox, or stays in the record. */
  stop: () => Promise<void>;
}

export interface NotifierDeps extends DraftDeps {
  log: Logger;
  recorder: Recorder;
  reader: HistoryReader;
  outbox: Outbox;
  deliveries: Pick<Deliveries, "add" | "settled" | "start" | "stop">;
}

export function createNotifier(deps: NotifierDeps): NotifierLoop {
  const { clock, log, recorder, reader, outbox, deliveries } = deps;
  const drafts = createDrafts(deps);
  const due: ({ id: ExecutionId } | { late: BatchName })[] = [];
  let working: Promise<void> | null = null;
  /** Settles once what an earlier agent left has been taken up. */
  let backlog: Promise<void> = Promise.resolve();
  let started = false;
  let stopping = false;
  let stopped = false;
  let troubled = false;
  let cancel: () => void = () => undefined;

  function submit({ id }: Execution): void {
    due.push({ id });
    work();
  }

  function submitLate(late: BatchName): void {
    due.push({ late });
    work();
  }

  function work(): void {
    if (!started || stopped || troubled) return;
    working ??= workOff().finally(() => {
      working = null;
      if (due.length > 0) work();
    });
  }

  async function workOff(): Promise<void> {
    for (let next = due[0]; next !== undefined && !stopped; next = due[0]) {
      try {
        await ("id" in next ? see(next.id) : seeLate(next.late));
      } catch (error) {
        log.error("cannot write notification; tried again every second", { ...next, error: messageOf(error) });
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
    const shown = await reader.find(id);
    if (shown === undefined) return;
    const execution = stillDue(shown, recorder.current(id));
    const { notifyDue, pingDue = [] } = execution;
    if (notifyDue === undefined && pingDue.length === 0) return;
    const messages = await put([
      ...(await Promise.all(pingDue.map((event) => drafts.ofPing(event, execution)))).flat(),
      ...(notifyDue === undefined ? [] : await drafts.ofEnd(execution, notifyDue)),
    ]);
    // As it stands by now: an end may have come, with what it asks for.
    const now = recorder.current(id) ?? (await reader.find(id)) ?? execution;
    send(messages, recorder.commit([{ kind: "put", execution: withoutDue(now, execution), silent: true }]));
  }

  /** Throws StoreError when a message cannot be written. */
  async function seeLate(name: BatchName): Promise<void> {
    const dueNow = recorder.head(name)?.lateDue ?? [];
    const messages: Message[] = [];
    for (const late of dueNow) messages.push(...(await put(await drafts.ofLate(name, late))));
    const left = (recorder.head(name)?.lateDue ?? []).filter((late) => !dueNow.includes(late));
    if (dueNow.length > 0) send(messages, recorder.commit([{ kind: "head", batch: name, fields: { lateDue: left } }]));
  }

  async function put(messages: readonly Draft[]): Promise<Message[]> {
    return pMap(messages, (draft) => outbox.put(draft), { concurrency: parallelPuts }); // each is synced
  }

  /**
   * Lets messages go out once the record has forgotten them, and after those that an earlier agent left: a history that
   * cannot be written holds them up.
   */
  function send(messages: readonly Message[], recorded: Promise<void>): void {
    const add = () => void backlog.then(() => messages.forEach(deliveries.add));
    recorded.then(add, () => void recorder.durable().then(add));
  }

  async function start(): Promise<void> {
    const left: Execution[] = [];
    for (const id of reader.notifyDue()) {
      const execution = await reader.find(id);
      if (execution !== undefined) left.push(execution);
    }
    const late = recorder.names().filter((name) => (recorder.head(name)?.lateDue ?? []).length > 0);
    const isMadeAnew = messagesMadeAnew(left, late, recorder);
    const earlier: string[] = [];
    for (const id of await outbox.open()) {
      if (isMadeAnew(id)) await outbox.remove(id);
      else earlier.push(id);
    }
    left.sort((a, b) => ((a.finishedAt ?? "") < (b.finishedAt ?? "") ? -1 : 1));
    due.unshift(...left.map(({ id }) => ({ id })), ...late.map((name) => ({ late: name })));
    started = true;
    backlog = takeUp(earlier, { ...deps, isStopped: () => stopping }).then(() => {
      if (!stopping) deliveries.start();
    });
    work();
  }

  return {
    decide(final, told) {
      const notify = deps.batchOf(final.batch)?.notify ?? null;
      if (notify === null) return { told: toldUnasked(final, told), due: null };
      const last = told === undefined ? lastOtherRun(final, recorder) : undefined;
      return decideNotice(notify, told, final, last, clock.now());
    },
    decideLate(name, told) {
      const notify = deps.batchOf(name)?.notify ?? null;
      return notify === null ? { told, due: null } : decideLate(notify, told, clock.now());
    },
    pings: (name) => (deps.batchOf(name)?.notify?.ping.length ?? 0) > 0,
    submit,
    submitLate,
    start,
    async stop() {
      stopping = true;
      cancel();
      if (working === null && troubled) {
        troubled = false;
        work(); // once more
      }
      const giveUp = clock.after(maxDrainMs, () => {
        stopped = true; // what is left stands in the record: the next agent makes it
      });
      while (working !== null && !troubled) await working;
      giveUp();
      stopped = true;
      cancel();
      await backlog;
      await deliveries.stop();
    },
  };
}

/** Should it be asked for again, what failed before is no news, and what succeeds then no recovery. */
function toldUnasked(final: Execution, told: Told | undefined): Told | undefined {
  const isWell = final.status === "succeeded" && told !== undefined && told.failures > 0;
  return isWell ? { ...told, failures: 0, heard: true } : told;
}

/**
 * Returns an execution with what is still to be told of it: what is shown is what is durable, and may ask for what was
 * seen to a moment ago.
 */
function stillDue(shown: Execution, current: Execution | undefined): Execution {
  if (current === undefined) return shown;
  const { notifyDue, pingDue = [], ...rest } = shown;
  const pings = pingDue.filter((event) => current.pingDue?.includes(event) === true);
  return {
    ...rest,
    ...(notifyDue === undefined || current.notifyDue === undefined ? {} : { notifyDue }),
    ...(pings.length === 0 ? {} : { pingDue: pings }),
  };
}

/** Returns an execution without what was due to be told of it then. */
function withoutDue(now: Execution, { notifyDue, pingDue = [] }: Execution): Execution {
  const { notifyDue: _done, pingDue: pings = [], ...rest } = now;
  const left = pings.filter((event) => !pingDue.includes(event));
  const kept = notifyDue === undefined && now.notifyDue !== undefined ? { notifyDue: now.notifyDue } : {};
  return { ...rest, ...kept, ...(left.length === 0 ? {} : { pingDue: left }) };
}

/** Returns how the batch's run before this one ended; undefined where there was none. */
function lastOtherRun({ batch, run }: Execution, recorder: Pick<Recorder, "recent">): Outline | undefined {
  const key = runKey(run);
  for (const outline of recorder.recent(batch))
    if (outline.runKey !== key && (outline.status === "failed" || outline.status === "succeeded")) return outline;
  return undefined;
}

/**
 * Returns which messages of the outbox are made anew, by their ids: those that are still marked were not complete, and
 * none of them has gone out.
 */
function messagesMadeAnew(
  left: readonly Execution[],
  late: readonly BatchName[],
  recorder: Pick<Recorder, "head">,
): (id: string) => boolean {
  const again = new Map(left.map((execution) => [execution.id as string, execution]));
  const lateAgain = late.flatMap((name) =>
    (recorder.head(name)?.lateDue ?? []).map(({ dueAt }) => `${lateAbout(name, dueAt)}-late-`),
  );
  return (id) => {
    const [execution = "", event = ""] = id.split("-", 2);
    const { notifyDue, pingDue = [] } = again.get(execution) ?? {};
    if (event === "start" || event === "stop") return pingDue.includes(event);
    return notifyDue !== undefined || lateAgain.some((about) => id.startsWith(about));
  };
}
