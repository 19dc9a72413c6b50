// What a node's clock says, in the agent's time.
import { expect, test } from "vitest";
import { behindMs } from "../../../agent/runners/kubernetes/node-clock.ts";

const seenAt = Date.parse("2026-11-24T02:00:10Z");
const askedAt = "2026-11-24T02:00:00.000Z";
const hour = 3_600_000;

test.each([
  ["a clock that may be right", seenAt - 4_000, { startedAt: null, askedAt }, 0],
  ["one that is an hour behind", seenAt - hour, { startedAt: null, askedAt }, hour],
  ["one that is an hour ahead", seenAt + hour, { startedAt: null, askedAt }, -hour],
  ["one that is ahead, of a start nobody knows more of", seenAt + hour, { startedAt: null }, -hour],
  ["a start that is on record", seenAt - hour, { startedAt: "2026-11-24T02:00:04.000Z", askedAt }, hour - 6_000],
])("%s", (_, claimedAt, execution, want) => {
  expect(behindMs(claimedAt, execution, seenAt)).toBe(want);
});
