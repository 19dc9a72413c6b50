// One execution in the cluster, from the request for its pod to the moment nothing of it is waited for. Reads what the
// wrapper leaves in the execution's folder and what the cluster says of the pod; `ending.ts` judges both.
import { performance } from "node:perf_hooks";
import type { Clock } from "../../async/clock.ts";
import type { Execution, FinishedBy, ProcessEnding } from "../../model/execution.ts";
import type { EpochMs } from "../../model/ids.ts";
import { makeLogs, readExit, readStopReason, recordStopReason } from "../local/execution-folder.ts";
import { readProgress } from "../local/progress-file.ts";
import type { Look, Running, RunningRef } from "../port.ts";
import { isTerminal, type Pod, type PodManifest } from "./api.ts";
import { Asking, type AskDeps } from "./asking.ts";
import { classifyEnd, waitingWords, type ElapsedMs, type PodEnding, type Seen } from "./ending.ts";
import { clearFolder, countSeconds, isReadable, isTold, readEndedAt } from "./folder.ts";
import { podName } from "./names.ts";
import { PodClaim } from "./pod-claim.ts";
import { PodDeletion } from "./pod-deletion.ts";
import { PodLogs } from "./pod-logs.ts";
import { graceSeconds } from "./pod.ts";
import type { Pods } from "./pods.ts";

export interface PodDeps extends AskDeps {
  clock: Clock;
  pods: Pods;
  logLimitBytes: number;
  pendingMs: number;
  /** Called with the words of a refusal; null once a pod was taken. */
  onRefused: (words: string | null) => void;
  onSeconds: (count: number) => void;
  /** Returns words on an earlier attempt that may still be running; null where there is none. */
  blockedBy: (execution: Execution) => string | null;
}

/** Files are looked for this often whatever the cluster says, also while it says nothing. */
const tickMs = 5_000;
const settlingTickMs = 250;
const stopTickMs = 1_000;
/** Two looks at files of a network are not closer together. */
const minPollMs = 500;
const forcedSeconds = 1;

export class PodRunning implements Running {
  readonly ref: RunningRef = { pid: null };
  readonly ended: Promise<ProcessEnding>;
  readonly #deps: PodDeps;
  readonly #execution: Execution;
  readonly #folder: string;
  readonly #name: string;
  readonly #asking: Asking | null;
  readonly #claim: PodClaim;
  readonly #logs: PodLogs;
  readonly #deletion: PodDeletion;
  #stopReason: FinishedBy | null;
  #isClosed = false;
  #isOver = false;
  #deletedSince: ElapsedMs | null = null;
  #unreadySince: ElapsedMs | null = null;
  #pendingSince: ElapsedMs;
  #last: Pod | null = null;
  #overSince: ElapsedMs | null = null;
  #waitingFor: string | null = null;
  #looked: { at: EpochMs; look: Look } | null = null;
  #wake: () => void = () => undefined;
  #isWoken = false;

