// `trigger`, `cancel`, `rerun` and `backfill`: ask the agent on this machine, through its data folder.
import { resolve, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { askAgent } from "../executions/command-box.ts";
import type { Answer, Ended, Request } from "../executions/port.ts";
import { UsageError } from "../errors.ts";
import { idPattern } from "../model/execution.ts";
import { sanitize } from "../text/glyphs.ts";
import { signalExitCode } from "./exit-code.ts";
import { createLogCopy } from "./log-copy.ts";

/** Time for an agent to take a request. */
const takeMs = 5_000;
const copyMs = 100;
const copyBytes = 1024 * 1024;

export interface OperateDeps {
  dataDir: string;
  /** `user@host`. */
  actor: string;
  write: (text: string) => void;
  complain: (text: string) => void;
  stdout: (bytes: Uint8Array) => void;
  stderr: (bytes: Uint8Array) => void;
  /** Ends what a script printed: its colours must not be ours. */
  endOutput: () => void;
}

/** Prints the execution's id; exit code 1 if no agent takes it within 5 s or it refuses, with `follow` the script's. */
export async function trigger(
  batch: string,
  asked: { params: Readonly<Record<string, string>>; dueAt: number | null; note: string | null; follow: boolean },
  deps: OperateDeps,
): Promise<number> {
  const { params, dueAt, note, follow } = asked;
  return act({ kind: "trigger", batch, params, dueAt }, { note, follow }, deps);
}

/** Prints the ids of what it cancelled; exit code 1 if nothing was open. */
export function cancel(target: string, { note }: { note: string | null }, deps: OperateDeps): Promise<number> {
  return act({ kind: "cancel", target: asId(target) }, { note, follow: false }, deps);
}

/** Prints the new executions' ids; exit code 1 if it is refused, with `follow` the script's. */
export function rerun(
  target: string,
  asked: { note: string | null; follow: boolean },
  deps: OperateDeps,
): Promise<number> {
  return act({ kind: "rerun", target: asId(target) }, asked, deps);
}

/** Starts a run for each due time, one after the other; exit code 1 if one of them did not succeed. */
export async function backfill(
  batch: string,
  asked: { from: number; to: number; note: string | null; dryRun: boolean; again: boolean },
  deps: OperateDeps,
): Promise<number> {
  const { from, to, note, dryRun, again } = asked;
  if (from >= to) throw new UsageError("--from must be before --to", "--to is the end of the range, exclusive");
  const known = await ask({ kind: "due-times", batch, from, to }, note, deps);
  if (known === null || !("dueTimes" in known)) return 1;
  if (known.dueTimes.length === 0) deps.complain(`batch-agent: ${batch} has no due time in this range\n`);
  let failed = 0;
  for (const { dueAt, succeeded } of known.dueTimes) {
    if (succeeded && !again) deps.write(`${dueAt}  passed over: it has a run that succeeded\n`);
    else if (dryRun) deps.write(`${dueAt}\n`);
    else {
      const request = { kind: "trigger", batch, params: {}, dueAt: Date.parse(dueAt) } as const;
      const started = await ask(request, note, deps);
      const run = started !== null && "executions" in started ? started.executions[0]?.run : undefined;
      if (run === undefined) return 1;
      deps.write(`${dueAt}  run ${run}`);
      const ended = await waitFor(run, deps);
      deps.write(`  ${ended?.status ?? "unknown"}\n`);
      if (ended === null) return 1;
      if (ended.status !== "succeeded") failed += 1;
    }
  }
  if (failed > 0) deps.complain(`batch-agent: ${failed} of ${known.dueTimes.length} due times did not succeed\n`);
  return failed > 0 ? 1 : 0;
}

/** Ids may be typed in lower case. */
function asId(target: string): string {
  const upper = target.toUpperCase();
  return idPattern.test(upper) ? upper : target;
}

async function act(
  request: Request,
  asked: { note: string | null; follow: boolean },
  deps: OperateDeps,
): Promise<number> {
  const answer = await ask(request, asked.note, deps);
  if (answer === null || !("ids" in answer)) return 1;
  for (const id of answer.ids) deps.write(`${id}\n`);
  if (answer.note !== undefined) deps.complain(`note: ${sanitize(answer.note)}\n`);
  if (!asked.follow) return 0;
  let code = 0;
  for (const execution of answer.executions) code ||= await follow(execution, deps);
  return code;
}

/** The agent's answer; null where there is none or it refuses, which is then said. */
async function ask(request: Request, note: string | null, deps: OperateDeps): Promise<Answer | null> {
  const { dataDir, actor, complain } = deps;
  const patient = request.kind === "wait";
  const answer = await askAgent(resolve(dataDir), { actor, note, request }, { waitMs: takeMs, patient });
  if (answer === "not-taken")
    complain(
      `batch-agent: no agent took it within ${takeMs / 1000} s\n` +
        `hint: is one running on this machine with the data folder ${dataDir}? (--data)\n`,
    );
  else if (answer === "not-answered")
    complain("batch-agent: an agent has taken it and not answered yet: it is carried out once its disk takes writes\n");
  else if ("error" in answer) complain(`batch-agent: ${sanitize(answer.error)}\n`);
  else return answer;
  return null;
}

async function waitFor(id: string, deps: OperateDeps): Promise<Ended | null> {
  const answer = await ask({ kind: "wait", id }, null, deps);
  return answer !== null && "ended" in answer ? answer.ended : null;
}

/** Passes its output on until it ends; its exit code. */
async function follow({ id, batch }: { id: string; batch: string }, deps: OperateDeps): Promise<number> {
  const copy = createLogCopy(join(resolve(deps.dataDir), "batches", batch, "executions", id), deps);
  let isOver = false;
  const ending = waitFor(id, deps).finally(() => (isOver = true));
  const over = () => isOver; // it changes while something is awaited
  while (!over()) await (copy(copyBytes) ? setTimeout(0) : Promise.race([setTimeout(copyMs), ending]));
  copy(Infinity);
  deps.endOutput();
  const ended = await ending;
  if (ended === null) return 1;
  const { status, message, exitCode, signal } = ended;
  if (status !== "succeeded") deps.complain(`batch-agent: ${batch} ${status}: ${sanitize(message ?? "")}\n`);
  if (status === "aborted") return 1;
  if (exitCode !== null) return exitCode;
  return status === "succeeded" ? 0 : signalExitCode(signal);
}
