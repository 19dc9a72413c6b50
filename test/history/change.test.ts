// A commit as a line of the journal: what is written is read again, and nothing else is.
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { batchOf, decodeLine, encodeLine, isEvent, numbered, type Change } from "../../agent/history/change.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { execution } from "../helpers/make.ts";

const batch = "report" as BatchName;
const id = execution().id.replace("01Z", "01J");
const row = (status: "queued" | "failed" | "running") => ({
  ...execution({ status }),
  id: id as never,
  run: id as never,
});
/** Checksum of a line, which stays with what is read of it. */
const crc = expect.stringMatching(/^[0-9a-f]{8}$/) as string;
const changes: Change[] = [
  { kind: "put", execution: row("queued") },
  { kind: "put", execution: row("failed") },
  { kind: "put", execution: row("running"), silent: true },
  { kind: "delete", batch, ids: [id as never] },
  { kind: "head", batch, fields: { commit: null } },
  { kind: "forget", batch },
  { kind: "touch", batch },
];

test.each(changes.map((change) => [change.kind, change] as const))("%s is read as it was written", (_kind, change) => {
  const line = { seq: 7, changes: [change] };
  const text = encodeLine(line);
  expect(text.endsWith("\n")).toBe(true);
  expect(decodeLine(text.slice(0, -1))).toEqual({ ...line, crc });
  expect(batchOf(change)).toBe("report");
});

test("a line that repeats says so", () => {
  const line = { seq: 1, changes, repeated: true as const };
  expect(decodeLine(encodeLine(line).trimEnd())).toEqual({ ...line, crc });
});

test("a new execution leaves out what it does not have", () => {
  const text = encodeLine({ seq: 1, changes: [{ kind: "put", execution: row("queued") }] });
  for (const field of ["exitCode", "finishedAt", "stdoutBytes", "unusual"]) expect(text).not.toContain(`"${field}"`);
  expect(encodeLine({ seq: 1, changes: [{ kind: "put", execution: row("failed") }] })).toContain('"exitCode":1');
});

test("only events are numbered", () => {
  expect(changes.map(isEvent)).toEqual([true, true, false, false, false, false, true]);
  expect(numbered(changes, 10).map(({ number }) => number)).toEqual([10, 11, null, null, null, null, 12]);
});

/** A line with a right checksum, whatever is in it. */
function signed(body: string): string {
  return `${body},"crc":"${crc32(body).toString(16).padStart(8, "0")}"}`;
}

test.each([
  ["empty", ""],
  ["short", '{"seq":1}'],
  ["a flipped letter", encodeLine({ seq: 1, changes }).trimEnd().replace("report", "resort")],
  ["a torn line", encodeLine({ seq: 1, changes }).slice(0, -9)],
  ["no JSON", signed('{"seq":1,"changes":[')],
  ["no number", signed('{"seq":"1","changes":[]')],
  ["a number with a fraction", signed('{"seq":1.5,"changes":[]')],
  ["changes that are no list", signed('{"seq":1,"changes":{}')],
  ["a change of no kind", signed('{"seq":1,"changes":[{"kind":"x"}]')],
  ["a row that is none", signed('{"seq":1,"changes":[{"kind":"put","execution":{}}]')],
  ["a deletion of no ids", signed('{"seq":1,"changes":[{"kind":"delete","batch":"a"}]')],
  ["a head without fields", signed('{"seq":1,"changes":[{"kind":"head","batch":"a"}]')],
  ["a batch that is no name", signed('{"seq":1,"changes":[{"kind":"forget","batch":1}]')],
])("%s is no line", (_name, text) => expect(decodeLine(text)).toBeNull());

test("a line without changes is one", () =>
  expect(decodeLine(signed('{"seq":3,"changes":[]'))).toEqual({
    seq: 3,
    changes: [],
    crc,
  }));
