// Both logs of an execution in the order they were written: as text, with times or without, or a JSON object a line.
import type { Context } from "hono";
import { createMerge, type LogStream, type MergedPiece, type MergeSource } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";
import { clientOfRequest } from "../protocol/client.ts";
import { choice, flag, integer } from "../protocol/query.ts";
import { encode, keepAliveMs } from "../protocol/sse.ts";
import type { NextPiece } from "../protocol/streams.ts";
import type { FollowDeps } from "./follow-log.ts";

export const mergedLogParameters = ["format", "timestamps", "tail", "follow"] as const;

const newline = 0x0a;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export async function mergedLogResponse(c: Context, deps: FollowDeps, execution: Execution): Promise<Response> {
  const isJson = choice(c, "format", ["text", "ndjson"] as const) === "ndjson";
  const [hasTimes, follow] = [flag(c, "timestamps"), flag(c, "follow")];
  const tail = integer(c, "tail", 1, 100_000);
  const headers = {
    "Content-Type": isJson ? "application/x-ndjson; charset=utf-8" : "text/plain; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
  };
  if (c.req.method === "HEAD") return new Response(null, { headers });

  const { batch, id } = execution;
  const opened = await Promise.allSettled(
    (["stdout", "stderr", "times"] as const).map((file) => deps.taps.open(batch, id, file)),
  );
  const taps = opened.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  const close = () => {
    for (const tap of taps) tap.close();
  };
  const [stdout, stderr, times] = taps;
  const failed = opened.find((one) => one.status === "rejected");
  try {
    if (stdout === undefined || stderr === undefined || times === undefined) throw failed?.reason;
    const startOf = (stream: LogStream, size: number) =>
      tail === undefined ? Promise.resolve(0) : deps.logs.tailStart(batch, id, stream, tail, size);
    const from = { stdout: await startOf("stdout", stdout.size()), stderr: await startOf("stderr", stderr.size()) };
    const source: MergeSource = { stdout, stderr, times, follow, from, now: deps.now, endedAt: endOf(deps, execution) };
    const skip = tail === undefined ? 0 : Math.max(0, (await countLines({ ...source, follow: false })) - tail);
    const next = piecesOf(source, skip, isJson ? jsonLines() : textLines(hasTimes));
    return new Response(deps.streams.open(clientOfRequest(c), next, close), { headers });
  } catch (error) {
    close();
    throw error;
  }
}

function endOf({ history }: FollowDeps, { id, createdAt }: Execution): () => Promise<string | null> {
  let ended: string | null = null;
  return async () => {
    if (ended !== null || history.isOpen(id)) return ended;
    return (ended = (await history.find(id))?.finishedAt ?? createdAt);
  };
}

/** Counts the lines that there are, unfinished ones too. */
async function countLines(source: MergeSource): Promise<number> {
  const next = createMerge(source);
  let open: LogStream | null = null;
  let lines = 0;
  for (let piece = await next(); piece !== null && piece !== "wait"; piece = await next()) {
    if (open !== null && open !== piece.stream) lines += 1;
    for (let at = piece.bytes.indexOf(newline); at >= 0; at = piece.bytes.indexOf(newline, at + 1)) lines += 1;
    open = piece.bytes.at(-1) === newline ? null : piece.stream;
  }
  return lines + (open === null ? 0 : 1);
}

type Render = (piece: MergedPiece) => Uint8Array | (() => Uint8Array);

function piecesOf(source: MergeSource, skip: number, render: Render): NextPiece {
  const next = createMerge(source);
  let left = skip;
  /** The log whose line is not at its end yet. */
  let open: LogStream | null = null;
  return async () => {
    const since = source.now();
    for (;;) {
      const piece = await next();
      if (piece === null) return null;
      if (piece === "wait") {
        if (Math.abs(source.now() - since) >= keepAliveMs) return new Uint8Array(0);
        await source.stdout.beat();
        continue;
      }
      if (left > 0 && open !== null && open !== piece.stream) left -= 1;
      open = piece.bytes.at(-1) === newline ? null : piece.stream;
      let at = 0;
      while (left > 0 && at < piece.bytes.length) {
        const end = piece.bytes.indexOf(newline, at);
        at = end < 0 ? piece.bytes.length : end + 1;
        if (end >= 0) left -= 1;
      }
      if (at < piece.bytes.length) return render({ ...piece, bytes: piece.bytes.subarray(at) });
    }
  };
}

/** A line that has no end yet is ended before the other log goes on. */
function textLines(hasTimes: boolean): Render {
  let open: LogStream | null = null;
  return ({ stream, at, bytes }) => {
    const isBroken = open !== null && open !== stream;
    const goesOn = open === stream;
    open = bytes.at(-1) === newline ? null : stream;
    if (!hasTimes) return isBroken ? Buffer.concat([encode("\n"), bytes]) : bytes;
    return () => {
      const lines = decoder.decode(bytes).split(/(?<=\n)/);
      const text = lines.map((line, i) => (i === 0 && goesOn ? line : `${at} ${line}`)).join("");
      return encode(isBroken ? `\n${text}` : text);
    };
  };
}

function jsonLines(): Render {
  return ({ stream, at, bytes }) =>
    () => {
      const lines = decoder.decode(bytes).split(/(?<=\n)/);
      const items = lines.map((line) => JSON.stringify({ at, stream, text: line.replace(/\n$/, "") }));
      return encode(`${items.join("\n")}\n`);
    };
}
