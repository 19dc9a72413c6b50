// Describes what people are told of an end: a mail's subject, text and HTML, a webhook's body. Everything that a
// script or a repository wrote is taken as text, never as markup, and fits on the line it is put on.
import { escapeHtml } from "../text/escape-html.ts";
import { isOpen, type NotifyEvent, type Execution, type NotifyDue } from "../model/execution.ts";
import type { Iso } from "../model/ids.ts";
import { formatDuration } from "../text/duration.ts";
import { plainLine } from "../text/untrusted.ts";
import { executionView } from "../views.ts";

/** How many lines of each log a mail shows. */
export const tailLines = 50;
const filesShown = 20;

export interface Notice {
  due: NotifyDue;
  batch: string;
  /** The due time that it is about. */
  dueAt: Iso;
  /** null where a batch is late of which no execution exists yet. */
  execution: Execution | null;
  /** The batch's description, as written. */
  description: string | null;
  /** Tells where the execution is seen, or else the batch. */
  link: string;
  /** The batch's files that differ from the last success before; null when there was none, or it cannot be told. */
  changed: { since: Iso; files: readonly string[] } | null;
  /** The ends of its logs, as `plainTail` gives them. */
  stdout: readonly string[];
  stderr: readonly string[];
}

const verbs: Record<NotifyEvent, string> = {
  failure: "failed",
  recovery: "recovered",
  success: "succeeded",
  unusual: "unusual",
  late: "late",
  missed: "missed",
  problem: "problem",
};

/** `[batch-agent] report failed`: made of the batch's name and one word, so that no header can be smuggled in. */
export function mailSubject({ due, batch }: Pick<Notice, "due" | "batch">): string {
  return `[batch-agent] ${batch} ${verbs[due.event]}`;
}

/** The line that says it all. */
function headline({ due, batch, dueAt, execution }: Notice): string {
  if (execution === null || due.event === "late")
    return `${batch} is late: it has not succeeded in time after it was due ${clockText(dueAt)}`;
  const took = execution.durationMs === null ? "" : ` after ${formatDuration(execution.durationMs)}`;
  switch (due.event) {
    case "failure":
      return `${batch} failed${took}: ${endingText(execution)}`;
    case "recovery":
      return `${batch} recovered: it succeeded${took}, having failed ${timesText(due.count)}`;
    case "success":
      return `${batch} succeeded${took}`;
    case "unusual":
      return `${batch} succeeded${took}, but ${unusualText(execution)}`;
    case "missed":
      return `${batch} missed starts: ${plainLine(execution.message ?? "due times passed without one")}`;
    case "problem":
      return `${batch} has a problem in its definition`;
    default:
      return due.event satisfies never;
  }
}

function endingText({ message, reason }: Execution): string {
  return plainLine(message ?? reason ?? "for no known reason");
}

