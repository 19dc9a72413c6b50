// How an execution in a pod ended: what its wrapper has left, then what the cluster says of the pod. Pure; asked again
// and again until the answer is an end.
import type { FinishedBy } from "../../model/execution.ts";
import type { EpochMs } from "../../model/ids.ts";
import { isTerminal, type Pod } from "./api.ts";
import { secondCode } from "./wrapper.ts";

/** A time of a clock that only goes on, of this process: waits are time that passes, whatever clocks are set to. */
export type ElapsedMs = number;

/** Everything that is known of an execution at one moment. */
export interface Seen {
  /** How the script ended, by its wrapper; `at` by its node's clock. */
  exit: { end: ScriptEnd; at: EpochMs } | null;
  /** False while the volume cannot be read: then what is not seen may be there. */
  isKnown: boolean;
  claim: { node: string | null } | null;
  /** True once a SIGTERM has reached the wrapper; false without `exit`. */
  told: boolean;
  /** Why the agent ends it; null while it does not. */
  stopReason: FinishedBy | null;
  /** `unknown`: the API server has not told yet. */
  pod: Pod | "unknown" | "gone";
  /** The pod as it was last seen, once it is gone. */
  last: Pod | null;
  /** Since when it has been over as far as the cluster tells, or `exit` was first seen; null before. */
  overSince: ElapsedMs | null;
  /** Since when this agent has seen that it is to be gone, and that it is not ready: clocks are never compared. */
  deletedSince: ElapsedMs | null;
  unreadySince: ElapsedMs | null;
  /** Words on what it last waited for. */
  waitedFor: string | null;
}

type ScriptEnd = { kind: "exit"; exitCode: number } | { kind: "signal"; signal: string };

export type PodEnding =
  | ScriptEnd
  | { kind: "signal"; signal: string; message: string }
  | { kind: "spawn"; message: string }
  | { kind: "lost"; message: string };

export type Judgement =
  | { kind: "goes-on" }
  /** It seems to be over, but more may come: look again soon. */
  | { kind: "settling" }
  | { kind: "ended"; ending: PodEnding; at: EpochMs | null; by: FinishedBy | null };

/** A network file system may show a file this much later on another machine. */
export const settleMs = 10_000;
/** The same for one that we have ended: its reason is known, whatever its wrapper still says. */
const stoppedSettleMs = 2_000;
/** Once told, the reason for it is waited for this long. */
const reasonMs = 3_000;
/** A pod that is to be gone, on a node that says nothing. */
export const silentMs = 600_000;
/** After a container has run twice the first one may still be at work. */
const secondMs = 600_000;

export function classifyEnd(seen: Seen, now: ElapsedMs): Judgement {
  return seen.exit === null ? withoutExit(seen, now) : withExit(seen, seen.exit, now);
}

function withExit(seen: Seen, { end, at }: NonNullable<Seen["exit"]>, now: ElapsedMs): Judgement {
  const { stopReason, told } = seen;
  const pod = known(seen);
  const sinceMs = seen.overSince === null ? 0 : now - seen.overSince;
  const ended = (ending: PodEnding): Judgement => ({ kind: "ended", ending, at, by: stopReason });
  if (stopReason !== null) return ended(end);
  // Killed for its memory, or only by a code that looks like it: the cluster knows, a second later.
  if (isKilled(end)) {
    if (pod?.terminated?.reason === "OOMKilled") return ended(outOfMemory(pod));
    const mayCome = seen.pod !== "gone" && pod?.terminated == null;
    return mayCome && sinceMs < settleMs ? { kind: "settling" } : ended(end);
  }
  if (told && isTold(end)) {
    const why = outsideReason(pod);
    if (why === null && seen.pod !== "gone" && sinceMs < reasonMs) return { kind: "settling" };
    return ended({ kind: "signal", signal: "SIGTERM", message: `ended by its node: ${why ?? "ended from outside"}` });
  }
  return ended(end);
}

