// `batch-agent logs`: what an execution wrote, and with -f what it goes on to write, over dropped connections and
// restarts.
import { AgentError } from "../errors.ts";
import type { LogStream } from "../logs/port.ts";
import { idPattern } from "../model/execution.ts";
import { harmless } from "../text/glyphs.ts";
import { createTerminalFilter } from "../text/terminal.ts";
import type { BatchView, ExecutionView } from "../views.ts";
import { noBatch, type AgentClient } from "./agent-client.ts";
import { signalExitCode } from "./exit-code.ts";

export interface LogsOptions {
  follow: boolean;
  /** null: both. */
  stream: LogStream | null;
  /** Only the last so many lines; null: all. */
  tail: number | null;
  /** Control characters as they are, on a terminal too. */
  raw: boolean;
}

/** Describes where a log goes: `write` resolves once more may come. */
interface Output {
  write: (bytes: Uint8Array) => Promise<void>;
  terminal: boolean;
}

export interface LogsDeps {
  stdout: Output;
  stderr: Output;
  complain: (text: string) => void;
  wait: (ms: number) => Promise<void>;
  now: () => number;
}

const againMs = 500;
/** How long an agent may be away while its log is followed. */
const patienceMs = 120_000;
const tailWindow = 64 * 1024;

/**
 * Copies the logs of an execution, or of a batch's latest one. The exit code: 0; with `follow` the script's, 1 where
 * it has none. Throws AgentError.
 */
export async function logs(client: AgentClient, target: string, options: LogsOptions, deps: LogsDeps): Promise<number> {
  const { id } = await find(client, target);
  const streams: LogStream[] = options.stream === null ? ["stdout", "stderr"] : [options.stream];
  if (!options.follow) {
    for (const stream of streams)
      await copy(await client.bytes(pathOf(id, stream, options.tail), 0), outputOf(stream, options, deps));
    return 0;
  }
  const [ended] = await Promise.all(streams.map((stream) => follow(client, id, stream, options, deps)));
  if (ended === undefined) return 1;
  if (ended.status !== "succeeded")
    deps.complain(`batch-agent: ${ended.batch} ${ended.status}: ${harmless(ended.message ?? ended.reason ?? "")}\n`);
  if (ended.status === "succeeded") return 0;
  return ended.exitCode || signalExitCode(ended.signal);
}

async function find(client: AgentClient, target: string): Promise<ExecutionView> {
  if (idPattern.test(target.toUpperCase()))
    return client.json<ExecutionView>(`/api/executions/${target.toUpperCase()}`);
  if (!/^[a-z0-9-]{1,63}$/.test(target))
    throw new AgentError(`"${target}" is neither the id of an execution nor the name of a batch`);
  const { items } = await client.json<{ items: ExecutionView[] }>(
    `/api/executions?batch=${encodeURIComponent(target)}&limit=1`,
  );
  const [latest] = items;
  if (latest !== undefined) return latest;
  const { items: batches } = await client.json<{ items: BatchView[] }>("/api/batches");
  const names = batches.map(({ name }) => name);
  if (!names.includes(target)) throw noBatch(client.url, target, names);
  throw new AgentError(`${target} has not run yet`);
}

function pathOf(id: string, stream: LogStream, tail: number | null = null): string {
  return `/api/executions/${id}/${stream}${tail === null ? "" : `?tail=${tail}`}`;
}

/** On a terminal through the filter, else byte for byte. */
function outputOf(
  stream: LogStream,
  options: LogsOptions,
  deps: LogsDeps,
): { write: (bytes: Uint8Array) => Promise<void>; end: () => Promise<void> } {
  const output = deps[stream];
  if (!output.terminal || options.raw) return { write: (bytes) => output.write(bytes), end: () => Promise.resolve() };
  const filter = createTerminalFilter();
  return {
    write: (bytes) => output.write(Buffer.from(filter.push(bytes))),
    end: () => output.write(Buffer.from(filter.end())),
  };
}

async function copy(bytes: AsyncIterable<Uint8Array> | null, output: ReturnType<typeof outputOf>): Promise<void> {
  for await (const chunk of bytes ?? []) await output.write(chunk);
  await output.end();
}

/** Copies one log until its execution has ended and all of it is there; the execution as it ended. */
async function follow(
  client: AgentClient,
  id: string,
  stream: LogStream,
  options: LogsOptions,
  deps: LogsDeps,
): Promise<ExecutionView> {
  const output = outputOf(stream, options, deps);
  const path = pathOf(id, stream);
  let at = options.tail === null ? 0 : await tailStart(client, path, options.tail);
  let lostAt: number | null = null;
  let failures = 0;
  let ended: ExecutionView | null = null;
  for (;;) {
    try {
      const chunks = await (ended === null ? client.follow(path, at) : client.bytes(path, at));
      // It answers: a log may then say nothing for as long as it likes, and its connection end of that.
      lostAt = null;
      failures = 0;
      for await (const chunk of chunks ?? []) {
        await output.write(chunk);
        at += chunk.length;
      }
      // Once it has ended, one more look has seen all there is.
      if (ended !== null) break;
      const execution = await client.json<ExecutionView>(`/api/executions/${id}`);
      const size = await client.size(path);
      if (size < at) {
        deps.complain(`batch-agent: ${stream} got shorter, from ${at} to ${size} bytes; going on from its new end\n`);
        at = size;
      }
      if (execution.finishedAt !== null) ended = execution;
      else await deps.wait(againMs);
    } catch (error) {
      // Only silence and an agent that is stopped or busy (503) are waited out: any other refusal stays one.
      if (!(error instanceof AgentError) || (error.status !== null && error.status !== 503)) throw error;
      failures += 1;
      if (failures === 2 && stream === (options.stream ?? "stdout"))
        deps.complain(`batch-agent: ${error.message}; waiting for it\n`);
      lostAt ??= deps.now();
      if (deps.now() - lostAt > patienceMs) throw error;
      await deps.wait(againMs);
    }
  }
  await output.end();
  return ended;
}

/**
 * The offset at which the last `lines` lines of a log begin: read backwards, a window at a time. An unfinished last
 * line counts.
 */
async function tailStart(client: AgentClient, path: string, lines: number): Promise<number> {
  const size = await client.size(path);
  let breaks = 0;
  for (let end = size; end > 0; end = Math.max(0, end - tailWindow)) {
    const start = Math.max(0, end - tailWindow);
    const window = await part(client, path, start, end);
    for (let i = window.length - 1; i >= 0; i--) {
      if (window[i] !== 10 || start + i === size - 1) continue;
      breaks += 1;
      if (breaks === lines) return start + i + 1;
    }
  }
  return 0;
}

async function part(client: AgentClient, path: string, start: number, end: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (await client.bytes(path, start)) ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= end - start) break;
  }
  return Buffer.concat(chunks).subarray(0, end - start);
}