function timesText(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function unusualText({ unusual }: Execution): string {
  switch (unusual) {
    case "too-fast":
      return "far faster than it usually does (too-fast)";
    case "too-slow":
      return "far slower than it usually does (too-slow)";
    case "too-quiet":
      return "it printed far less than it usually does (too-quiet)";
    case null:
      return "not as it usually does";
    default:
      return unusual satisfies never;
  }
}

const plural: Record<NotifyEvent, string> = {
  failure: "failures",
  recovery: "recoveries",
  success: "successes",
  unusual: "unusual successes",
  late: "late runs",
  missed: "missed starts",
  problem: "problems",
};

/** Returns what was held back, so that one message an hour stands for all. */
function heldText({ due }: Notice): string | null {
  if (due.since === null || due.count <= 1) return null;
  return (
    `${due.count} ${plural[due.event]} since the last message, ${clockText(due.since)}; there is at most one an ` +
    "hour while it goes on."
  );
}

/** The facts, one a row. */
function facts({ batch, dueAt, execution, description, changed, link }: Notice): [string, string][] {
  const about = description === null ? [] : ([["About", plainLine(description, 500)]] as [string, string][]);
  if (execution === null)
    return [["Batch", batch], ...about, ["Due", clockText(dueAt)], ["Execution", "none yet"], ["Look", link]];
  const { trigger, attempt, exitCode, signal, reason, startedAt, finishedAt, durationMs, revision, commit } = execution;
  const rows: [string, string | null][] = [
    ["Batch", batch],
    ...about,
    ["Run", execution.run],
    ["Execution", execution.id],
    ["Trigger", `${trigger.kind}, due ${clockText(trigger.dueAt)}`],
    ["Attempt", String(attempt)],
    [
      isOpen(execution) ? "Status" : "Ended",
      `${execution.status}${reason === null ? "" : ` (${reason})`}` +
        (execution.status === "failed" ? `: ${endingText(execution)}` : ""),
    ],
    ["Exit code", exitCode === null ? null : String(exitCode)],
    ["Signal", signal],
    ["Unusual", execution.unusual],
    ["Started", startedAt === null ? null : clockText(startedAt)],
    ["Finished", finishedAt === null ? null : clockText(finishedAt)],
    ["Duration", durationMs === null ? null : formatDuration(durationMs)],
    ["Revision", revision],
    ["Commit", commit],
    ["Changed", changed === null ? null : changedText(changed)],
    ["Look", link],
  ];
  return rows.flatMap(([name, value]) => (value === null ? [] : [[name, value] as [string, string]]));
}

function changedText({ since, files }: NonNullable<Notice["changed"]>): string {
  if (files.length === 0) return `nothing since the last success, ${clockText(since)}`;
  const more = files.length > filesShown ? ` and ${files.length - filesShown} more` : "";
  return `${files
    .slice(0, filesShown)
    .map((file) => plainLine(file, 200))
    .join(", ")}${more}, since the last success, ${clockText(since)}`;
}

/** `2026-11-24 02:00:00 UTC`. */
function clockText(at: Iso): string {
  return `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`;
}

function logs({ execution, stderr, stdout }: Notice): { title: string; lines: readonly string[] }[] {
  if (execution === null) return [];
  const title = (name: string, lines: readonly string[]) =>
    lines.length === 0
      ? `${name}: nothing`
      : lines.length < tailLines
        ? `${name}:`
        : `${name}, the last ${tailLines} lines:`;
  return [
    { title: title("stderr", stderr), lines: stderr },
    { title: title("stdout", stdout), lines: stdout },
  ];
}

export function mailText(notice: Notice): string {
  const held = heldText(notice);
  const width = Math.max(...facts(notice).map(([name]) => name.length));
  return [
    headline(notice),
    ...(held === null ? [] : ["", held]),
    "",
    ...facts(notice).map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    ...logs(notice).flatMap(({ title, lines }) => ["", title, ...lines.map((line) => `  ${line}`)]),
    "",
  ].join("\n");
}

export function mailHtml(notice: Notice): string {
  const held = heldText(notice);
  const rows = facts(notice).map(([name, value]) => {
    const shown = name === "Look" ? `<a href="${escapeHtml(value)}">${escapeHtml(value)}</a>` : escapeHtml(value);
    return `<tr><th align="left" valign="top">${name}</th><td>${shown}</td></tr>`;
  });
  const parts = logs(notice).map(
    ({ title, lines }) =>
      `<p>${title}</p>${lines.length === 0 ? "" : `<pre>${lines.map(escapeHtml).join("\n")}</pre>`}`,
  );
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(mailSubject(notice))}</title></head><body>`,
    `<p><strong>${escapeHtml(headline(notice))}</strong></p>`,
    ...(held === null ? [] : [`<p>${escapeHtml(held)}</p>`]),
    `<table cellpadding="4">${rows.join("\n")}</table>`,
    ...parts,
    "</body></html>",
    "",
  ].join("\n");
}

/**
 * JSON of `{event, text, execution}`, and where there is no execution of `{event, text, execution: null, batch,
 * dueAt}`;
 * `text` is for chat tools, and holds nothing that the script printed.
 */
export function webhookBody(notice: Notice): string {
  const { execution, batch, dueAt } = notice;
  const text = [headline(notice), heldText(notice), notice.link].filter((line) => line !== null).join("\n");
  const of = execution === null ? { execution, batch, dueAt } : { execution: executionView(execution) };
  return JSON.stringify({ event: notice.due.event, text, ...of });
}
