// The routes of single things: a batch, an execution, a run. Gathers what their pages show, within bounds.
import type { Hono } from "hono";
import { excerptOf } from "../../definitions/excerpt.ts";
import { LogReader, type LogWindow } from "../views/log-reader.ts";
import { fileList, fileText } from "../api/revision-files.ts";
import { errorLine } from "./error-line.ts";
import { addLogRoutes } from "./log-routes.ts";
import { streamsOf, type LogView } from "./log-views.ts";
import type { LogStream } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";
import type { BatchStatus } from "../../model/batch.ts";
import type { Problem } from "../../model/problem.ts";
import type { SettingsFiles } from "../../sources/port.ts";
import { plainPen, readLine } from "../../text/ansi.ts";
import type { ExecutionView } from "../../views.ts";
import { HttpProblem } from "../protocol/problem.ts";
import { executionQuery, logQuery, single } from "../protocol/query.ts";
import { changesOf, type Changes } from "../views/changes.ts";
import type { AppDeps } from "../views/deps.ts";
import { createReader } from "../views/live.ts";
import { failuresInRow, failuresUpTo } from "./failures.ts";
import { neighboursOf, newest, standing } from "./past.ts";
import type { Answer } from "./pages/answer.tsx";
import { neighbourhood } from "./drawing/chain-layout.ts";
import { chartDurations } from "./drawing/duration-chart.ts";
import { toneOf } from "./drawing/sparkline.ts";
import { agentState, html } from "./page.ts";
import { batchPage } from "./pages/batch.tsx";
import type { ChainNode } from "./pages/chain.tsx";
import { executionPage } from "./pages/execution.tsx";
import { batchPath } from "./pages/parts.tsx";
import type { Source } from "./pages/source.tsx";
import type { ShownProblem } from "./pages/problems.tsx";
import { zoneOf } from "./zones.ts";
import { addRunRoutes } from "./run-routes.ts";
import { maxNodes, pictureOf } from "./run-picture.ts";

const historyLength = 50;
const lastLineCount = 12;
/** Letters of a log's last line that stand beside a reason. */
const maxLastWord = 300;

