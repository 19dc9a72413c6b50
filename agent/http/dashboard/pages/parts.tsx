// Small pieces that several pages show: outcomes, times, log sizes, links. Text never becomes markup.
import type { Execution } from "../../../model/execution.ts";
import { absoluteText, relativeText, spanText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import { zoneText } from "../zones.ts";
import {
  sparklinePaths,
  sparklineLength,
  sparklineSize,
  sparklineText,
  toneOf,
  type Mark,
  type Tone,
} from "../drawing/sparkline.ts";

const glyphs: Record<Tone | "none", string> = {
  succeeded: "M3 8.5l3.2 3.2L13 4.9",
  unusual: "M8 3v6.2M8 11.6v1.6",
  failed: "M4 4l8 8M12 4l-8 8",
  running: "M5 3.5l7.5 4.5L5 12.5z",
  queued: "M8 3.5V8l3 2.2",
  aborted: "M3.5 8h9",
  none: "M4 8h0M8 8h0M12 8h0",
};

/** A glyph and a word, so that no colour is needed to tell them apart. */
export function Status({ of, word }: { of: Pick<Execution, "status" | "unusual" | "late">; word?: string }) {
  const tone = toneOf(of);
  const notes = [...(tone === "unusual" ? [unusualText(of.unusual)] : []), ...(of.late === true ? ["late"] : [])];
  return <ToneMark tone={tone} word={word ?? of.status} notes={notes} />;
}

export function ToneMark({ tone, word, notes = [] }: { tone: Tone | "none"; word: string; notes?: readonly string[] }) {
  return (
    <span class={`status ${tone}`}>
      <svg class="glyph" viewBox="0 0 16 16" aria-hidden="true">
        <path d={glyphs[tone]} />
      </svg>
      {word}
      {notes.map((note) => (
        <span class="badge unusual">{note}</span>
      ))}
    </span>
  );
}

function unusualText(unusual: Execution["unusual"]): string {
  return unusual?.replace("-", " ") ?? "";
}

/** How long ago or in how long; the absolute time is in its title, and the browser keeps it current. */
export function Relative({ at, now, zone }: TimeProps & { now: number }) {
  return (
    <time datetime={at} title={`${absoluteText(at)}${ownTime(at, zone)}`} data-relative {...dataOwn(at, zone)}>
      {relativeText(Date.parse(at), now)}
    </time>
  );
}

interface TimeProps {
  at: string;
  /** The batch's own, where the time there is shown too. */
  zone?: string | null;
}

/**
 * The absolute time, in UTC here; the browser writes it in its own zone. With `zone`, a batch's own, the time there
 * stands beside it where the clocks differ.
 */
export function Absolute({ at, zone }: TimeProps) {
  return (
    <time datetime={at} data-absolute {...dataOwn(at, zone)}>
      {absoluteText(at)}
      {ownTime(at, zone)}
    </time>
  );
}

/** A time as it is written in running text: `4 h ago · 2026-11-24 02:00:00 UTC`. */
export function When({ at, now, zone }: TimeProps & { now: number }) {
  return (
    <span class="when">
      <Relative at={at} now={now} {...(zone === undefined ? {} : { zone })} />{" "}
      <span class="dim">
        · <Absolute at={at} {...(zone === undefined ? {} : { zone })} />
      </span>
    </span>
  );
}

const dataOwn = (at: string, zone: string | null | undefined) =>
  zone == null ? {} : { "data-own": zoneText(at, zone) };

/** ` (07:00 Asia/Tokyo)` where that differs from UTC, with the date where it is another day there. */
function ownTime(at: string, zone: string | null | undefined): string {
  if (zone == null) return "";
  const own = zoneText(at, zone);
  if (own.slice(0, 16) === `${at.slice(0, 10)} ${at.slice(11, 16)}`) return "";
  return ` (${own.slice(0, 10) === at.slice(0, 10) ? own.slice(11) : own.slice(5)})`;
}

/** The time of day, with the date where it is another day; in UTC here, the browser writes it in its own zone. */
export function Clock({ at, now, zone }: TimeProps & { now: number }) {
  const isToday = at.slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  return (
    <time datetime={at} title={`${absoluteText(at)}${ownTime(at, zone)}`} data-clock {...dataOwn(at, zone)}>
      {`${isToday ? "" : `${at.slice(5, 10)} `}${at.slice(11, 16)} UTC`}
    </time>
  );
}

/** How long an execution took, or has taken so far. */
export function Took({
  execution,
  now,
}: {
  execution: Pick<ExecutionView, "durationMs" | "startedAt" | "status">;
  now: number;
}) {
  if (execution.durationMs !== null) return <>{spanText(execution.durationMs)}</>;
  if (execution.status !== "running" || execution.startedAt === null) return null;
  return <span data-since={execution.startedAt}>{spanText(now - Date.parse(execution.startedAt))}</span>;
}

/** The last 30 executions, newest at the right. */
export function Sparkline({ executions, now }: { executions: readonly Mark[]; now: number }) {
  return (
    <svg
      class="strip"
      viewBox={`0 0 ${sparklineLength * sparklineSize.slot} ${sparklineSize.height}`}
      role="img"
      aria-label={sparklineText(executions)}
    >
      {sparklinePaths(executions, now).map(({ tone, path }) => (
        <path class={tone} d={path} />
      ))}
    </svg>
  );
}

/**
 * Returns what the script says of itself; else, while it runs, how far it should be by its usual time, marked as an
 * estimate.
 */
export function Progress({ execution, now }: { execution: ExecutionView; now: number }) {
  if (execution.status !== "running") return null;
  const { progress, estimatedEndAt, startedAt, batch } = execution;
  const ends = estimatedEndAt !== null && (
    <>
      {now > Date.parse(estimatedEndAt) ? "longer than usual, estimated end was " : "estimated end "}
      <Relative at={estimatedEndAt} now={now} />
    </>
  );
  if (progress !== null) {
    return (
      <span class="progress">
        <progress max="100" value={String(progress.percent)} aria-label={`progress of ${batch}`} />
        {` ${Math.round(progress.percent)} % ${progress.message ?? ""} `}
        {ends && <span class="dim">· {ends}</span>}
      </span>
    );
  }
  if (estimatedEndAt === null || startedAt === null) return null;
  const whole = Date.parse(estimatedEndAt) - Date.parse(startedAt);
  const share = Math.min(99, Math.max(0, Math.round(((now - Date.parse(startedAt)) / Math.max(1, whole)) * 100)));
  return (
    <span class="progress estimate">
      <progress max="100" value={String(share)} aria-label={`estimated progress of ${batch}`} /> {ends}
    </span>
  );
}

/** What a queued execution waits for, as far as that is known; a time in it is told as one. */
export function Waiting({ execution, now }: { execution: ExecutionView; now: number }) {
  const known = execution.waitingFor ?? (execution.trigger.kind === "retry" ? "its retry" : "its turn");
  const [, text = known, at = null] = /^(.*) at (\d{4}-\d\d-\d\dT[\d:.]+Z)$/.exec(known) ?? [];
  return (
    <>
      Waits for {text}
      {at !== null && (
        <>
          {" "}
          <Relative at={at} now={now} />
        </>
      )}
    </>
  );
}

export const batchPath = (name: string) => `/batches/${encodeURIComponent(name)}`;
export const executionPath = (id: string) => `/executions/${encodeURIComponent(id)}`;
export const runPath = (run: string) => `/runs/${encodeURIComponent(run)}`;

export function BatchLink({ name }: { name: string }) {
  return <a href={batchPath(name)}>{name}</a>;
}

/** A command to run on the agent's machine, with a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <p class="command">
      <code tabindex={0}>{text}</code>
      <button type="button" class="needs-scripts" data-copy>
        Copy
      </button>
    </p>
  );
}

/** The short end of an id, enough to tell it from its neighbours; the whole is in the link and the title. */
export function shortId(id: string): string {
  return `…${id.slice(-6)}`;
}
