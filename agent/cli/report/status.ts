// Describes what `batch-agent status` shows of the API's answers: what needs a person first, and no more than fits.
// Pure.
import type { BatchState } from "../../model/batch.ts";
import type { EpochMs } from "../../model/ids.ts";
import type { Problem } from "../../model/problem.ts";
import { sanitize } from "../../text/glyphs.ts";
import { relativeText } from "../../text/relative-time.ts";
import { paint, tableLines, type Cell, type Colour } from "../../text/table.ts";
import type { BatchView } from "../../views.ts";
import { lastMoment, statusCell, tookText } from "./execution-cells.ts";
import { count, placeText } from "./problems.ts";

/** The API's answers, and where they come from. */
export interface Overview {
  url: string;
  ready: {
    ready: boolean;
    reasons: readonly string[];
    details: {
      version: string;
      running: number;
      queued: number;
      batches: number;
      problems: number;
      watch: { mode: string };
    };
  };
  batches: readonly BatchView[];
  problems: readonly Problem[];
}

export interface OverviewOptions {
  colours: boolean;
  /** Most batches, and most problems, that are shown. */
  limit: number;
  /** Columns of the terminal; missing: any number. */
  width?: number;
  /** Only some of the batches were asked for. */
  isChoice?: boolean;
}

/** For people: how the agent is, the batches as a table, the problems; ends in a line break. */
export function overviewText(
  { url, ready, batches, problems }: Overview,
  options: OverviewOptions,
  now: EpochMs,
): string {
  const { colours, limit, width = Infinity } = options;
  const { details } = ready;
  const lines = [
    `batch-agent ${sanitize(details.version)} at ${url}: ` +
      (ready.ready ? paint("ready", "green", colours) : paint("not ready", "red", colours)),
    ...ready.reasons.map((reason) => paint(`  ${sanitize(reason)}`, "red", colours)),
    `${count(details.batches, "batch", "batches")}, ${details.running} running, ${details.queued} queued, ` +
      count(details.problems, "problem", "problems"),
  ];
  const shown = batches.toSorted(byUrgency).slice(0, limit);
  if (shown.length > 0) {
    const names = ["BATCH", "STATE", "LAST", "WHEN", "TOOK", "NEXT", "PROBLEMS"];
    const head = names.map((text): Cell => ({ text, colour: "dim" }));
    const leaveOut = ["TOOK", "STATE", "NEXT", "WHEN"].map((name) => names.indexOf(name));
    const rows = [head, ...shown.map((batch) => rowOf(batch, now))];
    lines.push("", ...tableLines(rows, { colours, width, leaveOut, names: [names.indexOf("BATCH")] }));
  } else if (options.isChoice === true) lines.push("", "no batches match");
  if (batches.length > shown.length)
    lines.push(
      `and ${count(batches.length - shown.length, "more batch", "more batches")}: --all, or choose with --tag, ` +
        "--state or --failed",
    );
  if (problems.length > 0) {
    lines.push(
      "",
      ...problems
        .slice(0, limit)
        .map((problem) => `${placeText(problem)}: ${problem.code}: ${sanitize(problem.message)}`),
    );
    if (problems.length > limit)
      lines.push(`and ${count(problems.length - limit, "more problem", "more problems")}: --all`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/**
 * Returns whether something here needs a person: an agent that is not ready, a problem, or a batch whose last
 * execution failed.
 */
export function needsAttention({ ready, batches, problems }: Overview): boolean {
  return !ready.ready || problems.length > 0 || batches.some(({ lastExecution }) => lastExecution?.status === "failed");
}

/** Returns what needs a person first, then what runs, then the rest by name; what rests or is gone comes last. */
function byUrgency(a: BatchView, b: BatchView): number {
  return rank(a) - rank(b) || (a.name < b.name ? -1 : 1);
}

function rank({ state, problems, lastExecution, blockedBy }: BatchView): number {
  const status = lastExecution?.status;
  if (state === "removed") return 8;
  if (problems.length > 0) return 0;
  if (state === "disabled") return status === "running" ? 2 : 7;
  if (status === "failed") return 1;
  if (status === "running") return 2;
  if (status === "queued") return 3;
  if (blockedBy.length > 0) return 4;
  return status === "aborted" ? 5 : 6;
}

const stateColours: Partial<Record<BatchState, Colour>> = { invalid: "red", disabled: "dim", removed: "dim" };

function rowOf(batch: BatchView, now: EpochMs): Cell[] {
  const { name, state, lastExecution: last, problems } = batch;
  const colour = stateColours[state];
  return [
    sanitize(name),
    colour === undefined ? state : { text: state, colour },
    ...(last === null ? ["-", "", ""] : [statusCell(last), relativeText(lastMoment(last), now), tookText(last, now)]),
    nextCell(batch, now),
    problems.length === 0 ? "" : { text: `${problems.length}: ${problems[0]?.code ?? ""}`, colour: "red" },
  ];
}

function nextCell({ state, next, blockedBy, definition }: BatchView, now: EpochMs): Cell {
  const first = next[0];
  if (blockedBy.length > 0) return { text: `blocked by ${list(blockedBy)}`, colour: "yellow" };
  if (first !== undefined) return relativeText(Date.parse(first), now);
  const after = definition?.after;
  if (state === "chained")
    return after === undefined ? "on failure" : `after ${list(typeof after === "string" ? [after] : after)}`;
  return "-";
}

/** The first two, and how many more. */
function list(names: readonly string[]): string {
  return `${names.slice(0, 2).map(sanitize).join(", ")}${names.length > 2 ? ` and ${names.length - 2} more` : ""}`;
}
