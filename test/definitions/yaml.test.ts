// What a YAML text means, and where in it something stands: tables beside those of whole batch.yaml files.
import { describe, expect, test } from "vitest";
import { redactPair, shownAddress } from "../../agent/definitions/redact.ts";
import { icsNamesOf, readInherited } from "../../agent/definitions/group.ts";
import { decodeText } from "../../agent/definitions/text-file.ts";
import { readYaml } from "../../agent/definitions/yaml.ts";

describe("places", () => {
  const text = [
    "base: &base [one, two]",
    "list:",
    "  - a",
    "  - { name: b }",
    "empty:",
    "again: *base",
    "1: number",
    "true: word",
    "",
  ].join("\n");
  const { data, faults, place } = readYaml(text);

  test("keys that are no text are read as they are written", () => {
    expect(faults).toEqual([]);
    expect(Object.keys(data as object)).toEqual(["1", "base", "list", "empty", "again", "true"]);
  });

  test.each([
    [["list", 0], "value", 3, 5],
    [["list", 1, "name"], "key", 4, 7],
    [["list", 1, "name"], "value", 4, 13],
    [["list", 7], "value", 3, 3],
    [["empty"], "value", 5, 1],
    [["again"], "key", 6, 1],
    [["again", 1], "value", 1, 19],
    [["1"], "value", 7, 4],
    [["none"], "value", 1, 1],
    [["list", "none"], "value", 3, 3],
    [[], "key", 1, 1],
  ] as const)("%j, its %s: line %i, column %i", (path, of, line, column) => {
    const found = place([...path], of);
    expect(found.line).toBe(line);
    expect(found.column).toBe(column);
  });

  test("of a text without anything: its beginning", () => {
    expect(readYaml("").place([], "value")).toEqual({ line: 1, column: 1 });
  });
});

describe("redacted", () => {
  test.each([
    ["a variable whose name is no word", "env: { ? [a, b] : topsecret }\n"],
    ["a variable that is a list", "env: { A: [topsecret, topsecret] }\n"],
  ])("%s", (_what, text) => expect(redactPair(null, text).after).not.toContain("topsecret"));

  test.each([
    ["https://chat.example.org", "https://chat.example.org"],
    ["https://chat.example.org/", "https://chat.example.org/"],
    ["https://chat.example.org/hooks/topsecret", "https://chat.example.org/***"],
    ["topsecret", "/***"],
  ])("the address %s", (url, shown) => expect(shownAddress(url)).toBe(shown));
});

describe("what a stored revision inherited", () => {
  test.each([
    ["timeout: 1h\ncalendars: { closed: abc }\n", { defaults: { timeout: "1h" }, calendars: { closed: "abc" } }],
    ["- a list\n", { defaults: {}, calendars: {} }],
    ["calendars: none\ntimeout: 1h\n", { defaults: { timeout: "1h" }, calendars: {} }],
    ["timeout: [1h]\n", { defaults: {}, calendars: {} }],
  ])("%j", (text, inherited) => expect(readInherited(text)).toEqual(inherited));
});

test.each([
  ["calendars: { a: { ics: a.ics }, b: { ics: 1 }, c: [ics], d: { ics: a.ics }, e: { ics: ../x.ics } }\n", ["a.ics"]],
  ["ics\n", []],
  ["calendars: [ics]\n", []],
  ["timeout: 1h\n", []],
])("iCalendar files of %j", (text, names) => expect(icsNamesOf(text)).toEqual(names));

test.each([
  ["little-endian with a mark", [0xff, 0xfe, 0x61, 0]],
  ["big-endian with a mark", [0xfe, 0xff, 0, 0x61]],
  ["little-endian without", [0x61, 0, 0x62, 0]],
])("UTF-16 %s is said as what it is", (_what, bytes) => {
  const decoded = decodeText("batch.yaml", Uint8Array.from(bytes), bytes.length);
  expect("fault" in decoded && decoded.fault.message).toBe("batch.yaml is UTF-16");
});
