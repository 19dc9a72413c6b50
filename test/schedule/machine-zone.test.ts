// TZ and /etc/localtime as libc reads them. The zone files are this machine's own; `date` is the judge.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { findMachineZone, localtime, type ZoneSources } from "../../agent/schedule/machine-zone.ts";
import { offsetIn } from "../../agent/schedule/zone.ts";
import { parseZoneFile } from "../../agent/schedule/zone-file.ts";
import { parseZoneRule } from "../../agent/schedule/zone-rule.ts";

const home = "/usr/share/zoneinfo";
const now = Date.UTC(2027, 0, 15);
const readOwn = (path: string) => (path.startsWith(home) && existsSync(path) ? readFileSync(path) : null);

function sources(tz: string | undefined, change: Partial<ZoneSources> = {}): ZoneSources {
  return { tz, folders: [home], read: readOwn, follow: (path) => path, named: null, ...change };
}

describe("TZ", () => {
  const rows: { tz: string; timeZone: string; note: RegExp | null }[] = [
    { tz: "", timeZone: "UTC", note: null },
    { tz: ":", timeZone: "UTC", note: null },
    { tz: "Europe/Paris", timeZone: "Europe/Paris", note: null },
    { tz: ":Europe/Paris", timeZone: "Europe/Paris", note: null },
    { tz: "posix/Europe/Paris", timeZone: "Europe/Paris", note: null },
    { tz: `${home}/America/New_York`, timeZone: "America/New_York", note: null },
    { tz: `:${home}/America/New_York`, timeZone: "America/New_York", note: null },
    { tz: "EST5EDT", timeZone: "EST5EDT", note: null },
    { tz: "Etc/GMT+5", timeZone: "Etc/GMT+5", note: null },
    // Rules: the same clocks where Node has such a zone, said always.
    { tz: "UTC0", timeZone: "UTC", note: /is a rule/ },
    { tz: "GMT+5", timeZone: "Etc/GMT+5", note: /is a rule.*Etc\/GMT\+5/ },
    { tz: "<+09>-9", timeZone: "Etc/GMT-9", note: /is a rule/ },
    { tz: "XXX5:17", timeZone: "UTC", note: /Node knows no zone with the same clocks/ },
    // What libc takes for UTC.
    { tz: "BST", timeZone: "UTC", note: /names no time zone/ },
    { tz: "FOO", timeZone: "UTC", note: /names no time zone/ },
    { tz: "../zoneinfo/Europe/Paris", timeZone: "UTC", note: /names no time zone/ },
    { tz: "/nonexistent", timeZone: "UTC", note: /no such file/ },
  ];
  test.each(rows)("$tz", ({ tz, timeZone, note }) => {
    const found = findMachineZone(sources(tz), now);
    expect(found.timeZone).toBe(timeZone);
    if (note === null) expect(found.note).toBeNull();
    else expect(found.note).toMatch(note);
  });

  test.each(["CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"])(
    "the rule %s is followed by a zone whose clocks are the same",
    (tz) => {
      const { timeZone, note } = findMachineZone(sources(tz), now);
      expect(note).toContain(timeZone);
      const clock = parseZoneRule(tz);
      for (let t = now; t < now + 2 * 366 * 86_400_000; t += 3 * 3_600_000)
        expect(offsetIn(timeZone, t)).toBe(clock?.(t));
    },
  );

  test("a name without its file is followed, and it is said that date shows UTC", () => {
    const found = findMachineZone(sources("Europe/Paris", { read: () => null }), now);
    expect(found.timeZone).toBe("Europe/Paris");
    expect(found.note).toMatch(/no file of that zone.*date show UTC/);
  });
});

