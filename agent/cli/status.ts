// `batch-agent status`: how a running agent and its batches are.
import type { Problem } from "../model/problem.ts";
import type { BatchView } from "../views.ts";
import { checkGroup, noBatch, type AgentClient } from "./agent-client.ts";
import { needsAttention, overviewText, type Overview } from "./report/status.ts";

export interface StatusOptions {
  /** Only these; empty: all. */
  names: readonly string[];
  tag?: string | undefined;
  /** This group and all below it. */
  group?: string | undefined;
  state?: string | undefined;
  /** Only those whose last execution failed. */
  failed: boolean;
  json: boolean;
  /** Show however many there are. */
  all: boolean;
  /** Give 1 when something needs a person. */
  check: boolean;
}

const shownOnTerminal = 30;

/** Writes what the agent says; gives the exit code, 1 with `check` if something needs a person. Throws AgentError. */
export async function status(
  client: AgentClient,
  options: StatusOptions,
  deps: { now: number; terminal: boolean; colours: boolean; width: number; write: (text: string) => void },
): Promise<number> {
  const query = new URLSearchParams([
    ...(options.tag === undefined ? [] : [["tag", options.tag]]),
    ...(options.group === undefined ? [] : [["group", options.group]]),
    ...(options.state === undefined ? [] : [["state", options.state]]),
  ] as [string, string][]);
  const [ready, found, allProblems] = await Promise.all([
    client.json<Overview["ready"]>("/readyz", [503]),
    client.json<{ items: BatchView[] }>(`/api/batches${query.size === 0 ? "" : `?${query.toString()}`}`),
    client.json<{ items: Problem[] }>("/api/problems"),
  ]);
  if (found.items.length === 0) await checkGroup(client, options.group);
  const unknown = options.names.find((name) => !found.items.some((batch) => batch.name === name));
  if (unknown !== undefined) {
    const names = found.items.map(({ name }) => name);
    throw noBatch(client.url, unknown, names, query.size > 0);
  }
  const batches = found.items
    .filter(({ name }) => options.names.length === 0 || options.names.includes(name))
    .filter(({ lastExecution }) => !options.failed || lastExecution?.status === "failed");
  const filtered = batches.length < found.items.length || query.size > 0;
  const shown = new Set(batches.map(({ name }) => name));
  // Whatever is wrong with the agent's own means is told whatever was chosen.
  const problems = filtered
    ? allProblems.items.filter(({ batch }) => batch === "" || shown.has(batch))
    : allProblems.items;
  const overview: Overview = { url: client.url, ready, batches, problems };
  const limit = deps.terminal && !options.all ? shownOnTerminal : Infinity;
  deps.write(
    options.json
      ? `${JSON.stringify(overview, null, 2)}\n`
      : overviewText(overview, { colours: deps.colours, limit, width: deps.width, isChoice: filtered }, deps.now),
  );
  return options.check && needsAttention(overview) ? 1 : 0;
}
