// How an execution in a pod ended: the whole table, row by row.
import { describe, expect, test } from "vitest";
import type { Pod } from "../../../agent/runners/kubernetes/api.ts";
import { classifyEnd, settleMs, silentMs, waitingWords, type Seen } from "../../../agent/runners/kubernetes/ending.ts";

const now = Date.parse("2026-11-24T02:00:00Z");
const node = "n1";

function pod(fields: Partial<Pod> = {}): Pod {
  return {
    name: "report-0123456789",
    uid: "u",
    resourceVersion: "1",
    labels: {},
    annotations: {},
    createdAt: now - 60_000,
    deletedAt: null,
    deletionGraceMs: 0,
    node,
    phase: "Running",
    reason: null,
    message: null,
    unscheduled: null,
    disruption: null,
    isUnready: false,
    waiting: null,
    terminated: null,
    memoryLimit: "256Mi",
    ...fields,
  };
}
const ended = (reason: string, exitCode = 137, fields: Partial<Pod> = {}) =>
  pod({ phase: "Failed", terminated: { exitCode, reason, message: null, finishedAt: now - 1_000 }, ...fields });

function seen(fields: Partial<Seen> = {}): Seen {
  const last = fields.pod !== undefined && typeof fields.pod !== "string" ? fields.pod : null;
  return {
    exit: null,
    isKnown: true,
    claim: { node },
    told: false,
    stopReason: null,
    pod: pod(),
    last,
    overSince: now - settleMs,
    deletedSince: null,
    unreadySince: null,
    waitedFor: null,
    ...fields,
  };
}
const exit = (exitCode: number) => ({ end: { kind: "exit" as const, exitCode }, at: now - 500 });
const killed = { end: { kind: "signal" as const, signal: "SIGKILL" }, at: now - 500 };

