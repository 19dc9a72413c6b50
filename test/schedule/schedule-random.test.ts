// Random patterns around real changes of clocks, against an oracle that reads the wall clock of each minute from Intl.
import { expect, test } from "vitest";
import { createSchedule, dueBetween, jitterOffset, nextDue, parsePattern } from "../../agent/schedule/schedule.ts";
import type { Schedule } from "../../agent/model/batch.ts";

const minute = 60_000;
const day = 86_400_000;
const iso = (t: number) => new Date(t).toISOString();

function scheduleOf(texts: string[], zone: string): Schedule {
  const patterns = texts.map((text) => {
    const parsed = parsePattern(text);
    if (!("pattern" in parsed)) throw new Error(`${text}: ${parsed.message}`);
    return parsed.pattern;
  });
  return createSchedule(patterns, zone, 0);
}

/** mulberry32: the same numbers in every run. */
function seeded(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function randomPattern(random: (below: number) => number): string {
  const pick = (values: string[]) => values[random(values.length)] as string;
  const m = () => String(random(60));
  const h = () => String(random(4) === 0 ? random(24) : random(4));
  const minutes = pick([
    "*",
    `*/${1 + random(30)}`,
    m(),
    m(),
    m(),
    `${m()},${m()}`,
    `${random(30)}-${30 + random(30)}`,
    `0-${random(60)}/7`,
  ]);
  const hours = pick(["*", `*/${1 + random(5)}`, h(), h(), h(), h(), `${h()},${h()}`, `${random(3)}-${3 + random(4)}`]);
  const days = pick(["*", "*", "*", "*", `${25 + random(6)}-31`, `*/${1 + random(3)}`]);
  const weekdays = pick(["*", "*", "*", "*", "0", "6,0", "1-5"]);
  return `${minutes} ${hours} ${days} * ${weekdays}`;
}

function valuesOf(field: string, low: number, high: number): Set<number> {
  const values = new Set<number>();
  for (const part of field.split(",")) {
    const [range = "", step = "1"] = part.split("/");
    const [from = "", to = from] = range === "*" ? [String(low), String(high)] : range.split("-");
    for (let value = Number(from); value <= Number(to); value += Number(step)) values.add(value);
  }
  return values;
}

function matcherOf(text: string): (wall: number) => boolean {
  const [minutes = "", hours = "", days = "", , weekdays = ""] = text.split(" ");
  const [inMinutes, inHours, inDays, inWeekdays] = [
    valuesOf(minutes, 0, 59),
    valuesOf(hours, 0, 23),
    valuesOf(days, 1, 31),
    valuesOf(weekdays, 0, 6),
  ];
  return (wall) => {
    const at = new Date(wall);
    if (!inMinutes.has(at.getUTCMinutes()) || !inHours.has(at.getUTCHours())) return false;
    const [byDay, byWeekday] = [inDays.has(at.getUTCDate()), inWeekdays.has(at.getUTCDay())];
    return days === "*" || weekdays === "*" ? byDay && byWeekday : byDay || byWeekday;
  };
}

/** What the clocks show at each minute from `from` on, as if it were UTC. */
function wallsOf(zone: string, from: number, count: number): number[] {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  return Array.from({ length: count }, (_, i) => Date.parse(`${format.format(from + i * minute).replace(" ", "T")}Z`));
}

function oracle(text: string, walls: number[], from: number): number[] {
  const matches = matcherOf(text);
  const [minutes = "", hours = ""] = text.split(" ");
  const realTime = !/^\d+$/.test(minutes) || hours.includes("*");
  const due: number[] = [];
  let latest = -Infinity;
  for (const [i, wall] of walls.entries()) {
    let hit = matches(wall) && (realTime || wall > latest);
    if (latest > -Infinity) for (let gap = latest + minute; gap < wall; gap += minute) hit ||= matches(gap);
    latest = Math.max(latest, wall);
    if (hit) due.push(from + i * minute);
  }
  return due;
}

const changes: [string, string][] = [
  ["Europe/Paris", "2027-03-28T01:00Z"],
  ["Europe/Paris", "2027-10-31T01:00Z"],
  ["America/New_York", "2027-03-14T07:00Z"],
  ["America/New_York", "2027-11-07T06:00Z"],
  ["Australia/Lord_Howe", "2027-04-03T15:00Z"],
  ["Australia/Lord_Howe", "2027-10-02T15:30Z"],
  ["Africa/Casablanca", "2027-02-07T02:00Z"],
  ["Africa/Casablanca", "2027-03-14T02:00Z"],
  ["Antarctica/Troll", "2027-03-28T01:00Z"],
  ["Antarctica/Troll", "2027-10-31T01:00Z"],
  ["Africa/Cairo", "2027-04-29T22:00Z"],
  ["Africa/Cairo", "2027-10-28T21:00Z"],
  ["America/Santiago", "2027-04-04T03:00Z"],
  ["Asia/Beirut", "2027-03-27T22:00Z"],
  ["Pacific/Apia", "2011-12-30T10:00Z"],
  ["Asia/Pyongyang", "2018-05-04T15:00Z"],
  ["Asia/Kathmandu", "2027-01-01T00:00Z"],
];

test.each(changes)("%s around %s", (zone, at) => {
  const random = seeded(Date.parse(at) % 99_991);
  const from = Date.parse(at) - 2 * day;
  const count = (4 * day) / minute;
  const walls = wallsOf(zone, from, count);
  for (let i = 0; i < 60; i++) {
    const texts = Array.from({ length: 1 + (i % 3 === 0 ? random(3) : 0) }, () => randomPattern(random));
    const schedule = scheduleOf(texts, zone);
    const want = [...new Set(texts.flatMap((text) => oracle(text, walls, from)))].sort((a, b) => a - b);
    const got: number[] = [];
    for (let t = nextDue(schedule, from - 1); t !== null && t < from + count * minute; t = nextDue(schedule, t)) {
      expect(t).toBeGreaterThan(got.at(-1) ?? from - 1);
      got.push(t);
    }
    expect(got.map(iso), texts.join(" | ")).toEqual(want.map(iso));
    // Asked at any instant, the answer is the first of these after it; and a window holds what the walk finds in it.
    for (let n = 0; n < 20; n++) {
      const after = from + random(4 * day);
      const upTo = after + random(2 * day);
      const first = want.find((t) => t > after);
      if (first !== undefined) expect(nextDue(schedule, after)).toBe(first);
      const inside = want.filter((t) => t > after && t <= upTo);
      const wanted =
        inside.length === 0
          ? null
          : { first: inside[0], before: inside.at(-2) ?? null, last: inside.at(-1), count: inside.length };
      if (upTo < from + 4 * day) expect(dueBetween(schedule, after, upTo)).toEqual(wanted);
    }
  }
});

test("jitter stays within its bound and is the same for ever", () => {
  expect(["a", "report", "backup-1", "backup-2"].map((name) => jitterOffset(name, 600_000))).toMatchInlineSnapshot(`
    [
      62115,
      289756,
      184450,
      261042,
    ]
  `);
});
