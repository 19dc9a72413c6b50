// A comparison as text for people, JSON for programs, or markdown for a pull request. Judges nothing.
import type { EpochMs } from "../../model/ids.ts";
import type { Note, Problem } from "../../model/problem.ts";
import { sanitize } from "../../text/glyphs.ts";
import { relativeText, spanText } from "../../text/relative-time.ts";
import { paint, type Colour } from "../../text/table.ts";
import type { Comparison } from "./compare.ts";
import { count, formatReport } from "./problems.ts";

export interface PlanReport {
  /** The folder, and what it is compared with; null: with nothing, all is new. */
  dir: string;
  against: string | null;
  comparison: Comparison;
  problems: readonly Problem[];
  notes: readonly Note[];
  /** Texts of files with problems, by the name problems give them. */
  sources: ReadonlyMap<string, string>;
}

export type PlanFormat = "text" | "json" | "markdown";

const shownStarts = 3;
const maxValue = 200;
/** GitHub takes 65,536 characters a comment. */
const maxRows = 200;

/** Ends in a line break. Nothing in it can steer a terminal or a page. */
export function formatPlan(report: PlanReport, format: PlanFormat, colours: boolean, now: EpochMs): string {
  switch (format) {
    case "text":
      return planText(report, colours, now);
    case "json":
      return `${JSON.stringify(planJson(report), null, 2)}\n`;
    case "markdown":
      return planMarkdown(report, now);
    default:
      return format satisfies never;
  }
}

/** One batch, and what is to say of it. */
interface Entry {
  mark: "+" | "-" | "~" | "!";
  verb: string;
  name: string;
  lines: string[];
}

const colourOf: Record<Entry["mark"], Colour> = { "+": "green", "-": "red", "~": "yellow", "!": "red" };

function planText(report: PlanReport, colours: boolean, now: EpochMs): string {
  const { problems, notes, sources, comparison } = report;
  const blocks = entriesOf(comparison, now).map(({ mark, verb, name, lines }) =>
    [paint(`${mark} ${sanitize(name)}: ${verb}`, colourOf[mark], colours), ...lines.map((line) => `    ${line}`)].join(
      "\n",
    ),
  );
  const parts = [titleOf(report), "", ...blocks, ...(blocks.length > 0 ? [""] : []), summaryOf(report)]
    .map((line) => `${line}\n`)
    .join("");
  if (problems.length + notes.length === 0) return parts;
  const text = formatReport({ problems, notes, batches: 0, sources }, "text").trimEnd().split("\n");
  return `${parts}\n${text.slice(0, -1).join("\n")}\n`;
}

function titleOf({ dir, against }: PlanReport): string {
  return against === null
    ? `plan of ${sanitize(dir)}, all of it new`
    : `plan of ${sanitize(dir)} against ${sanitize(against)}`;
}

function summaryOf({ comparison, problems }: PlanReport): string {
  const { added, removed, changed, affected, held, unchanged } = comparison;
  const parts = [
    `${added.length} added`,
    `${removed.length} removed`,
    `${changed.length} changed`,
    ...(affected.length > 0 ? [`${affected.length} affected`] : []),
    ...(held.length > 0 ? [`${held.length} broken`] : []),
    `${unchanged} unchanged`,
  ];
  const found = problems.length === 0 ? "no problems" : count(problems.length, "problem", "problems");
  return `${parts.join(", ")}; ${found}`;
}

function entriesOf({ added, removed, changed, affected, held }: Comparison, now: EpochMs): Entry[] {
  return [
    ...held.map(({ name, inForce }): Entry => ({
      mark: "!",
      verb: inForce ? "broken; what is in force stays in force" : "broken; it does not run",
      name,
      lines: [],
    })),
    ...removed.map(({ name, history, open, nextLost }): Entry => {
      const lines = [
        history === 0
          ? "it has no history"
          : `${count(history, "execution is", "executions are")} kept for the agent's --keep-removed`,
        ...(open ? ["an execution of it is under way and ends normally"] : []),
        ...(nextLost === null ? [] : [`the start of ${startText(nextLost, now)} does not come`]),
      ];
      return { mark: "-", verb: "removed", name, lines };
    }),
    ...added.map(({ name, state, next, blockedBy, renamedFrom, history }): Entry => {
      const lines = [
        ...(renamedFrom === null
          ? []
          : [`the same files as ${sanitize(renamedFrom)}, whose history stays under that name`]),
        ...(history === 0
          ? []
          : [
              `${count(history, "execution", "executions")} of an earlier batch of that name ` +
                `${history === 1 ? "is" : "are"} still there`,
            ]),
        ...(next.length === 0 ? [] : [`first starts: ${startsText(next, now)}`]),
        ...blockedLines([], blockedBy),
      ];
      return { mark: "+", verb: `added, ${state}`, name, lines };
    }),
    ...changed.map(({ name, revision, state, settings, next, blockedBy }): Entry => {
      const lines = [
        ...(state.from === state.to ? [] : [`${state.from} → ${state.to}`]),
        ...settings.map(({ key, from, to }) => `${sanitize(key)}: ${settingText(key, from, to)}`),
        ...(settings.length === 0 ? ["script.sh or other files"] : []),
        ...(next === null ? [] : nextLines(next.from, next.to, now)),
        ...blockedLines(blockedBy.from, blockedBy.to),
      ];
      return {
        mark: "~",
        verb: `changed, revision ${revision.from ?? "none"} → ${revision.to ?? "none"}`,
        name,
        lines,
      };
    }),
    ...affected.map(({ name, state, blockedBy }): Entry => {
      const lines = [
        ...(state.from === state.to ? [] : [`${state.from} → ${state.to}`]),
        ...blockedLines(blockedBy.from, blockedBy.to),
      ];
      return { mark: "~", verb: "same files, affected by the others", name, lines };
    }),
  ];
}

