// history.json as text, and what is taken for one.
import { describe, expect, test } from "vitest";
import {
  documentText,
  isDocument,
  isExecution,
  isHead,
  newHead,
  rowId,
  rowText,
  splitDocument,
} from "../../agent/history/document.ts";
import type { BatchName, ExecutionId, RunId } from "../../agent/model/ids.ts";
import { execution } from "../helpers/make.ts";

const at = "2026-11-24T12:00:00.000Z";
const head = newHead("report" as BatchName, at);
const id = (n: number) => `01JDAAAAAAAAAAAAAAAAAAAAA${n}` as ExecutionId;
const row = (n: number) => rowText({ ...execution(), id: id(n), run: id(n) as string as RunId });
const rows = (...numbers: number[]) => new Map(numbers.map((n) => [id(n), row(n)]));

test.each([[[]], [[1]], [[2, 1, 3]]])("a document of rows %j is what it was, oldest first", (numbers) => {
  const text = documentText({ head, rows: rows(...numbers) });
  const whole = JSON.parse(text) as { executions: { id: string }[] };
  expect(whole.executions.map((each) => each.id)).toEqual([...numbers].sort().map(id));
  expect(isDocument(whole, "report")).toBe(true);
  expect(splitDocument(text)).toEqual({ head, rows: rows(...[...numbers].sort()) });
});

describe("a text that documentText did not write", () => {
  const text = documentText({ head, rows: rows(1, 2) });
  test.each([
    ["empty", ""],
    ["JSON in another form", `${JSON.stringify({ ...head, executions: [] })}\n`],
    ["without its end", text.slice(0, -1)],
    ["without its last bracket", text.replace("]}\n", "]\n")],
    ["a row that is none", text.replace(`"${id(1)}"`, '"nobody"')],
    ["a comma that is missing", text.replace(/,\n\{"id"/, '\n{"id"')],
    ["a head that is no JSON", text.replace('{"name"', '{name"')],
  ])("%s", (_name, wrong) => {
    expect(wrong).not.toBe(text);
    expect(splitDocument(wrong)).toBeNull();
  });
});

test.each([
  [row(1), id(1)],
  ["", null],
  [`{"id":"${id(1)}`, null],
  [`{"id":"${id(1).toLowerCase()}","run":""}`, null],
  [`{"xx":"${id(1)}","run":""}`, null],
])("the id of %.40j", (text, want) => expect(rowId(text)).toBe(want));

describe("a head that is read", () => {
  const told = { failures: 0, heard: true, streaks: [], last: {} };
  test.each<[string, object, boolean]>([
    ["new", {}, true],
    ["scheduled", { schedule: { key: "k", coveredUntil: at } }, true],
    ["told", { told }, true],
    ["late", { late: { afterMs: 1, judged: at, isLate: true } }, true],
    ["not late", { late: null, lateDue: [], commands: [], lastDueAt: at }, true],
    ["of another batch", { name: "other" }, false],
    ["without a time", { firstSeenAt: "yesterday" }, false],
    ["a time that is no text", { firstSeenAt: 5 }, false],
    ["a schedule without its mark", { schedule: { key: "k" } }, false],
    ["without a schedule", { schedule: undefined }, false],
    ["a due time that is none", { lastDueAt: "x" }, false],
    ["told that is nothing", { told: null }, false],
    ["told that is a word", { told: "x" }, false],
    ["told without a count", { told: { ...told, failures: "0" } }, false],
    ["told without streaks", { told: { ...told, streaks: null } }, false],
    ["told without the last", { told: { ...told, last: null } }, false],
    ["late since no time", { late: { afterMs: 1, judged: "x", isLate: false } }, false],
    ["late due that is no list", { lateDue: {} }, false],
    ["commands that are no list", { commands: {} }, false],
  ])("%s: %j", (_name, fields, want) => expect(isHead({ ...head, ...fields }, "report")).toBe(want));

  test.each([null, 5, "x", [], { ...head }, { ...head, executions: {} }, { ...head, executions: [{}] }])(
    "%j is no document",
    (value) => expect(isDocument(value, "report")).toBe(false),
  );
});

describe("a row that is read", () => {
  const sound = { ...execution(), id: id(1), run: id(1) as string as RunId };
  test.each<[object | null, boolean]>([
    [{}, true],
    [null, false],
    [{ id: "x" }, false],
    [{ run: 5 }, false],
    [{ status: "unknown" }, false],
    [{ batch: null }, false],
    [{ batch: "other" }, false],
    [{ createdAt: "x" }, false],
    [{ trigger: null }, false],
    [{ trigger: "cron" }, false],
    [{ trigger: {} }, false],
    [{ trigger: { dueAt: "x" } }, false],
  ])("%j: %s", (fields, want) =>
    expect(isExecution(fields === null ? null : { ...sound, ...fields }, "report")).toBe(want),
  );
});

test.each([
  ["judged", { judged: at }, true],
  ["with due times", { judged: at, upTo: at, open: [at] }, true],
  ["upTo that is no time", { judged: at, upTo: "soon" }, false],
  ["open that is no list", { judged: at, open: at }, false],
  ["open that holds no time", { judged: at, open: [at, 1] }, false],
])("a head with late: %s", (_what, late, isOne) => expect(isHead({ ...head, late } as never, "report")).toBe(isOne));

test("an empty document that was pretty-printed is taken apart too", () => {
  const text = documentText({ head, rows: new Map() });
  expect(splitDocument(text)?.rows.size).toBe(0);
});
