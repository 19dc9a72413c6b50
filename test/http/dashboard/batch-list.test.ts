import { expect, test } from "vitest";
import {
  countBatches,
  selectBatches,
  sorts,
  standingOf,
  tagsOf,
  type Listed,
  type ListQuery,
} from "../../../agent/http/dashboard/batch-list.ts";
import { outlineOf } from "../../../agent/history/port.ts";
import type { BatchFile, BatchState } from "../../../agent/model/batch.ts";
import { isOpen, type Execution } from "../../../agent/model/execution.ts";
import { batch, execution } from "../../helpers/make.ts";

const standing = (executions: readonly Execution[]) =>
  standingOf(executions.map(outlineOf).reverse(), executions.filter(isOpen).length);

function listed(
  name: string,
  executions: Execution[] = [],
  fields: { state?: BatchState; tags?: string[]; description?: string; problems?: number } = {},
): Listed {
  const { state = "scheduled", tags = [], description, problems = 0 } = fields;
  const definition =
    state === "removed"
      ? null
      : batch({ file: { tags, ...(description === undefined ? {} : { description }) } as BatchFile });
  return {
    status: {
      name,
      state,
      batch: definition,
      revision: null,
      commit: null,
      problems: Array.from({ length: problems }, () => ({}) as never),
      blockedBy: [],
    },
    standing: standing(executions),
  };
}
const ok = () => execution({ status: "succeeded", durationMs: 10 });
const bad = () => execution({ status: "failed", durationMs: 30 });
const odd = () => ({ ...ok(), unusual: "too-slow" as const });
const all: Listed[] = [
  listed("steady", [ok()], { tags: ["nightly"], description: "Backs up the Orders" }),
  listed("failing", [ok(), bad(), execution({ status: "running" })], { tags: ["nightly", "billing"] }),
  listed("resting", [bad()], { state: "disabled" }),
  listed("broken", [], { state: "invalid", problems: 1 }),
  listed("stale-edit", [ok()], { problems: 1 }),
  listed("odd", [odd()]),
  listed("busy", [ok(), execution({ status: "running" })]),
  listed("waiting", [ok(), execution({ status: "queued" })]),
  listed("skipped", [execution({ status: "aborted" })]),
  listed("new"),
  listed("gone", [bad()], { state: "removed" }),
];
const names = (query: Partial<ListQuery>) =>
  selectBatches(all, { text: "", tag: null, group: null, state: null, last: null, sort: "name", ...query }, (name) =>
    name === "new" ? 5 : name === "busy" ? 3 : null,
  ).map(({ status }) => status.name);

test("what fails comes first, what rests last", () => {
  expect(names({ sort: "attention" })).toEqual([
    "failing",
    "broken",
    "stale-edit",
    "skipped",
    "odd",
    "busy",
    "waiting",
    "steady",
    "new",
    "resting",
  ]);
});

test.each<[Partial<ListQuery>, string[]]>([
  [{ text: "BACKS orders" }, ["steady"]],
  [{ text: "nightly" }, ["failing", "steady"]],
  [{ text: "nightly nothing" }, []],
  [{ text: "gone" }, ["gone"]],
  [{ tag: "billing" }, ["failing"]],
  [{ tag: "bill" }, []],
  [{ state: "removed" }, ["gone"]],
  [{ state: "disabled" }, ["resting"]],
  [{ last: "failed" }, ["failing", "resting"]],
  [{ last: "running" }, ["busy", "failing"]],
  [{ last: "queued" }, ["waiting"]],
  [{ last: "unusual" }, ["odd"]],
  [{ last: "never" }, ["broken", "new"]],
  [{ last: "succeeded", tag: "nightly" }, ["steady"]],
])("%j finds %j", (query, want) => expect(names(query)).toEqual(want));

test("by next start: what has none comes last", () =>
  expect(names({ sort: "next" }).slice(0, 2)).toEqual(["busy", "new"]));
test.each(sorts)("sorting by %s loses nothing", (sort) => expect(names({ sort })).toHaveLength(10));

test("a running execution hides no failure before it", () => {
  const { open, result } = standing([bad(), execution({ status: "running" })]);
  expect([open?.status, result?.status]).toEqual(["running", "failed"]);
});

test("counts leave out what is removed", () => {
  expect(countBatches(all)).toEqual({ all: 10, failed: 2, running: 2, queued: 1, unusual: 1, invalid: 1, disabled: 1 });
});

test("tags once each, in order", () => expect(tagsOf(all.map(({ status }) => status))).toEqual(["billing", "nightly"]));
