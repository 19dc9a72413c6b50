// `batch-agent logs`: what an execution wrote, both logs in their order, and with -f what it goes on to write, over
// dropped connections and restarts.
import { AgentError } from "../errors.ts";
import type { LogStream } from "../logs/port.ts";
import { idPattern } from "../model/execution.ts";
import { isBatchName } from "../model/ids.ts";
import { sanitize } from "../text/glyphs.ts";
import type { BatchView, ExecutionView } from "../views.ts";
import { noBatch, type AgentClient } from "./agent-client.ts";
import { signalExitCode } from "./exit-code.ts";
import { framesOf } from "./log-frames.ts";
import { createLogPrinter, type LogPrinter } from "./log-printer.ts";
import type { Output } from "./output.ts";

export interface LogsOptions {
  follow: boolean;
  /** null: both. */
  stream: LogStream | null;
  /** Only the last so many lines; null: all. */
  tail: number | null;
  /** The time before each line. */
  timestamps: boolean;
  /** Control characters as they are, on a terminal too. */
  raw: boolean;
}

export interface LogsDeps {
  stdout: Output;
  stderr: Output;
  complain: (text: string) => void;
  wait: (ms: number) => Promise<void>;
  monotonic: () => number;
}

const againMs = 500;
/** How long an agent may be away while its log is read. */
const patienceMs = 120_000;

/**
 * Copies the logs of an execution, or of a batch's latest one. The exit code: 0; with `follow` the script's, 1 where
 * it has none. Throws AgentError.
 */
export async function logs(client: AgentClient, target: string, options: LogsOptions, deps: LogsDeps): Promise<number> {
  const found = await find(client, target);
  const ended = await copy(client, found, options, deps);
  if (ended.outputTruncated)
    deps.complain("batch-agent: this is not all of its output: a log got shorter while it was written\n");
  if (ended.startedAt === null) deps.complain(`batch-agent: ${notStarted(ended)}\n`);
  if (!options.follow || ended.status === "succeeded") return 0;
  deps.complain(`batch-agent: ${ended.batch} ${ended.status}: ${sanitize(ended.message ?? ended.reason ?? "")}\n`);
  return ended.exitCode || signalExitCode(ended.signal);
}

/** Says why there is no output of an execution that has not started. */
function notStarted({ batch, status, message, reason, waitingFor }: ExecutionView): string {
  if (status === "queued")
    return `${batch} has not started yet${waitingFor === null ? "" : `: it waits for ${sanitize(waitingFor)}`}`;
  const why = sanitize(message ?? reason ?? "");
  return `${batch} did not start, so there is no output: ${status}${why === "" ? "" : `, ${why}`}`;
}

async function find(client: AgentClient, target: string): Promise<ExecutionView> {
  const id = target.toUpperCase();
  if (idPattern.test(id)) {
    try {
      return await client.json<ExecutionView>(`/api/executions/${id}`);
    } catch (error) {
      if (!(error instanceof AgentError) || error.status !== 404) throw error;
      await client.json(`/api/runs/${id}`).catch(() => Promise.reject(error));
      throw new AgentError(`${id} is a run, not an execution`, {
        hint: `batch-agent history --run ${id} lists its own`,
      });
    }
  }
  if (!isBatchName(target))
    throw new AgentError(`"${target}" is neither the id of an execution nor the name of a batch`);
  const { items } = await client.json<{ items: ExecutionView[] }>(`/api/executions?batch=${target}&limit=1`);
  const [latest] = items;
  if (latest !== undefined) return latest;
  const { items: batches } = await client.json<{ items: BatchView[] }>("/api/batches");
  const names = batches.map(({ name }) => name);
  if (!names.includes(target)) throw noBatch(client.url, target, names);
  throw new AgentError(`${target} has not run yet`);
}

/**
 * Copies until all is there that there is; with `follow`, until the execution has ended. Takes up again where a
 * connection broke. Gives the execution as it was last seen.
 */
async function copy(
  client: AgentClient,
  found: ExecutionView,
  options: LogsOptions,
  deps: LogsDeps,
): Promise<ExecutionView> {
  const { follow } = options;
  const printer = createLogPrinter(options, deps);
  let execution = found;
  let isLast = !follow;
  let lostAt: number | null = null;
  let failures = 0;
  for (;;) {
    let taken = 0;
    try {
      const frames = framesOf(await client.stream(pathOf(execution.id, options, printer.position(), !isLast)));
      // It answers: a log may then say nothing for as long as it likes, and its connection end of that.
      [lostAt, failures] = follow ? [null, 0] : [lostAt, failures];
      for await (const frame of frames) {
        taken += 1;
        await printer.write(frame);
      }
      if (isLast) break;
      // Once it has ended, one more look has seen all there is.
      execution = await client.json<ExecutionView>(`/api/executions/${found.id}`);
      if (execution.finishedAt !== null) isLast = true;
      else await deps.wait(againMs);
    } catch (error) {
      // Only silence and an agent that is stopped or busy (503) are waited out: any other refusal stays one.
      if (!(error instanceof AgentError) || (error.status !== null && error.status !== 503)) throw error;
      if (taken > 0) [lostAt, failures] = [null, 0];
      else if (!follow && lostAt === null) throw error;
      failures += 1;
      if (failures === 2) deps.complain(`batch-agent: ${error.message}; waiting for it\n`);
      lostAt ??= deps.monotonic();
      if (deps.monotonic() - lostAt > patienceMs) throw error;
      await deps.wait(againMs);
    }
  }
  await printer.end();
  return execution;
}

function pathOf(
  id: string,
  { stream, tail }: LogsOptions,
  position: ReturnType<LogPrinter["position"]>,
  follow: boolean,
): string {
  const query = new URLSearchParams({ format: "frames", ...(follow ? { follow: "1" } : {}) });
  if (stream !== null) query.set("stream", stream);
  if (position !== null) query.set("from", `${position.stdout},${position.stderr}`);
  else if (tail !== null) query.set("tail", String(tail));
  return `/api/executions/${id}/log?${query.toString()}`;
}
