// Answers with log files: whole, by range, their tail, or all of an execution as an archive.
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { Header } from "tar";
import type { Context } from "hono";
import type { LogStore, LogStream } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";
import { executionView } from "../../views.ts";
import { HttpProblem, problemResponse } from "../protocol/problem.ts";
import { integer } from "../protocol/query.ts";
import { withCopy } from "../protocol/zero-copy.ts";

/** One log as text/plain. A running execution's log is as long as it was when asked for. */
export async function logResponse(
  c: Context,
  logs: LogStore,
  execution: Execution,
  stream: LogStream,
): Promise<Response> {
  const lines = integer(c, "tail", 1, 100_000);
  const { batch, id } = execution;
  const info = await logs.stat(batch, id, stream);
  const size = info?.size ?? 0;
  const etag = `"${id}-${stream}-${size}-${info?.changedAt ?? 0}"`;
  const headers: Record<string, string> = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-cache",
    "Accept-Ranges": "bytes",
    ETag: etag,
    ...(info === null ? {} : { "Last-Modified": new Date(info.changedAt).toUTCString() }),
  };
  if (lines === undefined && isKnown(c.req.header("If-None-Match"), etag))
    return new Response(null, { status: 304, headers });

  let [start, end, status] = [0, size, 200];
  if (lines !== undefined) {
    start = info === null ? 0 : await logs.tailStart(batch, id, stream, lines, size);
    delete headers["ETag"]; // it names the whole
  } else {
    const condition = c.req.header("If-Range");
    const asked = c.req.method === "GET" && (condition === undefined || condition === etag); // only GET has ranges
    const range = asked ? parseRange(c.req.header("Range"), size) : null;
    if (range === "unsatisfiable") {
      return problemResponse(c, 416, `the log has ${size} bytes`, { "Content-Range": `bytes */${size}` });
    }
    if (range !== null) {
      [start, end, status] = [range.start, range.end, 206];
      headers["Content-Range"] = `bytes ${start}-${end - 1}/${size}`;
    }
  }
  headers["Content-Length"] = String(end - start);
  if (c.req.method === "HEAD" || end === start) return new Response(null, { status, headers });
  const response = new Response(logs.read(batch, id, stream, start, end), { status, headers });
  return withCopy(response, logs.copy(batch, id, stream, start, end));
}

function isKnown(header: string | undefined, etag: string): boolean {
  return (
    header !== undefined && header.split(",").some((known) => ["*", etag].includes(known.trim().replace(/^W\//, "")))
  );
}

/** One range; null (the whole is sent) for none, several, or what is no range. `end` is the first byte after it. */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | "unsatisfiable" | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (match === null) return null;
  const [, from = "", to = ""] = match;
  if (from === "" && to === "") return null;
  if (from === "") {
    const length = Math.min(Number(to), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(from);
  const end = to === "" ? size : Math.min(Number(to) + 1, size);
  if (to !== "" && Number(to) < start) return null;
  return start >= size ? "unsatisfiable" : { start, end };
}

/** Archives that are made at a time: each costs processor time for as long as it is read. */
const maxArchives = 4;
/** Compressed bytes that wait for their reader. */
const archiveAheadBytes = 16 * 1024;

let archives = 0;

/**
 * `<batch>-<id>.tar.gz` with execution.json, stdout.log and stderr.log, made as it is sent. Throws a 503 where others
 * are being made.
 */
export async function archiveResponse(c: Context, logs: LogStore, execution: Execution): Promise<Response> {
  const { batch, id } = execution;
  const headers = {
    "Content-Type": "application/gzip",
    "Content-Disposition": `attachment; filename="${batch}-${id}.tar.gz"`,
  };
  if (c.req.method === "HEAD") return new Response(null, { headers });
  const changedAt = Date.parse(execution.finishedAt ?? execution.createdAt);
  const entryOf = async (stream: LogStream): Promise<TarEntry> => {
    const info = (await logs.stat(batch, id, stream)) ?? { size: 0, changedAt };
    const bytes = () => (info.size === 0 ? [] : Readable.fromWeb(logs.read(batch, id, stream, 0, info.size) as never));
    return { path: `${stream}.log`, ...info, bytes };
  };
  const [stdout, stderr] = await Promise.all([entryOf("stdout"), entryOf("stderr")]);
  const live = execution.status === "running" ? { stdoutBytes: stdout.size, stderrBytes: stderr.size } : {};
  const record = Buffer.from(`${JSON.stringify(executionView(execution, live), null, 2)}\n`);
  const entries = [{ path: "execution.json", size: record.length, changedAt, bytes: () => [record] }, stdout, stderr];
  if (archives >= maxArchives)
    throw new HttpProblem(503, `${maxArchives} archives are being made already; try again later`, {
      "Retry-After": "5",
    });
  archives += 1;
  const gzip = createGzip({ level: 1, chunkSize: archiveAheadBytes });
  const source = Readable.from(tarBlocks(entries), { highWaterMark: 1 });
  source.on("error", (error) => gzip.destroy(error));
  gzip.on("close", () => {
    archives -= 1;
    source.destroy();
  });
  return new Response(Readable.toWeb(source.pipe(gzip)) as ReadableStream<Uint8Array>, { headers });
}

interface TarEntry {
  path: string;
  size: number;
  changedAt: number;
  bytes: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Exactly `size` bytes an entry, as its header promises: a file that came out shorter is filled up with zeros. */
async function* tarBlocks(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  for (const { path, size, changedAt, bytes } of entries) {
    const header = new Header({ path, size, mode: 0o644, uid: 0, gid: 0, type: "File", mtime: new Date(changedAt) });
    header.encode();
    yield header.block as Uint8Array;
    let left = size;
    for await (const chunk of bytes()) {
      yield chunk.subarray(0, left);
      left -= Math.min(left, chunk.length);
    }
    for (; left > 0; left -= Math.min(left, 65_536)) yield new Uint8Array(Math.min(left, 65_536));
    yield new Uint8Array((512 - (size % 512)) % 512);
  }
  yield new Uint8Array(1024);
}
