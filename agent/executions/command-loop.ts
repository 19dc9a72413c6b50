// Looks for requests of commands on this machine at short intervals, carries them out and answers them.
import type { Clock } from "../async/clock.ts";
import { periodic } from "../async/periodic.ts";
import { messageOf } from "../errors.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Batch } from "../model/batch.ts";
import { isOpen, runState, type Execution } from "../model/execution.ts";
import type { CommandBox, ClaimedCommand } from "./command-box.ts";
import { findDueTimes } from "./due-times.ts";
import type { Executor } from "./executor.ts";
import type { ActedOn } from "./operations.ts";
import type { Answer, Command, Ended } from "./port.ts";

const pollMs = 200;

export interface CommandLoopDeps {
  clock: Clock;
  log: Logger;
  box: CommandBox;
  executor: Pick<Executor, "manual" | "cancel" | "rerun">;
  recorder: Recorder;
  reader: HistoryReader;
  /** The definition in force. */
  batchOf: (name: string) => Batch | null;
}

export interface CommandLoop {
  start: () => void;
  /** Resolves once what was carried out is answered; who waits for an end is answered by the next agent. */
  stop: () => Promise<void>;
}

export function createCommandLoop(deps: CommandLoopDeps): CommandLoop {
  const { clock, log, box, executor, recorder, reader } = deps;
  const checks = periodic(clock, () => pollMs, claimCommands, logClaimError);
  let stopped = false;
  const working = new Set<Promise<void>>();
  /** Answers once an execution or a run has ended, by its id. */
  const waiting = new Map<string, Set<ClaimedCommand>>();
  let heard = new Set<string>();

  recorder.subscribe((_seq, change) => {
    if (change.kind !== "put" || isOpen(change.execution) || waiting.size === 0) return;
    const { id, run } = change.execution;
    if (heard.size === 0) setImmediate(checkHeard); // once all of the line is known
    heard.add(id).add(run);
  });

  function checkHeard(): void {
    const ids = heard;
    heard = new Set();
    for (const id of ids) if (waiting.has(id)) work(answerEnded(id));
  }

  async function answerEnded(id: string): Promise<void> {
    const ended = await endOf(id);
    const claimed = ended === null || stopped ? undefined : waiting.get(id);
    if (ended === null || claimed === undefined) return;
    waiting.delete(id);
    for (const one of claimed) await one.answer({ ended });
  }

  /** null while it goes on; undefined ids are no end either. */
  async function endOf(id: string): Promise<Ended | null> {
    const execution = await reader.find(id);
    if (execution !== undefined) {
      const { batch, status, message, exitCode, signal } = execution;
      return isOpen(execution) ? null : { batch, status, message, exitCode, signal };
    }
    const rows = await reader.run(id);
    const status = runState(rows);
    return status === "running" ? null : { batch: "", status, message: null, exitCode: null, signal: null };
  }

  async function carryOut(claimed: ClaimedCommand): Promise<void> {
    const { command } = claimed;
    if (command === null) {
      log.warn("a file in commands/ is no request of a command", {});
      return claimed.answer({ error: "the request cannot be read" });
    }
    const { request } = command;
    if (request.kind === "wait") {
      waiting.set(request.id, (waiting.get(request.id) ?? new Set()).add(claimed));
      return answerEnded(request.id);
    }
    if (request.kind === "due-times") return claimed.answer(await findDueTimes(request, deps));
    const done = claimed.isFound ? await carriedOut(command.command) : null;
    const answer = done ?? (await act(command));
    logCommand(command, answer);
    await claimed.answer(answer);
  }

  /** Returns what the record says of a command that an earlier agent took; null where that did not come to it. */
  async function carriedOut(id: string): Promise<Answer | null> {
    for (const name of recorder.names()) {
      const known = recorder.head(name)?.commands?.find((one) => one.id === id);
      if (known === undefined) continue;
      await recorder.durable();
      const rows = await Promise.all(known.ids.map((one) => reader.find(one)));
      return answerOf({ executions: rows.flatMap((row) => row ?? []) });
    }
    return null;
  }

  async function act(command: Command): Promise<Answer> {
    const { request } = command;
    switch (request.kind) {
      case "trigger": {
        const { batch, params, dueAt } = request;
        const answer = await executor.manual(batch, { params, dueAt }, command);
        if ("error" in answer) return answer;
        const execution = recorder.current(answer.id) ?? (await reader.find(answer.id));
        const acted = answerOf({ executions: execution === undefined ? [] : [execution] });
        return answer.note === undefined ? acted : { ...acted, note: answer.note };
      }
      case "cancel":
        return answerOf(await executor.cancel(request.target, command));
      case "rerun":
        return answerOf(await executor.rerun(request.target, command));
      case "due-times":
      case "wait":
        return { error: "the request changes nothing" };
      default:
        return request satisfies never;
    }
  }

  function logCommand({ command, actor, note, request }: Command, answer: Answer): void {
    const on =
      request.kind === "trigger" ? { batch: request.batch } : "target" in request ? { target: request.target } : {};
    const fields = { command, actor, ...(note === null ? {} : { note }), ...on };
    if ("ids" in answer) log.info(`command ${request.kind}`, { ...fields, ids: answer.ids.slice(0, 20).join(" ") });
    else if ("error" in answer) log.warn(`command ${request.kind} refused`, { ...fields, why: answer.error });
  }

  function work(promise: Promise<void>): void {
    const done = promise
      .catch((error: unknown) => log.warn("a command could not be answered", { error: messageOf(error) }))
      .finally(() => working.delete(done));
    working.add(done);
  }

  /** Why commands cannot be looked for, as last said: once, not with every look. */
  let trouble: string | null = null;

  async function claimCommands(): Promise<void> {
    for (const claimed of await box.claim()) work(carryOut(claimed));
    if (trouble !== null) log.info("commands are heard again");
    trouble = null;
  }

  function logClaimError(error: unknown): void {
    const words = messageOf(error);
    if (words !== trouble) log.warn("cannot check for commands", { error: words });
    trouble = words;
    void box.open().catch(() => undefined);
  }

  return {
    start: () => checks.start(),
    async stop() {
      stopped = true;
      await checks.stop();
      await Promise.all(working);
    },
  };
}

function answerOf(acted: ActedOn): Answer & ({ ids: Execution["id"][] } | { error: string }) {
  if ("error" in acted) return acted;
  const executions = acted.executions.map(({ id, batch, run }) => ({ id, batch, run }));
  return { ids: executions.map(({ id }) => id), executions };
}
