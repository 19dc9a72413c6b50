// `batch-agent plan`: what a folder would change against a running agent, or against another folder.
import { stateOf } from "../definitions/chain-graph.ts";
import { notesOf } from "../definitions/schedule-notes.ts";
import { AgentError } from "../errors.ts";
import type { EpochMs } from "../model/ids.ts";
import { comingStarts } from "../schedule/schedule.ts";
import type { BatchSource, GroupSource } from "../sources/port.ts";
import type { BatchView } from "../views.ts";
import type { AgentClient } from "./agent-client.ts";
import { compare, knownOfView, type Known } from "./report/compare.ts";
import { formatPlan, type PlanFormat } from "./report/plan.ts";
import { loadAll, type LoadedFolder } from "../definitions/load-all.ts";
import type { FolderDeps } from "./validate.ts";

export interface PlanOptions {
  format: PlanFormat;
  /** Zone of batches that name none; `agentZone`: the agent's own counts where it tells it. */
  timeZone: string;
  agentZone: boolean;
  colours: boolean;
}

/** Describes what to compare with. `optional`: when no agent answers there, all is new. */
export type Against =
  | { kind: "agent"; client: AgentClient; optional: boolean }
  | { kind: "folder"; dir: string; source: BatchSource & GroupSource };

const startsCompared = 5;

/** Writes the plan; gives the exit code, 1 if the folder has any problem. Throws StoreError or AgentError. */
export async function plan(
  dir: string,
  against: Against,
  options: PlanOptions,
  deps: FolderDeps & { complain: (text: string) => void },
): Promise<number> {
  const { now } = deps;
  const base = await baseOf(against, options.timeZone, now, deps.complain);
  const timeZone = options.agentZone ? (base.timeZone ?? options.timeZone) : options.timeZone;
  const loaded = await loadAll(deps.source, { timeZone, now });
  const { entries } = loaded;
  const comparison = compare(base.known, knownOfFolder(loaded, now));
  const told = new Set([...comparison.added, ...comparison.changed].map(({ name }) => name));
  const report = {
    dir,
    against: base.name,
    comparison,
    problems: [...loaded.groupProblems, ...entries.flatMap((entry) => entry.problems)],
    notes: entries
      .filter(({ name }) => told.has(name))
      .flatMap((entry) => (entry.parsed === null ? [] : notesOf(entry.parsed, now))),
    sources: loaded.sources,
  };
  deps.write(formatPlan(report, options.format, options.colours, now));
  return report.problems.length === 0 ? 0 : 1;
}

async function baseOf(
  against: Against,
  timeZone: string,
  now: EpochMs,
  complain: (text: string) => void,
): Promise<{ name: string | null; known: Known[]; timeZone?: string | undefined }> {
  if (against.kind === "folder")
    return { name: against.dir, known: knownOfFolder(await loadAll(against.source, { timeZone, now }), now) };
  const { client } = against;
  try {
    const [ready, { items }] = await Promise.all([
      client.json<{ details: { timeZone?: string } }>("/readyz", [503]),
      client.json<{ items: BatchView[] }>("/api/batches"),
    ]);
    return { name: client.url, known: items.map(knownOfView), timeZone: ready.details.timeZone };
  } catch (error) {
    if (!against.optional || !(error instanceof AgentError) || error.status === 401) throw error;
    complain(`batch-agent: ${error.message}; everything counts as new (--against names an agent or a folder)\n`);
    return { name: null, known: [] };
  }
}

function knownOfFolder({ entries, graph }: LoadedFolder, now: EpochMs): Known[] {
  return entries.map(({ name, parsed, definition, problems, folder }) => {
    const batch = parsed?.batch ?? null;
    return {
      name,
      state: stateOf(batch, []),
      revision: folder?.digest ?? null,
      settings: definition?.file ?? null,
      next:
        batch === null || !batch.enabled || batch.schedule === null
          ? []
          : comingStarts(batch.schedule, -Infinity, startsCompared, now),
      blockedBy: graph.blockedBy.get(name) ?? [],
      history: null,
      broken: problems.length === 0 ? null : parsed?.problems.length === 0 ? "chain" : "files",
    };
  });
}
