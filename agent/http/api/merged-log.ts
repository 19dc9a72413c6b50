// Both logs of an execution in the order they were written: as text, with times or without, a JSON object a line, or
// frames, which lose nothing and can be resumed: what the command line reads.
import type { Context } from "hono";
import { createMerge, type LogStream, type LogFollower, type MergedPiece, type MergeSource } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";
import { clientOfRequest } from "../protocol/client.ts";
import { HttpProblem } from "../protocol/problem.ts";
import { choice, flag, integer, single } from "../protocol/query.ts";
import { encode, keepAliveMs } from "../protocol/sse.ts";
import type { NextPiece } from "../protocol/streams.ts";
import type { FollowDeps } from "./follow-log.ts";

export const mergedLogParameters = ["format", "timestamps", "tail", "follow", "stream", "from"] as const;

const newline = 0x0a;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export async function mergedLogResponse(c: Context, deps: FollowDeps, execution: Execution): Promise<Response> {
  const format = choice(c, "format", ["text", "ndjson", "frames"] as const) ?? "text";
  const only = choice(c, "stream", ["stdout", "stderr"] as const);
  const [hasTimes, follow] = [flag(c, "timestamps"), flag(c, "follow")];
  const tail = integer(c, "tail", 1, 100_000);
  const resumed = offsets(c, "from");
  if (resumed !== undefined && tail !== undefined) throw new HttpProblem(400, "from and tail exclude each other");
  const headers = {
    "Content-Type": contentTypes[format],
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
  };
  if (c.req.method === "HEAD") return new Response(null, { headers });

  const { batch, id } = execution;
  const opened = await Promise.allSettled(
    (["stdout", "stderr", "times"] as const).map((file) => deps.followers.open(batch, id, file)),
  );
  const followers = opened.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  const close = () => {
    for (const follower of followers) follower.close();
  };
  const [stdout, stderr, times] = followers;
  const failed = opened.find((one) => one.status === "rejected");
  try {
    if (stdout === undefined || stderr === undefined || times === undefined) throw failed?.reason;
    const startOf = (stream: LogStream, size: number) =>
      tail === undefined ? Promise.resolve(resumed?.[stream] ?? 0) : deps.logs.tailStart(batch, id, stream, tail, size);
    const from = { stdout: await startOf("stdout", stdout.size()), stderr: await startOf("stderr", stderr.size()) };
    const source: MergeSource = {
      stdout: only === "stderr" ? nothing(stdout) : stdout,
      stderr: only === "stdout" ? nothing(stderr) : stderr,
      times,
      follow,
      isEager: follow && format === "frames",
      // A log of which nothing is wanted has no bytes: an offset in it would look like one that was cut.
      from: { stdout: only === "stderr" ? 0 : from.stdout, stderr: only === "stdout" ? 0 : from.stderr },
      now: deps.now,
      endedAt: endOf(deps, execution),
    };
    const skip =
      tail === undefined ? 0 : Math.max(0, (await countLines({ ...source, follow: false, isEager: false })) - tail);
    const render = format === "frames" ? frames(from) : format === "ndjson" ? jsonLines() : textLines(hasTimes);
    const next = piecesOf(source, skip, render);
    return new Response(deps.streams.open(clientOfRequest(c), next, close, "own"), { headers });
  } catch (error) {
    close();
    throw error;
  }
}

const contentTypes = {
  text: "text/plain; charset=utf-8",
  ndjson: "application/x-ndjson; charset=utf-8",
  frames: "application/vnd.batch-agent.log-frames",
};

/** Reads `<stdout>,<stderr>`: how many bytes of each the client has already. */
function offsets(c: Context, name: string): Record<LogStream, number> | undefined {
  const value = single(c, name);
  if (value === undefined) return undefined;
  const match = /^(\d{1,15}),(\d{1,15})$/.exec(value);
  if (match === null) throw new HttpProblem(400, `${name} must be two numbers of bytes with a comma between`);
  return { stdout: Number(match[1]), stderr: Number(match[2]) };
}

/** A log of which nothing is wanted. */
function nothing(follower: LogFollower): MergeSource["stdout"] {
  return {
    size: () => 0,
    measure: () => follower.measure().then(() => 0), // `nextTick` resolves for those that are measured
    read: () => Promise.resolve(new Uint8Array(0)),
    nextTick: () => follower.nextTick(),
  };
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

/** @param skippedTo  ends of what was passed over, of the logs of which something was */
type Render = (
  piece: MergedPiece,
  skippedTo: Readonly<Partial<Record<LogStream, number>>>,
) => Uint8Array | (() => Uint8Array);

function piecesOf(source: MergeSource, skip: number, render: Render): NextPiece {
  const next = createMerge(source);
  let left = skip;
  const skippedTo: Partial<Record<LogStream, number>> = {};
  /** The log whose line is not at its end yet. */
  let open: LogStream | null = null;
  return async () => {
    const since = source.now();
    for (;;) {
      const piece = await next();
      if (piece === null) return null;
      if (piece === "wait") {
        if (Math.abs(source.now() - since) >= keepAliveMs) return new Uint8Array(0);
        await source.stdout.nextTick();
        continue;
      }
      if (piece.bytes.length === 0) return render(piece, skippedTo);
      if (left > 0 && open !== null && open !== piece.stream) left -= 1;
      open = piece.bytes.at(-1) === newline ? null : piece.stream;
      let at = 0;
      while (left > 0 && at < piece.bytes.length) {
        const end = piece.bytes.indexOf(newline, at);
        at = end < 0 ? piece.bytes.length : end + 1;
        if (end >= 0) left -= 1;
      }
      if (at < piece.bytes.length)
        return render({ ...piece, offset: piece.offset + at, bytes: piece.bytes.subarray(at) }, skippedTo);
      skippedTo[piece.stream] = piece.offset + at;
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

/**
 * Renders frames: 24 bytes of big-endian head (stream: 1 or 2, 3 zero bytes, uint32 length, uint64 offset in its log,
 * int64 ms since 1970), then the bytes. Before the first one an empty frame says where the other log begins.
 */
function frames(from: Readonly<Record<LogStream, number>>): Render {
  let isFirst = true;
  return ({ stream, at, offset, bytes }, skippedTo) => {
    const other = stream === "stdout" ? "stderr" : "stdout";
    const parts = isFirst ? [frameHead(other, at, skippedTo[other] ?? from[other], 0)] : [];
    isFirst = false;
    return Buffer.concat([...parts, frameHead(stream, at, offset, bytes.length), bytes]);
  };
}

function frameHead(stream: LogStream, at: string, offset: number, length: number): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt8(stream === "stdout" ? 1 : 2, 0);
  head.writeUInt32BE(length, 4);
  head.writeBigUInt64BE(BigInt(offset), 8);
  head.writeBigInt64BE(BigInt(Date.parse(at)), 16);
  return head;
}