const rows: { name: string; given: Partial<Seen>; want: object }[] = [
  { name: "it runs", given: {}, want: { kind: "goes-on" } },
  { name: "nobody knows of its pod yet", given: { pod: "unknown" }, want: { kind: "goes-on" } },
  { name: "0", given: { exit: exit(0) }, want: { ending: { kind: "exit", exitCode: 0 }, at: now - 500, by: null } },
  {
    name: "0, told by us",
    given: { exit: exit(0), told: true, stopReason: "cancelled", pod: pod({ deletedAt: now }) },
    want: { ending: { kind: "exit", exitCode: 0 }, by: "cancelled" },
  },
  {
    name: "0, told by an eviction",
    given: { exit: exit(0), told: true, pod: pod({ deletedAt: now, disruption: "EvictionByEvictionAPI" }) },
    want: { ending: { kind: "signal", signal: "SIGTERM", message: "ended by its node: evicted" } },
  },
  {
    name: "143, told by a deletion",
    given: { exit: exit(143), told: true, pod: pod({ deletedAt: now }) },
    want: { ending: { kind: "signal", message: "ended by its node: deleted" } },
  },
  {
    name: "0, told, preempted, and gone by now",
    given: {
      exit: exit(0),
      told: true,
      pod: "gone",
      last: pod({ deletedAt: now, disruption: "PreemptionByScheduler" }),
    },
    want: { ending: { message: "ended by its node: preempted" } },
  },
  {
    name: "0, told, and nobody saw by whom",
    given: { exit: exit(0), told: true, pod: "gone" },
    want: { ending: { message: "ended by its node: ended from outside" } },
  },
  {
    name: "0, told, the reason may still come",
    given: { exit: exit(0), told: true, pod: "unknown", overSince: now },
    want: { kind: "settling" },
  },
  {
    name: "a code of its own, whatever the pod says",
    given: { exit: exit(3), told: true, pod: ended("OOMKilled") },
    want: { ending: { kind: "exit", exitCode: 3 } },
  },
  {
    name: "137, the memory of a child",
    given: { exit: exit(137), pod: ended("OOMKilled") },
    want: { ending: { kind: "signal", signal: "SIGKILL", message: "out of memory, limit 256Mi" } },
  },
  { name: "137, the cluster may still say why", given: { exit: killed, overSince: now }, want: { kind: "settling" } },
  {
    name: "137 of its own",
    given: { exit: exit(137), pod: ended("Error") },
    want: { ending: { kind: "exit", exitCode: 137 } },
  },
  {
    name: "no exit, out of memory as a whole",
    given: { pod: ended("OOMKilled") },
    want: { ending: { kind: "signal", signal: "SIGKILL", message: "out of memory, limit 256Mi" } },
  },
  {
    name: "no exit, its node does not know",
    given: { pod: ended("ContainerStatusUnknown") },
    want: { ending: { kind: "lost", message: "ContainerStatusUnknown; it left no exit code, on n1" } },
  },
  {
    name: "no exit, but it may still come",
    given: { pod: ended("Error"), overSince: now },
    want: { kind: "settling" },
  },
  {
    name: "no exit, evicted for its disk",
    given: { pod: ended("Error", 137, { reason: "Evicted", message: "low on ephemeral-storage" }) },
    want: { ending: { kind: "lost", message: "evicted (low on ephemeral-storage); it left no exit code, on n1" } },
  },
  {
    name: "no exit, past the backstop",
    given: { pod: ended("Error", 137, { reason: "DeadlineExceeded" }) },
    want: { ending: { kind: "signal", signal: "SIGKILL" }, by: "timeout" },
  },
  {
    name: "a second container: the first may be at work",
    given: { pod: ended("Error", 125) },
    want: { kind: "settling" },
  },
  {
    name: "no claim, its node does not know, after a delete",
    given: {
      claim: null,
      pod: ended("ContainerStatusUnknown", 137, { deletedAt: now }),
      waitedFor: 'secret "nope" not found',
    },
    want: {
      ending: {
        kind: "spawn",
        message: 'its pod was deleted before the script started, while it waited: secret "nope" not found',
      },
    },
  },
  {
    name: "no claim, no bash in its image",
    given: {
      claim: null,
      overSince: now,
      pod: pod({
        phase: "Failed",
        terminated: { exitCode: 128, reason: "StartError", message: 'exec: "bash": not found', finishedAt: 0 },
      }),
    },
    want: { ending: { kind: "spawn", message: 'the script was not started: StartError: exec: "bash": not found' } },
  },
  { name: "gone, the files may lag", given: { pod: "gone", overSince: now }, want: { kind: "settling" } },
  { name: "gone", given: { pod: "gone" }, want: { ending: { kind: "lost" } } },
  { name: "gone before it started", given: { pod: "gone", claim: null }, want: { ending: { kind: "spawn" } } },
  {
    name: "no exit, on a volume that cannot be read: it may be there",
    given: { isKnown: false, pod: ended("Error") },
    want: { kind: "goes-on" },
  },
  { name: "gone, and the volume cannot be read", given: { isKnown: false, pod: "gone" }, want: { kind: "goes-on" } },
  {
    name: "no claim to be seen on a volume that cannot be read",
    given: { isKnown: false, claim: null, pod: ended("StartError", 128) },
    want: { kind: "goes-on" },
  },
  {
    name: "to be gone, its node silent, not long yet",
    given: { pod: pod({ deletedAt: now }), overSince: null, deletedSince: now - silentMs + 1 },
    want: { kind: "goes-on" },
  },
  {
    name: "to be gone for 10 min by a clock that is not the agent's",
    given: { pod: pod({ deletedAt: now - 2 * silentMs }), overSince: null, deletedSince: now },
    want: { kind: "goes-on" },
  },
  {
    name: "to be gone for 10 min, with longer to end",
    given: {
      pod: pod({ deletedAt: now, deletionGraceMs: 60_000 }),
      overSince: null,
      deletedSince: now - silentMs,
    },
    want: { kind: "goes-on" },
  },
  {
    name: "to be gone, its node silent for 10 min before",
    given: {
      pod: pod({ deletedAt: now, deletionGraceMs: 60_000, isUnready: true }),
      ...{ overSince: null, deletedSince: now, unreadySince: now - silentMs },
    },
    want: { ending: { kind: "lost" } },
  },
  {
    name: "to be gone, its node silent for 10 min",
    given: { pod: pod({ deletedAt: now }), overSince: null, deletedSince: now - silentMs },
    want: { ending: { kind: "lost", message: "n1 has not answered for 10 min: it may still be running on n1" } },
  },
  {
    name: "its node silent, but nobody has given it up",
    given: { pod: pod({ isUnready: true }), overSince: null, unreadySince: now - 2 * silentMs },
    want: { kind: "goes-on" },
  },
];

test.each(rows)("$name", ({ given, want }) => {
  expect(classifyEnd(seen(given), now)).toMatchObject(want);
});

describe("what a pod waits for", () => {
  test.each([
    {
      given: pod({ phase: "Pending", node: null, unscheduled: "0/1 nodes: 1 Insufficient cpu." }),
      want: "0/1 nodes: 1 Insufficient cpu.",
    },
    {
      given: pod({ phase: "Pending", waiting: { reason: "ImagePullBackOff", message: "Back-off pulling" } }),
      want: "ImagePullBackOff: Back-off pulling",
    },
    {
      given: pod({ phase: "Pending", waiting: { reason: "ContainerCreating", message: null } }),
      want: "its container on n1",
    },
    { given: pod({ phase: "Pending", node: null }), want: "a node" },
    { given: pod(), want: null },
  ])("$want", ({ given, want }) => {
    expect(waitingWords(given)).toBe(want);
  });
});
