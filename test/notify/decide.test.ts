// Which ends are told: tables of ends, one after the other, and what each brings.
import { describe, expect, test } from "vitest";
import type { Told } from "../../agent/history/document.ts";
import type { Notify } from "../../agent/model/batch.ts";
import type { NotifyEvent, Execution } from "../../agent/model/execution.ts";
import { decideLate, decideNotice } from "../../agent/notify/decide.ts";
import { execution, t0 } from "../helpers/make.ts";

const minute = 60_000;
const all: NotifyEvent[] = ["failure", "recovery", "success", "unusual"];
const asking = (...on: NotifyEvent[]): Notify => ({ on, mail: ["ops@example.org"], webhook: [], ping: [] });

/**
 * An end at a minute: `m`issed, past its `d`eadline, `f`ailed, `s`ucceeded, `u`nusual success, `a`borted, a first or
 * a `r`epeated attempt replaced.
 */
type End = [kind: "f" | "s" | "u" | "a" | "m" | "d" | "1" | "r", atMinute: number];

function endOf(kind: End[0]): Execution {
  if (kind === "1" || kind === "r")
    return execution({ status: "aborted", reason: "replaced", attempt: kind === "1" ? 1 : 2 });
  if (kind === "m" || kind === "d")
    return execution({ status: "aborted", reason: kind === "m" ? "missed" : "deadline" });
  const status = kind === "f" ? "failed" : kind === "a" ? "aborted" : "succeeded";
  return execution({ status, unusual: kind === "u" ? "too-fast" : null });
}

/** What each end brought: `failure 3` for one that stands for three. */
function play(notify: Notify, ends: End[], before?: Execution): string[] {
  let told: Told | undefined;
  return ends.map(([kind, at]) => {
    const decided = decideNotice(notify, told, endOf(kind), before, t0 + at * minute);
    told = decided.told;
    return decided.due === null ? "-" : `${decided.due.event} ${decided.due.count}`;
  });
}

const every = (kind: End[0], from: number, to: number): End[] =>
  Array.from({ length: to - from }, (_, i) => [kind, from + i]);
const none = (count: number) => Array.from({ length: count }, () => "-");

