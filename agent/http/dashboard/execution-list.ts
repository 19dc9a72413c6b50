// Filters of the list of executions: from the address to a query of the history, and back. Pure.
import type { ExecutionQuery as HistoryQuery } from "../../history/port.ts";
import type { BatchStatus } from "../../model/batch.ts";
import { defaultListed, type ExecutionListQuery } from "../protocol/query.ts";
import { isInGroup } from "./groups.ts";

/** Groups and tags are those of the definitions in force. A name that no batch has means all that contain it. */
export function toHistoryQuery(query: ExecutionListQuery, all: readonly BatchStatus[]): HistoryQuery {
  const { statuses, reasons, batch, group, tag, run, cursor, limit, sinceMs, untilMs } = query;
  const isName = batch !== null && all.some(({ name }) => name === batch);
  const part = isName ? null : batch;
  const chosen = all.filter(
    (one) =>
      (part === null || one.name.includes(part)) &&
      (group === null || (one.batch !== null && isInGroup(one.batch.group, group))) &&
      (tag === null || one.batch?.file.tags.includes(tag) === true),
  );
  return {
    limit,
    ...(group === null && tag === null && part === null
      ? {}
      : { batches: new Set<string>(chosen.map(({ name }) => name)) }),
    ...(isName ? { batch } : {}),
    ...(run === null ? {} : { run }),
    ...(cursor === null ? {} : { before: cursor }),
    ...(statuses.length === 0 ? {} : { statuses }),
    ...(reasons.length === 0 ? {} : { reasons }),
    ...(sinceMs === null ? {} : { since: sinceMs }),
    ...(untilMs === null ? {} : { until: untilMs }),
  };
}

/** The address of the list with `changes`; another filter begins at the newest again. */
export function linkToExecutions(
  query: Partial<ExecutionListQuery>,
  changes: Partial<ExecutionListQuery> = {},
): string {
  const { statuses, reasons, batch, group, tag, run, since, until, limit, cursor } = {
    ...query,
    cursor: null,
    ...changes,
  };
  const pairs: [string, string | null | undefined][] = [
    ["status", statuses?.join(",")],
    ["reason", reasons?.join(",")],
    ["batch", batch],
    ["group", group],
    ["tag", tag],
    ["run", run],
    ["since", since],
    ["until", until],
    ["limit", limit === undefined || limit === defaultListed ? null : String(limit)],
    ["cursor", cursor],
  ];
  const search = new URLSearchParams(
    pairs.flatMap(([name, value]): [string, string][] => (value == null || value === "" ? [] : [[name, value]])),
  );
  return search.size === 0 ? "/executions" : `/executions?${search.toString()}`;
}