function blockedLines(from: readonly string[], to: readonly string[]): string[] {
  const names = (list: readonly string[]) => list.map(sanitize).join(", ");
  if (from.join() === to.join()) return [];
  if (to.length === 0) return [`no longer blocked by ${names(from)}`];
  return [`does not start: blocked by ${names(to)}`];
}

function settingText(key: string, from: unknown, to: unknown): string {
  if (key.startsWith("env.")) return from === null ? "added" : to === null ? "removed" : "changed";
  return `${valueText(from)} → ${valueText(to)}`;
}

function valueText(value: unknown): string {
  if (value === null) return "not set";
  const text = sanitize(JSON.stringify(value));
  return text.length > maxValue ? `${text.slice(0, maxValue)}…` : text;
}

function nextLines(from: readonly EpochMs[], to: readonly EpochMs[], now: EpochMs): string[] {
  const [old, first] = [from[0], to[0]];
  if (old === undefined) return first === undefined ? [] : [`first starts: ${startsText(to, now)}`];
  if (first === undefined) return [`no start by the clock any more; that of ${startText(old, now)} does not come`];
  if (from.slice(0, shownStarts).join() === to.slice(0, shownStarts).join()) return ["the coming starts stay the same"];
  const later = first > old ? [`in force now, the next start comes ${spanText(first - old)} later than before`] : [];
  return [`starts before: ${startsText(from, now)}`, `starts after:  ${startsText(to, now)}`, ...later];
}

function startsText(starts: readonly EpochMs[], now: EpochMs): string {
  const [first, ...rest] = starts.slice(0, shownStarts);
  return first === undefined ? "none" : [startText(first, now), ...rest.map(iso)].join(", ");
}

function startText(at: EpochMs, now: EpochMs): string {
  return `${iso(at)} (${relativeText(at, now)})`;
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString().replace(/(?::00)?\.000Z$/, "Z");
}

/** Times as ISO. */
function planJson({ dir, against, comparison, problems, notes }: PlanReport) {
  const { added, removed, changed, affected, held, unchanged } = comparison;
  const full = (times: readonly EpochMs[]) => times.map((at) => new Date(at).toISOString());
  return {
    dir,
    against,
    added: added.map((one) => ({ ...one, next: full(one.next) })),
    removed: removed.map((one) => ({
      ...one,
      nextLost: one.nextLost === null ? null : new Date(one.nextLost).toISOString(),
    })),
    changed: changed.map((one) => ({
      ...one,
      next: one.next === null ? null : { from: full(one.next.from), to: full(one.next.to) },
    })),
    affected,
    held,
    unchanged,
    problems,
    notes,
  };
}

function planMarkdown(report: PlanReport, now: EpochMs): string {
  const { problems, notes, comparison } = report;
  const entries = entriesOf(comparison, now);
  const rows = entries
    .slice(0, maxRows)
    .map(({ mark, verb, name, lines }) => `| ${mark} | ${plain(name)} | ${[verb, ...lines].map(plain).join("<br>")} |`);
  const placed = ({ file, batch, line }: Note) =>
    plain([file ?? batch, line].filter((part) => part !== null).join(":"));
  const lines = [
    `### ${plain(titleOf(report))}`,
    "",
    plain(summaryOf(report)),
    ...(rows.length === 0 ? [] : ["", "| | batch | what changes |", "| --- | --- | --- |", ...rows]),
    ...(entries.length > maxRows ? ["", `and ${entries.length - maxRows} more`] : []),
    ...(problems.length === 0
      ? []
      : [
          "",
          "#### Problems",
          "",
          ...problems
            .slice(0, maxRows)
            .map(
              (problem) =>
                `- **${placed(problem)}**: ${plain(problem.message)}` +
                (problem.hint === null ? "" : ` (${plain(problem.hint)})`),
            ),
        ]),
    ...(notes.length === 0
      ? []
      : ["", "#### Notes", "", ...notes.slice(0, maxRows).map((note) => `- ${placed(note)}: ${plain(note.message)}`)]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** Text that markdown takes for text: no markup, no link, nobody's name called out. */
function plain(text: string): string {
  return sanitize(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replace(/[\\`*_{}[\]|#~]/g, "\\$&")
    .replaceAll("@", "&#64;");
}