export function addDetailRoutes(app: Hono, deps: AppDeps): void {
  addRunRoutes(app, deps);
  const { catalog, history, logs, settings, clock, revisions, followers } = deps;
  const reader = new LogReader(logs, followers, clock.now);
  const { live, viewOf, executionOf, batchOf } = createReader(deps);

  app.get("/batches/:name", async (c) => {
    const status = batchOf(c);
    const query = executionQuery(c);
    const { items, more } = await history.page({
      batch: status.name,
      limit: historyLength,
      ...(query.before === undefined ? {} : { before: query.before }),
    });
    const { names, hidden } = neighbourhood([status.name], catalog.edges(), maxNodes);
    const edges = catalog.edges().filter(({ from, to }) => names.includes(from) && names.includes(to));
    const nodes = names.map((name): ChainNode => ({ ...batchNode(name), here: name === status.name }));
    return html(
      c,
      batchPage({
        agent: agentState(deps),
        batch: await viewOf(status),
        problems: await withExcerpts(status.problems.slice(0, 50), settings),
        chain: { nodes, edges, hidden },
        chart: chartDurations(newest(history.outlines(status.name), Infinity)),
        streak: failuresInRow(history.outlines(status.name)),
        timeZone: zoneOf(status.batch),
        inherited: status.batch?.inherited ?? {},
        source: await sourceOf(status, single(c, "file") ?? null),
        lastWord: await lastWordOf(items.find((item) => item.status === "failed")),
        history: {
          items: await Promise.all(items.map(live)),
          nextCursor: more ? (items.at(-1)?.id ?? null) : null,
          first: query.before === undefined,
        },
      }),
    );
  });

  /** A batch as it stands: what of it is under way, or how it last ended. */
  function batchNode(name: string): ChainNode {
    const { open, result } = standing(history, name);
    const shown = open ?? result;
    const state = catalog.batch(name)?.state;
    const href = batchPath(name);
    if (state === undefined || state === "invalid" || state === "disabled" || shown === null)
      return { name, href, tone: "none", word: state ?? "not there" };
    return { name, href, tone: toneOf(shown), word: shown.status };
  }

  addLogRoutes(app, deps, reader);

  app.get("/executions/:id", async (c) => {
    const execution = await executionOf(c);
    const { log, times, ...place } = logQuery(c);
    const [view, changes] = await Promise.all([
      live(execution),
      execution.status === "failed" ? changesOf(execution, { history, revisions, monotonic: clock.monotonic }) : null,
    ]);
    const isAsked = place.before !== null || place.after !== null || place.line !== null;
    const shown = isAsked
      ? { window: await reader.window(execution, streamsOf(log), place), marked: null }
      : await atItsError(execution, log);
    const run = await history.run(execution.run);
    const attempts = run.filter(({ batch }) => batch === execution.batch);
    return html(
      c,
      executionPage({
        agent: agentState(deps),
        execution: view,
        log: { view: log, hasTimes: times, ...shown },
        picture: pictureOf(run, catalog),
        attempts: attempts.length > 1 && execution.attempt + attempts.length > 2 ? attempts.slice(-20) : [],
        cause: (await history.find(execution.trigger.by ?? "")) ?? null,
        neighbours: neighboursOf(execution.id, history.outlines(execution.batch)),
        changes,
        timeZone: zoneOf(catalog.batch(execution.batch)?.batch),
        answer: await answerOf(execution, view, changes),
      }),
    );
  });

  /** The end of the output; of a failure the lines around the one that tells of the error, and its number. */
  async function atItsError(
    execution: Execution,
    view: LogView,
  ): Promise<{ window: LogWindow; marked: number | null }> {
    const window = await reader.window(execution, streamsOf(view), {});
    if (execution.status !== "failed") return { window, marked: null };
    const stream = view === "merged" ? (execution.stderrBytes > 0 ? "stderr" : "stdout") : view;
    const tail = await reader.window(execution, [stream], {});
    const at = errorLine(tail.lines.map(({ text }) => plainText(text)));
    if (at === null) return { window, marked: null };
    const line = { stream, line: tail.firstLine + at, offset: null };
    const marked = (await reader.numbersOf(execution, streamsOf(view), [line]))[0] ?? null;
    const isShown = marked !== null && marked >= window.firstLine;
    return { window: isShown ? window : await reader.window(execution, streamsOf(view), { line: marked }), marked };
  }

  /** The files of its revision, and one of them: the one asked for, else its script. */
  async function sourceOf(status: BatchStatus, asked: string | null): Promise<Source | null> {
    if (status.revision === null || (await revisions.files(status.revision)) === null) return null;
    const { items } = await fileList(revisions, status);
    const path = asked ?? "script.sh";
    try {
      return { files: items, shown: { path, text: await fileText(revisions, status, path), trouble: null } };
    } catch (error) {
      if (!(error instanceof HttpProblem) || (asked !== null && error.status === 404)) throw error;
      return { files: items, shown: { path, text: null, trouble: `${error.message}.` } };
    }
  }

  async function lastWordOf(execution: Execution | undefined): Promise<string | null> {
    return execution === undefined ? null : lastWritten(await lastLinesOf(execution, "stderr"));
  }

  async function lastLinesOf(execution: Execution, stream: LogStream): Promise<string[]> {
    return (await reader.window(execution, [stream], {})).lines.map(({ text }) => text);
  }

  /** For what failed or was aborted; null for everything else. */
  async function answerOf(execution: Execution, view: ExecutionView, changes: Changes | null): Promise<Answer | null> {
    if (execution.status !== "failed" && execution.status !== "aborted") return null;
    const stream = view.stderrBytes > 0 ? "stderr" : "stdout";
    const lines = await lastLinesOf(execution, stream);
    const state = catalog.batch(execution.batch)?.state ?? "removed";
    return {
      execution: view,
      ...(execution.status === "failed"
        ? failuresUpTo(history.outlines(execution.batch), execution.id)
        : { streak: null, recovery: null }),
      lastLines: lines.slice(-lastLineCount),
      lastLinesOf: stream,
      lastWord: execution.status === "failed" ? lastWritten(lines) : null,
      changes,
      notAgain: state === "scheduled" || state === "chained" ? null : `its batch is ${state}`,
    };
  }
}

/** Returns the last line in which something is written, shortened. */
function lastWritten(lines: readonly string[]): string | null {
  return (
    lines
      .map(plainText)
      .findLast((line) => line.trim() !== "")
      ?.trim()
      .slice(0, maxLastWord) ?? null
  );
}

/** A line as it reads without colours. */
function plainText(line: string): string {
  return readLine(line, plainPen)
    .pieces.map(({ text }) => text)
    .join("");
}

/** Problems with the line that each names, as it is now. */
export async function withExcerpts(problems: readonly Problem[], settings: SettingsFiles): Promise<ShownProblem[]> {
  const texts = new Map<string, Promise<string | null>>();
  return Promise.all(
    problems.map(async (problem) => {
      const { batch, file, line, path } = problem;
      if (file === null || line === null || path === "env" || path?.startsWith("env.") === true)
        return { ...problem, excerpt: null };
      const text = await (texts.get(file) ?? keep(texts, file, settings.read(batch, file)));
      return { ...problem, excerpt: text === null ? null : excerptOf(text, line) };
    }),
  );
}

function keep<T>(map: Map<string, T>, key: string, value: T): T {
  map.set(key, value);
  return value;
}