  /** `manifest`: what is asked for; null where an earlier agent has surely had its pod, or never will. */
  constructor(
    execution: Execution,
    folder: string,
    how: { manifest: PodManifest | null; deadlineMs: number; fault: string | null },
    deps: PodDeps,
  ) {
    this.#execution = execution;
    this.#folder = folder;
    this.#name = podName(execution);
    this.#deps = deps;
    this.#stopReason = readStopReason(folder);
    this.#claim = new PodClaim(folder, execution);
    this.#logs = new PodLogs(folder, deps.logLimitBytes);
    this.#deletion = new PodDeletion(this.#name, deps);
    const now = deps.clock.now();
    const waitedMs = now - (Date.parse(execution.askedAt ?? "") || now); // for an earlier agent
    this.#pendingSince = performance.now() - Math.max(0, waitedMs);
    const onWaiting = (words: string) => (this.#waitingFor = words);
    this.#asking = how.manifest === null ? null : new Asking(how.manifest, onWaiting, deps);
    if (this.#stopReason !== null) {
      this.#deletion.want(graceSeconds); // an earlier agent was ending it
      this.#asking?.stop();
    }
    this.ended = this.#run(how.fault, how.deadlineMs);
  }

  get id(): string {
    return this.#execution.id;
  }

  get name(): string {
    return this.#name;
  }

  get stopReason(): FinishedBy | null {
    return this.#stopReason;
  }

  stop(reason: FinishedBy, killAfterMs: number): void {
    if (this.#isOver) return;
    if (this.#stopReason === null) {
      recordStopReason(this.#folder, reason);
      this.#stopReason = reason;
    }
    this.#deletion.want(Math.max(forcedSeconds, Math.ceil(killAfterMs / 1_000)));
    this.#asking?.stop();
    this.wake();
  }

  /** Called when the cluster tells something new of its pod. */
  wake(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** Follows it no more; it goes on. */
  close(): void {
    this.#isClosed = true;
    this.#asking?.stop();
    this.wake();
  }

  async look(): Promise<Look> {
    const { clock, pods } = this.#deps;
    const now = clock.now();
    if (this.#looked !== null && !this.#isOver && Math.abs(now - this.#looked.at) < minPollMs) {
      const { look } = this.#looked;
      return { ...look, cut: false, truncated: [], ...this.#standing() };
    }
    // While its pod waits there is nothing to see, and a look over a network costs a moment each.
    const { phase = "Pending" } = pods.get(this.#name) ?? {};
    if (phase !== "Pending") this.#claim.find(now);
    const isClaimed = this.#claim.seen !== null;
    if (!isClaimed && !this.#isOver) {
      const none = { cut: false, truncated: [], progress: null };
      return { sizes: this.#logs.sizes, ...none, ...this.#standing() };
    }
    const measured = this.#logs.look(now);
    const progress = isClaimed ? await readProgress(this.#folder).catch(() => null) : null;
    const look = { ...measured, progress, ...this.#standing() };
    this.#looked = { at: now, look };
    return look;
  }

  #standing(): Pick<Look, "place" | "waitingFor" | "startedAt"> {
    const pod = this.#deps.pods.get(this.#name) ?? this.#last;
    const { seen, startedAt } = this.#claim;
    const node = pod?.node ?? seen?.node ?? null;
    return {
      place: node === null ? null : { node, pod: this.#name },
      waitingFor: seen === null ? this.#waitingFor : null,
      startedAt,
    };
  }

  #hasClosed(): boolean {
    return this.#isClosed;
  }

  /** Never resolves once it is closed: the next agent follows it. */
  async #run(fault: string | null, deadlineMs: number): Promise<ProcessEnding> {
    if (fault !== null) {
      makeLogs(this.#folder);
      return this.#end({ kind: "spawn", message: fault }, null);
    }
    const refused = await this.#ask(deadlineMs);
    if (this.#hasClosed()) return new Promise(() => undefined);
    if (refused !== null) return this.#end(refused, null);
    for (;;) {
      const judgement = classifyEnd(this.#see(), performance.now());
      if (judgement.kind === "ended") {
        const { ending } = judgement;
        // Nothing has claimed it, and nothing will from here on: else its end is still to come.
        const isCertain = ending.kind !== "spawn" || this.#claim.giveUp(this.#deps.clock.now());
        if (judgement.by !== null) this.#stopReason ??= judgement.by;
        if (isCertain) return this.#end(ending, judgement.at);
      }
      const givenUp = await this.#giveUp();
      if (this.#hasClosed()) return new Promise(() => undefined);
      if (givenUp !== null) return this.#end(givenUp, null);
      await this.#deletion.send(this.#last);
      const isSettling = judgement.kind === "settling";
      await this.#sleep(isSettling ? settlingTickMs : this.#deletion.isWanted ? stopTickMs : tickMs);
      if (this.#hasClosed()) return new Promise(() => undefined);
    }
  }

  /** Returns how it ended where no pod will ever come of it. */
  async #ask(deadlineMs: number): Promise<PodEnding | null> {
    if (this.#asking === null) return null;
    for (;;) {
      const words = this.#deps.blockedBy(this.#execution);
      if (words === null || this.#isClosed || this.#stopReason !== null) break;
      this.#waitingFor = words;
      await this.#sleep(tickMs);
    }
    this.#waitingFor = "the API server";
    const asked = await this.#asking.ask(deadlineMs);
    if (this.#isClosed) return null;
    switch (asked.kind) {
      case "created":
        this.#deps.onRefused(null);
        this.#pendingSince = performance.now();
        this.#deps.pods.upsert(asked.pod);
        return null;
      case "stopped":
        if (asked.maybe || !this.#isNeverToStart()) return null;
        return { kind: "spawn", message: "it was stopped before its pod was asked for" };
      case "refused":
        this.#deps.onRefused(asked.message);
        return this.#isNeverToStart() ? { kind: "spawn", message: asked.message } : null;
      default:
        return asked satisfies never;
    }
  }

  #isNeverToStart(): boolean {
    return this.#claim.giveUp(this.#deps.clock.now());
  }

  #see(): Seen {
    const { clock, pods } = this.#deps;
    const claim = this.#claim.find(clock.now());
    const written = readExit(this.#folder);
    const found = pods.get(this.#name);
    const pod = found !== undefined && this.#isOurs(found) ? found : undefined;
    const isEnding = pod === undefined ? pods.isListed : isTerminal(pod) || pod.deletedAt !== null;
    // What cannot be read is not missing: whoever ends it has a reason of his own, anything else waits for the volume.
    const isKnown = written !== null || this.#stopReason !== null || !isEnding || isReadable(this.#folder);
    if (pod !== undefined) {
      this.#last = pod;
      this.#waitingFor = waitingWords(pod) ?? this.#waitingFor;
    }
    const isOver = written !== null || (isKnown && isEnding && (pod === undefined || isTerminal(pod)));
    const seenAt = performance.now();
    this.#overSince = isOver ? (this.#overSince ?? seenAt) : null;
    this.#deletedSince = pod?.deletedAt == null ? null : (this.#deletedSince ?? seenAt);
    this.#unreadySince = pod?.isUnready === true ? (this.#unreadySince ?? seenAt) : null;
    return {
      exit: written === null ? null : { end: written.end, at: readEndedAt(this.#folder) ?? written.at },
      isKnown,
      claim,
      told: written !== null && isTold(this.#folder), // it says something of an end only
      stopReason: this.#stopReason,
      pod: pod ?? (pods.isListed ? "gone" : "unknown"),
      last: this.#last,
      overSince: this.#overSince,
      deletedSince: this.#deletedSince,
      unreadySince: this.#unreadySince,
      waitedFor: this.#waitingFor,
    };
  }

  #isOurs(pod: Pod): boolean {
    return pod.labels["batch-agent/execution"] === this.#execution.id;
  }

  /** Ends one that has waited for too long, or is to be stopped, while nothing has claimed it. */
  async #giveUp(): Promise<PodEnding | null> {
    const { pendingMs } = this.#deps;
    if (this.#claim.seen !== null) return null;
    const isLate = performance.now() - this.#pendingSince > pendingMs && isReadable(this.#folder);
    if (!isLate && this.#stopReason === null) return null;
    const pod = this.#last;
    if (pod !== null && !(await this.#deletion.ask(pod, forcedSeconds))) return null;
    if (!this.#isNeverToStart()) return null; // it was faster, and is stopped as one that runs
    const words = this.#waitingFor ?? "its pod did not start";
    const limit = `${Math.round(pendingMs / 1_000)} s`;
    return { kind: "spawn", message: isLate ? `${words} (not started within ${limit})` : words };
  }

  #end(ending: PodEnding, at: EpochMs | null): ProcessEnding {
    const { clock, onSeconds } = this.#deps;
    this.#isOver = true;
    const now = clock.now();
    this.#claim.find(now);
    const finishedAt = this.#claim.endedAt(at, now);
    const seconds = countSeconds(this.#folder);
    if (seconds > 0) onSeconds(seconds);
    clearFolder(this.#folder);
    return { ...ending, finishedAt, ...this.#logs.measure() };
  }

  /** Ends early when something has changed. */
  #sleep(ms: number): Promise<void> {
    return new Promise((done) => {
      const cancel = this.#deps.clock.after(this.#isWoken ? 0 : ms, done);
      this.#wake = () => {
        cancel();
        done();
      };
      this.#isWoken = false;
    });
  }
}
