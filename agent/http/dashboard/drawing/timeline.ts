// A stretch of time of many batches, as lanes of bars: what ran, what is expected, how much at once. Pure.
import type { Execution } from "../../../model/execution.ts";
import type { EpochMs } from "../../../model/ids.ts";
import { timelineWidth, unitsIn, type TimeWindow } from "./window.ts";
import { toneOf, type Drawn, type Tone } from "./sparkline.ts";

const minuteMs = 60_000;
export const laneHeight = 20;
/** Narrower ones could not be seen; bars that would touch at this width are drawn as one. */
const minWidth = 3;
const maxTracks = 3;
const maxLinks = 24;
/** Steps of the load and of densities, over the whole width. */
const slotCount = 144;
const slotWidth = timelineWidth / slotCount;
/** With more executions than this a lane is drawn as how many there were, not each by itself. */
const maxSingle = 150;

export interface Lane {
  name: string;
  /** SVG path data for each tone that occurs. */
  bars: { tone: Tone; path: string }[];
  /** Holds what failed or runs, each by itself, the latest of them. */
  links: { execution: Drawn; x: number; y: number; width: number; height: number }[];
  /**
   * Tells where there are too many for bars of their own: how many ended well in each step, as path data; else empty.
   */
  density: string;
  /** Path data of expected executions; empty for none. */
  coming: string;
  counts: { ran: number; failed: number; coming: number };
}

export interface Foreseen {
  from: EpochMs;
  to: EpochMs;
}

/** Executions that lie within a window, at least in part. */
export function withinWindow(executions: readonly Drawn[], { from, to }: TimeWindow, now: EpochMs): Drawn[] {
  return executions.filter((execution) => {
    if (execution.startedAt === null && execution.status !== "aborted") return false;
    const span = spanOf(execution, now);
    return span.to >= from && span.from < to;
  });
}

/**
 * Names with failures first, then by the time they were at work; those that only have a coming start come last. The
 * time counts by its order of magnitude, then the name: lanes must not change places with every execution that ends.
 */
export function busiestFirst(
  batches: readonly { name: string; spans: readonly Foreseen[] }[],
  failed: ReadonlySet<string>,
): string[] {
  const work = new Map(
    batches.map(({ name, spans }) => {
      const ms = spans.reduce((sum, { from, to }) => sum + to - from, 0);
      return [name, spans.length === 0 ? -1 : Math.floor(Math.log2(1 + ms / minuteMs))];
    }),
  );
  const rank = (name: string) => (failed.has(name) ? 0 : 1);
  return batches
    .map(({ name }) => name)
    .sort((a, b) => rank(a) - rank(b) || (work.get(b) ?? 0) - (work.get(a) ?? 0) || (a < b ? -1 : 1));
}

/** The median of the last 50 successes, in ms; a minute where there is none. `executions` oldest first. */
export function medianMs(executions: readonly Drawn[]): number {
  const durations = executions
    .flatMap(({ status, durationMs }) => (status === "succeeded" && durationMs !== null ? [durationMs] : []))
    .slice(-50)
    .sort((a, b) => a - b);
  return durations[Math.ceil(durations.length / 2) - 1] ?? minuteMs;
}

/** Describes what a batch's coming executions are foreseen from. */
export interface Outlook {
  /** Coming starts by its own schedule. */
  starts: readonly EpochMs[];
  /** Tells where it has none: the batches it follows. */
  after: readonly string[];
  /** How long it usually takes. */
  medianMs: number;
}

/**
 * Coming starts up to `until`, of which only the first are known: where they come so often that those do not reach
 * that far, the rest is told from their distance, no closer than a minute.
 */
export function goOn(starts: readonly EpochMs[], most: number, until: EpochMs): EpochMs[] {
  const [first, last] = [starts[0], starts.at(-1)];
  if (first === undefined || last === undefined || starts.length < most || last >= until) return [...starts];
  const step = Math.max(minuteMs, (last - first) / (starts.length - 1));
  const all = [...starts];
  for (let at = last + step; at < until; at += step) all.push(Math.round(at));
  return all;
}

