// _group.yaml: what is valid, and what is wrong with its place and a hint.
import { describe, expect, test } from "vitest";
import { icsNamesOf, parseGroup } from "../../agent/definitions/group.ts";
import { parseICalendar } from "../../agent/schedule/icalendar.ts";

const ics =
  "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261225\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

function parse(text: string, name = "billing", files: Record<string, string> = {}) {
  const bytes = new TextEncoder().encode(text);
  return parseGroup(
    {
      name,
      location: `batches.d/${name}/_group.yaml`,
      bytes,
      size: bytes.length,
      changedAt: 0,
    },
    { timeZone: "UTC", ics: new Map(Object.entries(files).map(([file, text]) => [file, parseICalendar(text)])) },
  );
}

test("a whole one", () => {
  const { group, problems } = parse(
    `description: All of billing
defaults:
  timeZone: Europe/Paris
  notify: { mail: [night@example.org] }
  env: { REGION: eu }
  retry: { limit: 2 }
  enabled: false
pools:
  warehouse: 2
calendars:
  holidays: { dates: ["12-25", "2026-05-01"], ics: h.ics }
  weekend: { weekdays: [sat, sun] }
`,
    "billing",
    { "h.ics": ics },
  );
  expect(problems).toEqual([]);
  expect(group).toMatchObject({
    name: "billing",
    description: "All of billing",
    defaults: {
      timeZone: "Europe/Paris",
      env: { REGION: "eu" },
      enabled: false,
      retry: { limit: 2, delay: "10s", codes: "all" },
    },
    pools: { warehouse: 2 },
  });
  // Only what is written is a default: a key that is not there is left to the groups above.
  expect(Object.keys(group?.defaults ?? {})).toEqual(["timeZone", "notify", "env", "retry", "enabled"]);
  expect(group?.calendars.get("holidays")?.has(Date.parse("2026-12-25") / 86_400_000)).toBe(true);
});

test.each(["# nothing yet\n", "defaults:\n", "{}\n"])("%j says nothing, or says so", (text) => {
  const { group, problems } = parse(text);
  if (text === "defaults:\n") expect(problems[0]?.message).toMatch(/defaults has no value/);
  else expect(group).toMatchObject({ defaults: {}, pools: {} });
});

describe("what is wrong is told with its place and a hint", () => {
  test.each<
    [string, string, { code: string; line: number; column: number; path: string | null; message: string; hint: RegExp }]
  >([
    [
      "a key that only a batch has",
      "defaults:\n  cron: '0 0 * * *'\n",
      {
        code: "unknown-key",
        line: 2,
        column: 3,
        path: "defaults.cron",
        message: "cron cannot be a default",
        hint: /set it in batch.yaml/,
      },
    ],
    [
      "a misspelt default",
      "defaults:\n  timezone: UTC\n",
      {
        code: "unknown-key",
        line: 2,
        column: 3,
        path: "defaults.timezone",
        message: "unknown key defaults.timezone",
        hint: /did you mean `timeZone`/,
      },
    ],
    [
      "a misspelt key",
      "default: {}\n",
      {
        code: "unknown-key",
        line: 1,
        column: 1,
        path: "default",
        message: "unknown key default",
        hint: /did you mean `defaults`/,
      },
    ],
    [
      "a wrong value below defaults",
      "defaults:\n  keep: { executions: 0 }\n",
      {
        code: "schema",
        line: 2,
        column: 23,
        path: "defaults.keep.executions",
        message: "defaults.keep.executions must be at least 1",
        hint: /^/,
      },
    ],
    [
      "a zone that is none",
      "defaults:\n  timeZone: Europe/Pariss\n",
      {
        code: "bad-time-zone",
        line: 2,
        column: 13,
        path: "defaults.timeZone",
        message: 'there is no time zone "Europe/Pariss"',
        hint: /Europe\/Paris/,
      },
    ],
    [
      "a key of batch.yaml at the top",
      "timeZone: UTC\n",
      {
        code: "unknown-key",
        line: 1,
        column: 1,
        path: "timeZone",
        message: "unknown key timeZone",
        hint: /belongs below `defaults`/,
      },
    ],
    [
      "a pool of size 0",
      "pools: { db: 0 }\n",
      { code: "schema", line: 1, column: 14, path: "pools.db", message: "pools.db must be at least 1", hint: /^/ },
    ],
    [
      "a day there is not",
      "calendars:\n  h:\n    dates: [12-25, 02-30]\n",
      {
        code: "bad-calendar",
        line: 3,
        column: 20,
        path: "calendars.h.dates[1]",
        message: '"02-30" is not a day of the calendar',
        hint: /12-25/,
      },
    ],
    [
      "an ics that is not there",
      "calendars:\n  h: { ics: no.ics }\n",
      {
        code: "bad-calendar",
        line: 2,
        column: 13,
        path: "calendars.h.ics",
        message: "no.ics: there is no such file beside _group.yaml",
        hint: /iCalendar/,
      },
    ],
    ["not YAML", "defaults: [\n", { code: "yaml-syntax", line: 1, column: 11, path: null, message: "", hint: /^/ }],
  ])("%s", (_, text, { hint, message, ...expected }) => {
    const { group, problems } = parse(text);
    expect(group).toBeNull();
    expect(problems[0]).toMatchObject({
      batch: "billing/_group.yaml",
      file: "batches.d/billing/_group.yaml",
      ...expected,
    });
    expect(problems[0]?.message).toContain(message);
    expect(problems[0]?.hint ?? "").toMatch(hint);
  });
});

test("problems of the top group bear its file's name", () => {
  expect(parse("x: 1\n", "").problems[0]?.batch).toBe("_group.yaml");
});

test("the iCalendar files that are asked for, also of a file that is not valid", () => {
  const names = (text: string) => icsNamesOf(text);
  expect(names("calendars: { a: { ics: x.ics }, b: { ics: ../etc/passwd }, c: { ics: x.ics } }\nfoo: 1\n")).toEqual([
    "x.ics",
  ]);
  expect(names("calendars: [")).toEqual([]);
});