function withoutExit(seen: Seen, now: ElapsedMs): Judgement {
  const { pod, claim, stopReason } = seen;
  if (pod === "unknown" || !seen.isKnown) return { kind: "goes-on" };
  const patienceMs = stopReason === null ? settleMs : stoppedSettleMs;
  const sinceMs = seen.overSince === null ? 0 : now - seen.overSince;
  const of = known(seen);
  const ended = (ending: PodEnding, by = stopReason): Judgement => {
    const at = of?.terminated?.finishedAt ?? null;
    return { kind: "ended", ending, at, by };
  };
  if (pod === "gone") {
    if (stopReason !== null && claim === null) return ended({ kind: "spawn", message: notStarted(seen) });
    if (sinceMs < patienceMs) return { kind: "settling" };
    if (claim === null) return ended({ kind: "spawn", message: notStarted(seen) });
    const why = outsideReason(of) ?? "its pod is gone, ended from outside";
    return ended({ kind: "lost", message: `${why}; it left no exit code${onNode(seen)}` });
  }
  if (!isTerminal(pod)) {
    const silentSince = silence(seen, pod);
    if (silentSince === null || now - silentSince < silentMs) return { kind: "goes-on" };
    const node = pod.node ?? claim?.node ?? "its node";
    return ended({ kind: "lost", message: `${node} has not answered for 10 min: it may still be running on ${node}` });
  }
  if (pod.terminated?.reason === "OOMKilled") return ended(outOfMemory(pod));
  if (pod.reason === "DeadlineExceeded") return ended({ kind: "signal", signal: "SIGKILL" }, stopReason ?? "timeout");
  if (claim === null) {
    if (stopReason === null && sinceMs < settleMs && !saysNeverStarted(pod)) return { kind: "settling" };
    return ended({ kind: "spawn", message: neverStarted(seen, pod) });
  }
  const isSecond = pod.terminated?.exitCode === secondCode;
  if (sinceMs < (isSecond && stopReason === null ? secondMs : patienceMs)) return { kind: "settling" };
  const why = [pod.reason, pod.terminated?.reason].find((one) => one != null && one !== "Error" && one !== "Completed");
  const code = pod.terminated === null ? "" : ` with code ${pod.terminated.exitCode}`;
  const words = outsideReason(pod) ?? why ?? `its pod ended${code}`;
  const uncertain = isSecond ? ", and may still be running" : "";
  return ended({ kind: "lost", message: `${words}; it left no exit code${onNode(seen)}${uncertain}` });
}

function known({ pod, last }: Seen): Pod | null {
  return typeof pod === "string" ? last : pod;
}

function isKilled(end: ScriptEnd): boolean {
  return end.kind === "exit" ? end.exitCode === 137 : end.signal === "SIGKILL";
}

/** Ends that a SIGTERM makes: a script may trap it and say that all is well. */
function isTold(end: ScriptEnd): boolean {
  return end.kind === "exit" ? end.exitCode === 0 || end.exitCode === 143 : end.signal === "SIGTERM";
}

function outOfMemory({ memoryLimit }: Pod): PodEnding {
  const message = `out of memory${memoryLimit === null ? "" : `, limit ${memoryLimit}`}`;
  return { kind: "signal", signal: "SIGKILL", message };
}

/** Returns who ended a pod from outside, in a word; null where nothing tells. */
export function outsideReason(pod: Pod | null): string | null {
  if (pod === null) return null;
  switch (pod.disruption) {
    case null:
      break;
    case "EvictionByEvictionAPI":
      return "evicted"; // as `kubectl drain` does
    case "DeletionByTaintManager":
      return "evicted (its node has a taint)";
    case "PreemptionByScheduler":
    case "PreemptionByKubeScheduler":
      return "preempted";
    default:
      return `evicted (${pod.disruption})`;
  }
  if (pod.reason === "Evicted") return `evicted${pod.message === null ? "" : ` (${pod.message})`}`;
  return pod.deletedAt === null ? null : "deleted";
}

function silence({ deletedSince, unreadySince }: Seen, { deletionGraceMs }: Pod): ElapsedMs | null {
  if (deletedSince === null) return null;
  return Math.min(deletedSince + deletionGraceMs, unreadySince ?? Infinity);
}

/** The container could not be made: no script can have run. */
function saysNeverStarted(pod: Pod): boolean {
  return ["StartError", "ContainerCannotRun"].includes(pod.terminated?.reason ?? "");
}

function neverStarted(seen: Seen, pod: Pod): string {
  const { terminated } = pod;
  if (terminated?.reason === "ContainerStatusUnknown" || terminated === null) return notStarted(seen);
  const words = [terminated.reason, terminated.message].filter((one) => one !== null && one !== "Error").join(": ");
  return `the script was not started: ${words === "" ? `its pod ended with code ${terminated.exitCode}` : words}`;
}

function notStarted(seen: Seen): string {
  const why = outsideReason(known(seen)) ?? "ended from outside";
  const waited = seen.waitedFor === null ? "" : `, while it waited: ${seen.waitedFor}`;
  return `its pod was ${why} before the script started${waited}`;
}

function onNode(seen: Seen): string {
  const node = known(seen)?.node ?? seen.claim?.node ?? null;
  return node === null ? "" : `, on ${node}`;
}

/** Returns what a pod that has not started its container waits for, in the cluster's words; null once it runs. */
export function waitingWords(pod: Pod): string | null {
  if (pod.unscheduled !== null) return pod.unscheduled;
  if (pod.waiting !== null && pod.waiting.reason !== "ContainerCreating" && pod.waiting.reason !== "PodInitializing")
    return [pod.waiting.reason, pod.waiting.message].filter((one) => one !== null).join(": ");
  if (pod.phase !== "Pending") return null;
  return pod.node === null ? "a node" : `its container on ${pod.node}`;
}