/**
 * When each batch will run up to `until`, chains included: a follower begins when the last of those before it has
 * ended.
 */
export function foresee(outlooks: ReadonlyMap<string, Outlook>, until: EpochMs): Map<string, Foreseen[]> {
  const known = new Map<string, Foreseen[]>();
  function of(name: string): Foreseen[] {
    const found = known.get(name);
    if (found !== undefined) return found;
    known.set(name, []); // a cycle foresees nothing
    const outlook = outlooks.get(name);
    if (outlook === undefined) return [];
    const { after, medianMs } = outlook;
    const before = outlook.starts.length > 0 || after.length === 0 ? [] : after.map(of);
    const runs = Math.min(...before.map((list) => list.length));
    const starts =
      before.length === 0
        ? outlook.starts
        : Array.from({ length: runs }, (_, run) => Math.max(...before.map((list) => list[run]?.to ?? 0)));
    const all = starts.filter((from) => from < until).map((from) => ({ from, to: from + medianMs }));
    known.set(name, all);
    return all;
  }
  for (const name of outlooks.keys()) of(name);
  return known;
}

/** One lane. `executions`: those within the window, oldest first. */
export function laneOf(
  name: string,
  executions: readonly Drawn[],
  coming: readonly Foreseen[],
  window: TimeWindow,
  now: EpochMs,
): Lane {
  const unit = unitsIn(window);
  const isDense = executions.length > maxSingle;
  const [single, many] = split(executions, isDense);
  const spans = single.map((execution) => ({ execution, ...spanOf(execution, now) }));
  const tracks = isDense ? spans.map(() => 0) : tracksOf(spans);
  const used = Math.max(1, ...tracks.map((track) => track + 1));
  const height = Math.floor(laneHeight / used);
  const place = (from: EpochMs, to: EpochMs) => {
    const x = clamp(unit(from), 0, timelineWidth - minWidth);
    return { x, width: round(Math.max(minWidth, clamp(unit(to), 0, timelineWidth) - x)) };
  };
  const marks = spans.map((span, index) => ({
    ...place(span.from, span.to),
    y: (tracks[index] ?? 0) * height,
    tone: toneOf(span.execution),
    execution: span.execution,
  }));
  const tones = [...new Set(marks.map(({ tone }) => tone))].sort((a, b) => weight[a] - weight[b]);
  return {
    name,
    bars: tones.map((tone) => ({
      tone,
      path: pathOf(
        marks.filter((mark) => mark.tone === tone),
        height - 1,
      ),
    })),
    links: marks
      .filter(({ tone }) => tone === "failed" || tone === "running")
      .slice(-maxLinks)
      .map(({ execution, x, y, width }) => ({ execution, x, y, width, height: height - 1 })),
    density: densityPath(many, unit),
    coming: pathOf(
      coming
        .filter(({ from, to }) => to > window.from && from < window.to && to > now)
        .map(({ from, to }) => ({ ...place(from, to), y: 4 })),
      laneHeight - 8,
    ),
    counts: {
      ran: executions.length,
      failed: executions.filter(({ status }) => status === "failed").length,
      coming: coming.filter(({ from }) => from >= window.from && from < window.to).length,
    },
  };
}

/** In a dense lane, only what failed or runs keeps a bar of its own: it is seen at any density. */
function split(executions: readonly Drawn[], isDense: boolean): [Drawn[], Drawn[]] {
  const isSingle = ({ status }: Drawn) => !isDense || status === "failed" || status === "running";
  return [executions.filter(isSingle), executions.filter((execution) => !isSingle(execution))];
}

