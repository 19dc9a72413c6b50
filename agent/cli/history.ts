// `batch-agent history`: executions, newest first, of a running agent or (--offline) of a data folder.
import { ConfigError } from "../errors.ts";
import { closest } from "../definitions/suggest.ts";
import type { OfflineRecord } from "../history/offline.ts";
import { sanitize } from "../text/glyphs.ts";
import { executionView, type BatchView, type ExecutionView } from "../views.ts";
import { checkGroup, noBatch, type AgentClient } from "./agent-client.ts";

/** Executions of one answer of the API. */
const pageSize = 500;

export interface HistoryFilter {
  /** Only these; empty: all. */
  names: readonly string[];
  status?: readonly string[] | undefined;
  reason?: readonly string[] | undefined;
  /** This group and all below it. */
  group?: string | undefined;
  tag?: string | undefined;
  run?: string | undefined;
  since?: number | undefined;
  until?: number | undefined;
  count: number;
}

/** Throws AgentError, also for a batch or a group that the agent does not have. */
export async function agentHistory(client: AgentClient, filter: HistoryFilter): Promise<ExecutionView[]> {
  const { names, status, reason, group, tag, run, since, until, count } = filter;
  const fixed: [string, string | undefined][] = [
    ["status", status?.join(",")],
    ["reason", reason?.join(",")],
    ["group", group],
    ["tag", tag],
    ["run", run?.toUpperCase()],
    ["since", since === undefined ? undefined : new Date(since).toISOString()],
    ["until", until === undefined ? undefined : new Date(until).toISOString()],
  ];
  const query = new URLSearchParams();
  for (const [name, value] of fixed) if (value !== undefined) query.set(name, value);
  await checkNames(client, names, group);
  const parts: ExecutionView[] = [];
  for (const name of names.length === 0 ? [null] : new Set(names)) {
    const of = new URLSearchParams(query);
    if (name !== null) of.set("batch", name);
    parts.push(...(await pages(client, of, count)));
  }
  return parts.sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, count);
}

async function pages(client: AgentClient, query: URLSearchParams, count: number): Promise<ExecutionView[]> {
  const items: ExecutionView[] = [];
  for (;;) {
    query.set("limit", String(Math.min(pageSize, count - items.length)));
    const page = await client.json<{ items: ExecutionView[]; nextCursor: string | null }>(
      `/api/executions?${query.toString()}`,
    );
    items.push(...page.items);
    if (page.nextCursor === null || items.length >= count) return items;
    query.set("cursor", page.nextCursor);
  }
}

async function checkNames(client: AgentClient, names: readonly string[], group: string | undefined): Promise<void> {
  if (names.length > 0) {
    const { items } = await client.json<{ items: BatchView[] }>("/api/batches");
    const known = items.map(({ name }) => name);
    const unknown = names.find((name) => !known.includes(name));
    if (unknown !== undefined) throw noBatch(client.url, unknown, known);
  }
  await checkGroup(client, group);
}

export async function offlineHistory(
  dataDir: string,
  filter: HistoryFilter,
  complain: (text: string) => void,
): Promise<ExecutionView[]> {
  const { isDataFolder, readRecord } = await import("../history/offline.ts");
  if (!isDataFolder(dataDir))
    throw new ConfigError(
      `there is no data folder of an agent at ${dataDir}`,
      "name it with --data or BATCH_AGENT_DATA, as the agent has it",
    );
  const record = readRecord(dataDir);
  for (const { file, reason } of record.unreadable)
    complain(`batch-agent: cannot read all of ${sanitize(file)}: ${sanitize(reason)}\n`);
  return chosen(record, filter);
}

/** Throws ConfigError for a batch that is not on record. */
export function chosen({ batches }: OfflineRecord, filter: HistoryFilter): ExecutionView[] {
  const { names, status, reason, group, run, since = -Infinity, until = Infinity, count } = filter;
  const unknown = names.find((name) => !batches.has(name));
  if (unknown !== undefined) {
    const near = closest(unknown, [...batches.keys()]);
    throw new ConfigError(
      `there is no batch ${unknown} on record`,
      near === null ? "history without a name lists all" : `did you mean ${near}?`,
    );
  }
  const found: ExecutionView[] = [];
  for (const [name, { rows }] of batches) {
    if (names.length > 0 && !names.includes(name)) continue;
    const all = [...rows.values()];
    // The group of its latest one is where it is now.
    const home = all.reduce<(typeof all)[number] | null>((a, b) => (a === null || a.id < b.id ? b : a), null)?.group;
    if (group !== undefined && group !== "" && home !== group && home?.startsWith(`${group}/`) !== true) continue;
    for (const row of all) {
      const createdAt = Date.parse(row.createdAt);
      if (status?.includes(row.status) === false) continue;
      if (reason !== undefined && (row.reason === null || !reason.includes(row.reason))) continue;
      if (run !== undefined && row.run !== run.toUpperCase()) continue;
      if (createdAt >= since && createdAt <= until) found.push(executionView(row));
    }
  }
  return found.sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, count);
}