describe("/etc/localtime", () => {
  const paris = readOwn(`${home}/Europe/Paris`);
  const mounted = (path: string) => (path === localtime ? paris : null);

  test("a link tells the name", () => {
    const found = findMachineZone(sources(undefined, { follow: () => `${home}/Europe/Paris`, read: () => paris }), now);
    expect(found).toEqual({ timeZone: "Europe/Paris", note: null });
  });
  test("none is UTC", () => {
    expect(findMachineZone(sources(undefined, { read: () => null, follow: () => null }), now)).toEqual({
      timeZone: "UTC",
      note: null,
    });
  });
  test("a mounted file without a name: what it holds counts, not what Node says, and it is said", () => {
    const found = findMachineZone(sources(undefined, { read: mounted }), now);
    expect(found.note).toMatch(/does not tell the name.*--time-zone/);
    for (const month of [0, 3, 6, 9]) {
      const t = Date.UTC(2027, month, 15);
      expect(offsetIn(found.timeZone, t)).toBe(offsetIn("Europe/Paris", t));
    }
  });
  test("/etc/timezone names it, where it has the same clocks", () => {
    expect(findMachineZone(sources(undefined, { read: mounted, named: "Europe/Paris" }), now)).toEqual({
      timeZone: "Europe/Paris",
      note: null,
    });
    expect(findMachineZone(sources(undefined, { read: mounted, named: "Asia/Tokyo" }), now).timeZone).not.toBe(
      "Asia/Tokyo",
    );
  });
  test("a file that says other than Node of its name is told", () => {
    const tokyo = readOwn(`${home}/Asia/Tokyo`);
    const found = findMachineZone(sources(undefined, { follow: () => `${home}/Europe/Paris`, read: () => tokyo }), now);
    expect(found).toMatchObject({
      timeZone: "Europe/Paris",
      note: expect.stringContaining("differ in Europe/Paris") as string,
    });
  });
  test("what is no zone file is UTC, and said", () => {
    const found = findMachineZone(sources(undefined, { read: () => Buffer.from("TZif2 cut") }), now);
    expect(found).toMatchObject({ timeZone: "UTC", note: expect.stringContaining("not a zone file") as string });
  });
});

test.each([
  "CET-1CEST,M3.5.0,M10.5.0/3",
  "EST5EDT",
  "AEST-10AEDT,M10.1.0,M4.1.0/3",
  "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
  "XXX-1YYY-2,J60/0,J300/5",
  "XXX-1YYY-2,59/0,300/5:30",
  "IST-1GMT0,M10.5.0,M3.5.0/1",
])("the rule %s has the offsets that date shows", (rule) => {
  const clock = parseZoneRule(rule);
  const times = Array.from({ length: 80 }, (_, i) => Date.UTC(2027, 0, 1) + i * 9.3 * 86_400_000);
  const input = times.map((t) => `@${Math.floor(t / 1000)}`).join("\n");
  const shown = execFileSync("date", ["-f", "-", "+%:::z"], {
    input,
    env: { ...process.env, TZ: rule },
    encoding: "utf8",
  });
  const want = shown
    .trim()
    .split("\n")
    .map((text) => {
      const [, sign, hours, minutes = "0"] = /^([+-])(\d\d)(?::(\d\d))?/.exec(text) ?? [];
      return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000 || 0;
    });
  expect(times.map((t) => clock?.(Math.floor(t / 1000) * 1000))).toEqual(want);
});

test.each(["", "FOO", "Europe/Paris", "CET-1CEST,M3.5.0", "CET-25", "CET-1CEST,M13.1.0,M1.1.0", "CE-1"])(
  "%j is no rule",
  (text) => expect(parseZoneRule(text)).toBeNull(),
);

test("a zone file has the offsets of its zone, before and after its last transition", () => {
  for (const zone of [
    "Europe/Paris",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Etc/UTC",
  ]) {
    const clock = parseZoneFile(readFileSync(`${home}/${zone}`));
    for (let t = Date.UTC(1995, 0, 1); t < Date.UTC(2045, 0, 1); t += 17.3 * 86_400_000)
      expect([zone, t, clock?.(t)]).toEqual([zone, t, offsetIn(zone, t)]);
  }
});