/** Steps as high as the square root of how many executions began in each, so that few beside many are seen. */
function densityPath(executions: readonly Drawn[], unit: (at: EpochMs) => number): string {
  const counts = new Array<number>(slotCount).fill(0);
  for (const { startedAt, createdAt } of executions) {
    const slot = Math.floor(clamp(unit(Date.parse(startedAt ?? createdAt)), 0, timelineWidth - 1) / slotWidth);
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  const most = Math.max(1, ...counts);
  return counts
    .map((count, slot) => {
      if (count === 0) return "";
      const height = Math.round(4 + Math.sqrt(count / most) * (laneHeight - 5));
      return `M${slot * slotWidth} ${laneHeight - 1}v-${height}h${slotWidth}v${height}z`;
    })
    .join("");
}

/** How many run at once, the most in each step of the window, as path data of the given height; and the most of all. */
export function loadOf(spans: readonly Foreseen[], height: number, window: TimeWindow): { path: string; most: number } {
  const unit = unitsIn(window);
  const changes: { at: number; by: number }[] = [];
  for (const { from, to } of spans) {
    // What took no time still ran; longer than that, ones that follow each other would count as at once.
    const [start, end] = [unit(from), unit(Math.max(to, from + 1))];
    if (end <= 0 || start >= timelineWidth) continue;
    changes.push({ at: start, by: 1 }, { at: end, by: -1 });
  }
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  const most = new Array<number>(slotCount).fill(0);
  let [level, next] = [0, 0];
  for (let slot = 0; slot < slotCount; slot++) {
    let peak = level;
    for (
      let change = changes[next];
      change !== undefined && change.at < (slot + 1) * slotWidth;
      change = changes[++next]
    ) {
      level += change.by;
      peak = Math.max(peak, level);
    }
    most[slot] = peak;
  }
  const top = Math.max(...most);
  const y = (value: number) => round(height - (value / Math.max(1, top)) * height);
  const steps = most
    .map((value, slot) =>
      value === most[slot - 1] ? "" : `L${slot * slotWidth} ${y(most[slot - 1] ?? 0)}L${slot * slotWidth} ${y(value)}`,
    )
    .join("");
  return {
    path: `M0 ${height}${steps}L${timelineWidth} ${y(most.at(-1) ?? 0)}L${timelineWidth} ${height}z`,
    most: top,
  };
}

/** From start to end; up to `now` while it runs; a moment for what never ran. */
function spanOf(
  { startedAt, finishedAt, createdAt }: Pick<Execution, "startedAt" | "finishedAt" | "createdAt">,
  now: EpochMs,
): Foreseen {
  const from = Date.parse(startedAt ?? createdAt);
  return { from, to: Math.max(from, startedAt === null ? from : finishedAt === null ? now : Date.parse(finishedAt)) };
}

/** Drawn in this order: what matters more lies on top. */
const weight: Record<Tone, number> = { queued: 0, aborted: 1, succeeded: 2, unusual: 3, running: 4, failed: 5 };

/** For each span a track that is free at its start; the last one takes what finds none. */
function tracksOf(spans: readonly Foreseen[]): number[] {
  const ends: number[] = [];
  return spans.map(({ from, to }) => {
    const free = ends.findIndex((end) => end <= from);
    const track = free >= 0 ? free : Math.min(ends.length, maxTracks - 1);
    ends[track] = Math.max(ends[track] ?? 0, to);
    return track;
  });
}

function pathOf(marks: readonly { x: number; y: number; width: number }[], height: number): string {
  const rows = new Map<number, { x: number; end: number }[]>();
  for (const { x, y, width } of [...marks].sort((a, b) => a.x - b.x)) {
    const row = rows.get(y) ?? [];
    rows.set(y, row);
    const last = row.at(-1);
    if (last !== undefined && x - last.end < minWidth / 2) last.end = Math.max(last.end, x + width);
    else row.push({ x, end: x + width });
  }
  return [...rows]
    .flatMap(([y, row]) => row.map(({ x, end }) => `M${round(x)} ${y}h${round(end - x)}v${height}h-${round(end - x)}z`))
    .join("");
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
const round = (value: number) => Math.round(value * 10) / 10;
