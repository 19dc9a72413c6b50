// Query parameters, checked: what is malformed is a 400 that names the parameter and what it takes.
import type { Context } from "hono";
import type { ExecutionQuery } from "../../history/port.ts";
import type { BatchState } from "../../model/batch.ts";
import { idPattern, reasons, statuses, type ExecutionStatus, type Reason } from "../../model/execution.ts";
import { parseInstant } from "../../text/instant.ts";
import { zooms, type Zoom } from "../dashboard/drawing/window.ts";
import { logViews, type LogView } from "../dashboard/log-views.ts";
import { lastFilters, sorts, type ListQuery } from "../dashboard/batch-list.ts";
import { HttpProblem } from "./problem.ts";

const states: readonly string[] = ["scheduled", "chained", "disabled", "invalid", "removed"] satisfies BatchState[];
const batchName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const groupName = /^[a-z0-9][a-z0-9-]*(\/[a-z0-9][a-z0-9-]*){0,7}$/;

/**
 * Throws a 400 for a parameter that is none of `names`: a filter that was misspelt must not answer as if it were not
 * there.
 */
export function onlyParameters(c: Context, names: readonly string[]): void {
  for (const name of Object.keys(c.req.queries())) {
    if (names.includes(name)) continue;
    const known = names.length === 0 ? "this path takes none" : `known are ${names.join(", ")}`;
    throw new HttpProblem(400, `there is no parameter ${name}; ${known}`);
  }
}

/** The one value of a parameter; undefined when it is not given. */
export function single(c: Context, name: string): string | undefined {
  const values = c.req.queries(name);
  if (values !== undefined && values.length > 1) throw new HttpProblem(400, `${name} is given more than once`);
  return values?.[0];
}

function matching(c: Context, name: string, pattern: RegExp, what: string): string | undefined {
  const value = single(c, name);
  if (value !== undefined && !pattern.test(value)) throw new HttpProblem(400, `${name} must be ${what}`);
  return value;
}

/** A whole number from `least` to `most`. */
export function integer(c: Context, name: string, min: number, max: number): number | undefined {
  const value = matching(c, name, /^\d{1,9}$/, `a whole number from ${min} to ${max}`);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (number < min || number > max) throw new HttpProblem(400, `${name} must be a whole number from ${min} to ${max}`);
  return number;
}

/** `1` or `true`, else false. */
export function flag(c: Context, name: string): boolean {
  const value = matching(c, name, /^(1|true|0|false)$/, "1 or 0");
  return value === "1" || value === "true";
}

/** An ISO 8601 date or date-time as epoch ms; UTC where it names no zone. */
function instant(c: Context, name: string): number | undefined {
  const what = "an ISO 8601 date-time such as 2026-11-24T02:00:00Z";
  const value = single(c, name);
  if (value === undefined) return undefined;
  const ms = parseInstant(value);
  if (ms === null) throw new HttpProblem(400, `${name} must be ${what}`);
  return ms;
}

/** Executions of one page of a list. */
export const defaultListed = 50;
const maxListed = 500;

/** Returns one or several of `all`, given with commas between or often; undefined where the parameter is missing. */
function words(c: Context, name: string, all: readonly string[]): string[] | undefined {
  const given = c.req.queries(name)?.flatMap((value) => value.split(","));
  if (given?.some((word) => !all.includes(word)))
    throw new HttpProblem(
      400,
      `${name} must be one of ${all.filter((word) => word !== "").join(", ")}, or several with commas between`,
    );
  return given;
}