describe("what is told", () => {
  test.each<{ name: string; on: NotifyEvent[]; ends: End[]; want: string[] }>([
    {
      name: "the first failure at once, and the recovery",
      on: ["failure", "recovery"],
      ends: [
        ["s", 0],
        ["f", 1],
        ["s", 2],
        ["s", 3],
      ],
      want: ["-", "failure 1", "recovery 1", "-"],
    },
    {
      name: "the recovery tells how often it failed",
      on: ["failure", "recovery"],
      ends: [
        ["f", 0],
        ["f", 1],
        ["f", 2],
        ["s", 3],
      ],
      want: ["failure 1", "-", "-", "recovery 3"],
    },
    {
      name: "a failure every minute: one an hour, with the count",
      on: ["failure"],
      ends: every("f", 0, 121),
      want: ["failure 1", ...none(59), "failure 60", ...none(59), "failure 60"],
    },
    {
      name: "due times that will never run: one message an hour, whatever kept them, beside the failures",
      on: ["failure", "recovery", "missed"],
      ends: [
        ["m", 0],
        ["d", 1],
        ["f", 2],
        ["m", 3],
        ["s", 4],
        ["d", 61],
        ["m", 122],
      ],
      want: ["missed 1", "-", "failure 1", "-", "recovery 1", "missed 3", "missed 1"],
    },
    {
      name: "what is missed tells nothing to who does not ask for it",
      on: ["failure"],
      ends: [
        ["m", 0],
        ["d", 1],
      ],
      want: ["-", "-"],
    },
    {
      name: "a failure a day: each",
      on: ["failure"],
      ends: [
        ["f", 0],
        ["f", 1440],
        ["f", 2880],
      ],
      want: ["failure 1", "failure 1", "failure 1"],
    },
    {
      name: "a new failure after a recovery at once, with those held back before",
      on: ["failure", "recovery"],
      ends: [
        ["f", 0],
        ["f", 1],
        ["s", 2],
        ["f", 3],
        ["s", 4],
      ],
      want: ["failure 1", "-", "recovery 2", "failure 2", "recovery 1"],
    },
    {
      name: "what comes and goes: four an hour",
      on: ["failure", "recovery"],
      ends: Array.from({ length: 14 }, (_, i): End => [i % 2 === 0 ? "f" : "s", i]),
      want: [
        ...["failure 1", "recovery 1", "failure 1", "recovery 1", "failure 1", "recovery 1", "failure 1", "recovery 1"],
        ...none(6),
      ],
    },
    {
      name: "what comes and goes is told again later, with the count",
      on: ["failure", "recovery"],
      ends: [...Array.from({ length: 10 }, (_, i): End => [i % 2 === 0 ? "f" : "s", i]), ["f", 70], ["s", 71]],
      want: [
        ..."frfrfrfr".split("").map((k) => (k === "f" ? "failure 1" : "recovery 1")),
        "-",
        "-",
        "failure 2",
        "recovery 1",
      ],
    },
    {
      name: "a failure that began unheard is told once the hour is over",
      on: ["failure", "recovery"],
      ends: [
        ...Array.from({ length: 8 }, (_, i): End => [i % 2 === 0 ? "f" : "s", i]),
        ...every("f", 8, 70),
        ["s", 71],
      ],
      want: [
        ..."frfrfrfr".split("").map((k) => (k === "f" ? "failure 1" : "recovery 1")),
        ...none(58),
        "failure 59",
        ...none(3),
        "recovery 62",
      ],
    },
    {
      name: "an abort is no end of anything",
      on: all,
      ends: [
        ["f", 0],
        ["a", 1],
        ["s", 2],
        ["a", 3],
        ["s", 4],
      ],
      want: ["failure 1", "-", "recovery 1", "-", "success 1"],
    },
    {
      name: "a further attempt that was replaced is the failure before it; a first one is no end",
      on: ["failure", "recovery"],
      ends: [
        ["1", 0],
        ["r", 1],
        ["r", 2],
        ["1", 3],
        ["s", 4],
      ],
      want: ["-", "failure 1", "-", "-", "recovery 2"],
    },
    {
      name: "recovery only",
      on: ["recovery"],
      ends: [
        ["f", 0],
        ["s", 1],
        ["s", 2],
      ],
      want: ["-", "recovery 1", "-"],
    },
    {
      name: "failure only",
      on: ["failure"],
      ends: [
        ["f", 0],
        ["s", 1],
        ["f", 2],
      ],
      want: ["failure 1", "-", "failure 1"],
    },
    {
      name: "success once an hour, with the count",
      on: ["success"],
      ends: every("s", 0, 61),
      want: ["success 1", ...none(59), "success 60"],
    },
    {
      name: "a recovery that is not asked for is a success",
      on: ["failure", "success"],
      ends: [
        ["f", 0],
        ["s", 1],
      ],
      want: ["failure 1", "success 1"],
    },
    {
      name: "unusual successes once an hour",
      on: ["unusual"],
      ends: [
        ["s", 0],
        ["u", 1],
        ["u", 2],
        ["s", 3],
        ["u", 61],
      ],
      want: ["-", "unusual 1", "-", "-", "unusual 2"],
    },
    {
      name: "one message an end: recovery before unusual before success",
      on: all,
      ends: [
        ["f", 0],
        ["u", 1],
        ["u", 2],
        ["s", 3],
      ],
      want: ["failure 1", "recovery 1", "unusual 1", "success 1"],
    },
    { name: "unusual that is not asked for is a success", on: ["success"], ends: [["u", 0]], want: ["success 1"] },
    {
      name: "nothing asked, nothing told",
      on: [],
      ends: [
        ["f", 0],
        ["s", 1],
        ["u", 2],
      ],
      want: none(3),
    },
    {
      name: "a clock set back holds nothing up",
      on: ["failure"],
      ends: [
        ["f", 100],
        ["f", 101],
        ["f", 40],
        ["f", 41],
      ],
      want: ["failure 1", "-", "failure 2", "-"],
    },
  ])("$name", ({ on, ends, want }) => expect(play(asking(...on), ends)).toEqual(want));
});

test("a batch that failed before anybody was to hear of it recovers", () => {
  expect(
    play(
      asking("recovery"),
      [
        ["s", 0],
        ["s", 1],
      ],
      endOf("f"),
    ),
  ).toEqual(["recovery 1", "-"]);
  expect(play(asking("recovery"), [["s", 0]], endOf("s"))).toEqual(["-"]);
  expect(play(asking("recovery"), [["s", 0]], endOf("a"))).toEqual(["-"]);
});

test("a success of a batch that is well leaves the record as it is: no write, no memory", () => {
  const told: Told = { failures: 0, heard: true, streaks: [], last: {} };
  expect(decideNotice(asking("failure", "recovery"), told, endOf("s"), undefined, t0).told).toBe(told);
  expect(decideNotice(asking("failure", "recovery"), undefined, endOf("s"), undefined, t0).told).toBeUndefined();
});

test("the record stays small however much a batch comes and goes", () => {
  let told: Told | undefined;
  for (let i = 0; i < 2_000; i++)
    told = decideNotice(asking(...all), told, endOf(i % 2 === 0 ? "f" : "u"), undefined, t0 + i * minute).told;
  expect(JSON.stringify(told).length).toBeLessThan(500);
});

test.each(["queued", "running"] as const)("what is %s is no end: nothing is told", (status) => {
  const told = decideNotice(asking(...all), undefined, execution({ status }), undefined, t0);
  expect(told).toEqual({ told: undefined, due: null });
});

test("late: once an hour, with how many there were, and only where it is asked for", () => {
  expect(decideLate(asking("failure"), undefined, t0)).toEqual({ told: undefined, due: null });
  const notify = asking("late");
  const first = decideLate(notify, undefined, t0);
  expect(first.due).toEqual({ event: "late", count: 1, since: null });
  const second = decideLate(notify, first.told, t0 + minute);
  expect(second.due).toBeNull();
  const third = decideLate(notify, second.told, t0 + 61 * minute);
  expect(third.due).toEqual({ event: "late", count: 2, since: new Date(t0).toISOString() });
});
