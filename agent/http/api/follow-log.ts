// Live logs: from an offset on to the end of the execution, as plain text or as server-sent events whose ids are
// offsets. The file is the buffer: a reader that stalls holds one chunk and no more. A log that gets shorter under
// its readers is said to them, and goes on from its new end.
import type { Context } from "hono";
import type { HistoryReader } from "../../history/port.ts";
import { eventBytes, wholeCharacters, wholeLines } from "../../text/lines.ts";
import type { LogFollowers, LogFollower, LogStore, LogStream } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";
import type { ExecutionView } from "../../views.ts";
import { clientOfRequest } from "../protocol/client.ts";
import { integer } from "../protocol/query.ts";
import {
  encode,
  keepAlive,
  keepAliveMs,
  lastEventId,
  sseEvent,
  sseHeaders,
  sseHello,
  wantsEvents,
} from "../protocol/sse.ts";
import type { NextPiece, Streams } from "../protocol/streams.ts";

const chunkBytes = 16 * 1024;
/** A line longer than this, as it is sent, comes in pieces: it is what a reader that stands still costs. */
const maxLineBytes = 64 * 1024;

export interface FollowDeps {
  history: HistoryReader;
  logs: LogStore;
  followers: LogFollowers;
  streams: Streams;
  /** No log grows beyond this; what a script writes past it is cut off a moment later. */
  logLimitBytes: number;
  live: (execution: Execution) => Promise<ExecutionView>;
  now: () => number;
}

/**
 * One log that goes on until its execution ends: from `Last-Event-ID`, else from `tail` lines before its end, else
 * whole.
 */
export async function followResponse(
  c: Context,
  deps: FollowDeps,
  execution: Execution,
  stream: LogStream,
): Promise<Response> {
  const { logs, followers, streams } = deps;
  const lines = integer(c, "tail", 1, 100_000);
  const asked = lastEventId(c);
  const events = wantsEvents(c);
  const form = events ? sseHeaders : { "Content-Type": "text/plain; charset=utf-8", "X-Accel-Buffering": "no" };
  const headers = { ...form, Vary: "Accept" };
  if (c.req.method === "HEAD") return new Response(null, { headers });

  const follower = await followers.open(execution.batch, execution.id, stream);
  try {
    const tailed =
      lines === undefined || follower.size() === 0
        ? 0
        : await logs.tailStart(execution.batch, execution.id, stream, lines, follower.size());
    const pieces = createPieces(deps, execution, follower, asked ?? tailed);
    const next = events ? eventsOf(pieces, deps, execution, asked ?? tailed) : plainOf(pieces, asked !== undefined);
    return new Response(streams.open(clientOfRequest(c), next, follower.close, "own"), { headers });
  } catch (error) {
    follower.close();
    throw error;
  }
}

interface Piece {
  bytes: Uint8Array;
  /** Offset after them. */
  end: number;
  /** Length that was given already when the log got shorter than that; then there are no bytes. */
  shrunkFrom?: number;
}

/**
 * Pieces as plain text. Who counts its bytes to come back to an offset is told of a log that got shorter by the end of
 * the answer, anybody else by a line in it.
 */
function plainOf(pieces: ReturnType<typeof createPieces>, counts: boolean): () => Promise<Uint8Array | null> {
  return async () => {
    const piece = await pieces(false);
    if (piece?.shrunkFrom === undefined) return piece?.bytes ?? null;
    return counts ? null : encode(`\n[batch-agent: ${shrunkText(piece.shrunkFrom, piece.end)}]\n`);
  };
}

function shrunkText(from: number, to: number): string {
  return (
    `the log got shorter, from ${from} to ${to} bytes; what stood there is gone, and this goes on from its ` + "new end"
  );
}

/**
 * Gives one piece of the log after the other, as it grows; null once the execution has ended and all is given, an empty
 * piece now and then when there is nothing to give. With `whole`, a piece is whole lines.
 */
function createPieces(
  deps: FollowDeps,
  execution: Execution,
  follower: LogFollower,
  start: number,
): (whole: boolean) => Promise<Piece | null> {
  let at = start;
  /** Size at which there was no whole line yet. */
  let looked = -1;
  const isOver = () => !deps.history.isOpen(execution.id);

  const hadEnded = isOver(); // then an offset beyond its end is just the end

  async function readPiece(whole: boolean, size: number, over: boolean): Promise<Uint8Array> {
    for (const maxBytes of whole ? [chunkBytes, maxLineBytes] : [3 * chunkBytes]) {
      const length = Math.min(maxBytes, size - at);
      const bytes = await follower.read(at, length);
      const last = over && at + bytes.length >= size;
      const full = bytes.length === maxLineBytes || !whole;
      const lines = whole ? wholeLines(bytes) : 0;
      const count = lines > 0 ? lines : last ? bytes.length : full ? wholeCharacters(bytes) : 0;
      if (count > 0) return bytes.subarray(0, whole ? eventBytes(bytes.subarray(0, count), maxLineBytes) : count);
      if (bytes.length < maxBytes) break;
    }
    return new Uint8Array(0);
  }

  return async (whole) => {
    const since = deps.now();
    for (;;) {
      const over = isOver(); // asked before the size: what was written before the end is in it
      const size = over ? await follower.measure() : Math.min(follower.size(), deps.logLimitBytes);
      if (size < at && !hadEnded) {
        const shrunkFrom = at;
        at = size;
        looked = -1;
        return { bytes: new Uint8Array(0), end: at, shrunkFrom };
      }
      if (at < size && (over || size !== looked)) {
        const bytes = await readPiece(whole, size, over);
        at += bytes.length;
        if (bytes.length > 0) return { bytes, end: at };
        looked = size;
      }
      if (over) return null;
      if (Math.abs(deps.now() - since) >= keepAliveMs) return { bytes: new Uint8Array(0), end: at };
      await follower.nextTick();
    }
  };
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Pieces as events: data = whole lines without the last newline, id = the offset after them; `truncated` when the log
 * got shorter, id = its new end, from where it goes on; at last `end` with the execution. A carriage return would break
 * the line in two on the wire: it is sent as U+240D (␍).
 */
function eventsOf(
  pieces: ReturnType<typeof createPieces>,
  deps: FollowDeps,
  execution: Execution,
  start: number,
): NextPiece {
  let state: "new" | "open" | "ended" = "new";
  return async () => {
    if (state === "ended") return null;
    if (state === "new") {
      state = "open";
      return encode(sseHello(start));
    }
    const piece = await pieces(true);
    if (piece === null) {
      state = "ended";
      const view = await deps.live((await deps.history.find(execution.id)) ?? execution);
      return encode(sseEvent({ event: "end", data: JSON.stringify(view) }));
    }
    if (piece.shrunkFrom !== undefined) {
      const data = JSON.stringify({ from: piece.shrunkFrom, to: piece.end });
      return encode(sseEvent({ id: piece.end, event: "truncated", data }));
    }
    if (piece.bytes.length === 0) return keepAlive;
    return () => {
      const text = decoder.decode(piece.bytes).replaceAll("\r", "\u240D");
      return encode(sseEvent({ id: piece.end, data: text.endsWith("\n") ? text.slice(0, -1) : text }));
    };
  };
}