export function executionQuery(c: Context): ExecutionQuery {
  const batch = matching(c, "batch", batchName, "the name of a batch");
  const run = matching(c, "run", idPattern, "the id of a run");
  const before = matching(c, "cursor", idPattern, "a nextCursor that was given");
  const status = words(c, "status", statuses);
  const reason = words(c, "reason", reasons);
  const since = instant(c, "since");
  const until = instant(c, "until");
  return {
    limit: integer(c, "limit", 1, maxListed) ?? defaultListed,
    ...(batch === undefined ? {} : { batch }),
    ...(run === undefined ? {} : { run }),
    ...(before === undefined ? {} : { before }),
    ...(status === undefined ? {} : { statuses: status as ExecutionStatus[] }),
    ...(reason === undefined ? {} : { reasons: reason as Reason[] }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}

/** Filters of the list of executions, by the API's names; null where a choice is left open. */
export interface ExecutionListQuery {
  statuses: readonly ExecutionStatus[];
  reasons: readonly Reason[];
  batch: string | null;
  group: string | null;
  tag: string | null;
  run: string | null;
  /** ISO, as they stand in the address. */
  since: string | null;
  until: string | null;
  cursor: string | null;
  limit: number;
  sinceMs: number | null;
  untilMs: number | null;
}

/** Returns what a form leaves open comes as an empty value and means the same as none. */
export function executionListQuery(c: Context): ExecutionListQuery {
  const given = (name: string) => (single(c, name) ?? "") !== "";
  const one = (name: string, pattern: RegExp, what: string) =>
    given(name) ? (matching(c, name, pattern, what) ?? null) : null;
  const time = (name: string) => (given(name) ? (instant(c, name) ?? null) : null);
  const chosen = (name: string, all: readonly string[]) =>
    words(c, name, ["", ...all])?.filter((word) => word !== "") ?? [];
  return {
    statuses: chosen("status", statuses) as ExecutionStatus[],
    reasons: chosen("reason", reasons) as Reason[],
    batch: one("batch", batchName, "the name of a batch"),
    group: groupChoice(c),
    tag: given("tag") ? (single(c, "tag") ?? null) : null,
    run: one("run", idPattern, "the id of a run"),
    since: given("since") ? (single(c, "since") ?? null) : null,
    until: given("until") ? (single(c, "until") ?? null) : null,
    cursor: one("cursor", idPattern, "a nextCursor that was given"),
    limit: given("limit") ? (integer(c, "limit", 1, maxListed) ?? defaultListed) : defaultListed,
    sinceMs: time("since"),
    untilMs: time("until"),
  };
}

/** Names of the parameters that `executionQuery` and `batchQuery` read. */
export const executionParameters = [
  ...["batch", "status", "reason", "group", "tag", "run", "since", "until", "limit", "cursor"],
] as const;
export const batchParameters = ["tag", "state", "group"] as const;

/** Describes which batches are meant. `group`: it and all below. */
export interface BatchQuery {
  tag?: string;
  state?: string;
  group?: string;
}

export function batchQuery(c: Context): BatchQuery {
  const tag = single(c, "tag");
  const state = single(c, "state");
  const group = single(c, "group");
  if (state !== undefined && !states.includes(state))
    throw new HttpProblem(400, `state must be one of ${states.join(", ")}`);
  return {
    ...(tag === undefined ? {} : { tag }),
    ...(state === undefined ? {} : { state }),
    ...(group === undefined ? {} : { group }),
  };
}

/** A choice of a form: null where it is not made. */
export function choice<T extends string>(c: Context, name: string, all: readonly T[]): T | null {
  const value = single(c, name) ?? "";
  if (value === "") return null;
  const found = all.find((one) => one === value);
  if (found === undefined) throw new HttpProblem(400, `${name} must be one of ${all.join(", ")}`);
  return found;
}

/** Returns what the list of batches is asked for. `only`: just these lines, whatever the rest says. */
export function overviewQuery(c: Context): ListQuery & { page: number; only: readonly string[] | null } {
  const tag = single(c, "tag") ?? "";
  return {
    text: (single(c, "q") ?? "").slice(0, 200),
    tag: tag === "" ? null : tag,
    group: groupChoice(c),
    state: choice(c, "state", states as readonly BatchState[]),
    last: choice(c, "last", lastFilters),
    sort: choice(c, "sort", sorts) ?? "attention",
    page: integer(c, "page", 1, 1_000_000) ?? 1,
    only: single(c, "only")?.split(",").slice(0, 500) ?? null,
  };
}

export interface TimelineQuery {
  text: string;
  tag: string | null;
  group: string | null;
  zoom: Zoom;
  /** Beginning of what is shown, epoch ms; null for around now. */
  from: number | null;
}

/** Returns which batches the timeline shows, and which time. */
export function timelineQuery(c: Context): TimelineQuery {
  const tag = single(c, "tag") ?? "";
  const day = single(c, "day") ?? "";
  const at = single(c, "at") ?? "";
  return {
    text: (single(c, "q") ?? "").slice(0, 200),
    tag: tag === "" ? null : tag,
    group: groupChoice(c),
    zoom: choice(c, "zoom", zooms) ?? "day",
    from: at !== "" ? (instant(c, "at") ?? null) : day !== "" ? (instant(c, "day") ?? null) : null,
  };
}

function groupChoice(c: Context): string | null {
  if ((single(c, "group") ?? "") === "") return null;
  return matching(c, "group", groupName, "the path of a group such as billing/eu") ?? null;
}

export interface LogQuery {
  log: LogView;
  before: number | null;
  after: number | null;
  line: number | null;
  /** True where lines are shown with their times. */
  times: boolean;
}

/** Returns which output of an execution a page shows, and where: before or after a position, or around a line. */
export function logQuery(c: Context): LogQuery {
  const position = (name: string) => {
    const value = matching(c, name, /^\d{1,15}$/, "a position in the log");
    return value === undefined ? null : Number(value);
  };
  return {
    log: choice(c, "log", logViews) ?? "merged",
    before: position("before"),
    after: position("after"),
    line: integer(c, "line", 1, 999_999_999) ?? null,
    times: flag(c, "times"),
  };
}
