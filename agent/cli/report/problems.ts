// Problems and notes as text for people, JSON for programs, or annotations for a GitHub workflow. Judges nothing.
import { groupFileName } from "../../model/group.ts";
import type { Note, Problem } from "../../model/problem.ts";
import { sanitize, widthOf } from "../../text/glyphs.ts";

export interface Report {
  problems: readonly Problem[];
  notes: readonly Note[];
  /** How many batches were looked at. */
  batches: number;
  /** Text of the files that have problems, by the name problems give them. */
  sources: ReadonlyMap<string, string>;
}

/** Columns of a source line that are shown. */
const shownColumns = 100;
const tabWidth = 8;

/** The report, ending in a line break. Nothing in it can steer a terminal or a workflow. */
export function formatReport(report: Report, format: "text" | "json" | "github"): string {
  switch (format) {
    case "text":
      return [
        ...report.problems.map((problem) => problemText(problem, report.sources)),
        ...noteLines(report.notes),
        summary(report),
      ]
        .map((part) => `${part}\n`)
        .join("");
    case "json":
      return `${JSON.stringify({ items: report.problems, notes: report.notes }, null, 2)}\n`;
    case "github":
      return [...report.problems.map(problemCommand), ...report.notes.map(noteCommand), summary(report)]
        .map((line) => `${line}\n`)
        .join("");
    default:
      return format satisfies never;
  }
}

/** Notes one a line; where several batches have the same one, it is told once. */
export function noteLines(notes: readonly Note[]): string[] {
  const groups = new Map<string, { first: Note; more: number }>();
  for (const note of notes) {
    const group = groups.get(note.message);
    if (group === undefined) groups.set(note.message, { first: note, more: 0 });
    else group.more += 1;
  }
  return [...groups.values()].map(({ first, more }) => {
    const others = more === 0 ? "" : ` (and ${more} more such ${more === 1 ? "note" : "notes"})`;
    return `${placeText(first)}: note: ${sanitize(first.message)}${others}`;
  });
}

function summary({ problems, batches }: Report): string {
  const all = count(batches, "batch", "batches");
  if (problems.length === 0) return `${all}, no problems`;
  const said = count(problems.length, "problem", "problems");
  const names = [...new Set(problems.map(({ batch }) => batch))].filter((name) => name !== "");
  if (names.length === 0) return `${said}, ${all}`; // of the folder itself
  const files = names.filter((name) => name === groupFileName || name.endsWith(`/${groupFileName}`)).length;
  const places = [
    ...(files === 0 ? [] : [`${files} ${groupFileName}`]),
    ...(files === names.length ? [] : [`${names.length - files} of ${all}`]),
  ];
  return `${said} in ${places.join(" and ")}`;
}

/** `1 problem`, `2 problems`. */
export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function problemText(problem: Problem, sources: Report["sources"]): string {
  const { code, message, hint, file, line, column } = problem;
  const lines = [`${placeText(problem)}: ${code}: ${sanitize(message)}`];
  const source = file === null || line === null ? undefined : sources.get(file)?.split("\n", line)[line - 1];
  if (source !== undefined) lines.push(...sourceLines(source, column));
  if (hint !== null) lines.push(`  hint: ${sanitize(hint)}`);
  return lines.join("\n");
}

/** `file:line:column`, as far as there is one; `agent` for what is of no batch and no file. */
export function placeText({ batch, file, line, column }: Note): string {
  return [sanitize(file || batch || "agent"), line, column].filter((part) => part !== null).join(":");
}

/** The line, cut around the column where it is long, and a caret under the column. */
function sourceLines(source: string, column: number | null): string[] {
  const text = source.replace(/\r$/, "");
  const at = Math.max(0, Math.min((column ?? 1) - 1, text.length));
  const from = text.length > shownColumns && at > shownColumns - 20 ? at - shownColumns / 2 : 0;
  const [head, tail] = [from > 0 ? "…" : "", text.length > from + shownColumns ? "…" : ""];
  const before = head + plainSource(text.slice(from, at));
  const shown = before + plainSource(text.slice(at, from + shownColumns), widthOf(before)) + tail;
  return column === null ? [`  ${shown}`] : [`  ${shown}`, `  ${" ".repeat(widthOf(before))}^`];
}

/** Tabs as spaces up to the next stop, everything that is no glyph as a mark. `start` is the column it begins in. */
function plainSource(text: string, start = 0): string {
  let plain = "";
  for (const glyph of text) {
    plain += glyph === "\t" ? " ".repeat(tabWidth - ((start + widthOf(plain)) % tabWidth)) : sanitize(glyph);
  }
  return plain;
}

function problemCommand({ batch, file, line, column, code, message, hint }: Problem): string {
  const text = hint === null ? sanitize(message) : `${sanitize(message)}\n${sanitize(hint)}`;
  return command("error", { file: file || batch || "agent", line, col: column, title: code }, text);
}

function noteCommand({ batch, file, line, column, message }: Note): string {
  return command("notice", { file: file ?? batch, line, col: column, title: batch }, sanitize(message));
}

/** A workflow command, escaped as actions/toolkit does. */
function command(name: string, properties: Record<string, string | number | null>, text: string): string {
  const data = (value: string) => value.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  const property = (value: string) => data(value).replaceAll(":", "%3A").replaceAll(",", "%2C");
  const set = Object.entries(properties).flatMap(([key, value]) =>
    value === null ? [] : [`${key}=${property(sanitize(String(value)))}`],
  );
  return `::${name} ${set.join(",")}::${data(text)}`;
}
