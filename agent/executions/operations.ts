// Carries out what people ask for by commands: a start, a cancellation, a rerun. Each is decided and in memory before
// anything is awaited, and the commit that carries it out remembers its command.
import type { Clock, NewId } from "../async/clock.ts";
import { closest } from "../definitions/suggest.ts";
import { runKey, type Change, type HistoryReader, type Recorder } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import { idPattern, isOpen, type Execution } from "../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId, RunId } from "../model/ids.ts";
import { newExecution, type Definition } from "./new-execution.ts";
import { paramsFault, valuesInForce } from "./params.ts";
import { planCancel, planStart, planStarts, type Plan, type World } from "./plan-end.ts";
import { planRerun, type RerunOf } from "./plan-rerun.ts";
import type { AskedBy, TriggerAnswer } from "./port.ts";

export interface AskedStart {
  params: Readonly<Record<string, string>>;
  /** The run's due time; null or missing for now. */
  dueAt?: EpochMs | null;
}

/** Executions that a command has acted on, as recorded, or why there are none. */
export type ActedOn = { executions: readonly Execution[] } | { error: string };

/** Commands that a batch's record remembers: no more can lie unanswered when an agent dies. */
const rememberedCommands = 8;
/** Ids that are remembered of one command. */
const rememberedIds = 1_000;

export interface OperationsDeps {
  clock: Clock;
  newId: NewId;
  recorder: Recorder;
  reader: Pick<HistoryReader, "find" | "run">;
  /** Returns what is in force for a batch; null when it has none, is gone, or has no sound place in its chain. */
  definition: (name: BatchName) => Definition | null;
  /** Names that are in the folder, and have problems; for words to people. */
  invalidNames?: () => readonly string[];
}

/** The part of the executor that commands act on. */
export interface Operated {
  world: World;
  isStopping: () => boolean;
  /** Returns true once the process of a running execution is gone, though its end may not be on record yet. */
  isOver: (id: ExecutionId) => boolean;
  /** Keeps the logs and rows of a run from being deleted until `unpin`. */
  pin: (runKey: number) => void;
  unpin: (runKey: number) => void;
  /** Commits a decision and does what it asks for; resolves when it is durable. */
  carryOut: (plan: Plan, before: readonly Change[]) => Promise<void>;
}

export class Operations {
  readonly #deps: OperationsDeps;
  readonly #on: Operated;

  constructor(deps: OperationsDeps, on: Operated) {
    this.#deps = deps;
    this.#on = on;
  }

  async manual(name: string, asked?: AskedStart, by?: AskedBy): Promise<TriggerAnswer> {
    const { clock, definition } = this.#deps;
    const found = definition(name as BatchName);
    if (this.#on.isStopping()) return { error: "the agent is being stopped" };
    if (found === null) return { error: this.#noDefinition(name) };
    if (!found.batch.enabled) return { error: `${name} is disabled` };
    const fault = paramsFault(found.batch, asked?.params ?? {});
    if (fault !== null) return { error: fault };
    const now = clock.now();
    const given = Object.keys(asked?.params ?? {}).length === 0 ? undefined : asked?.params;
    const trigger = { kind: "manual", dueAt: asked?.dueAt ?? now, by: null } as const;
    const of = { definition: found, ...(given === undefined ? {} : { given }) };
    const execution = asBy(newExecution(found.batch.name, trigger, of, this.#deps, now), by);
    const plan = planStart(execution, null, this.#on.world, this.#deps, now);
    await this.#actOn(plan, by, found.batch.name, [execution]);
    const note = aloneNote(found.batch);
    return { id: execution.id, ...(note === null ? {} : { note }) };
  }

  async cancel(target: string, by: AskedBy): Promise<ActedOn> {
    const { recorder, reader, clock } = this.#deps;
    if (this.#on.isStopping()) return { error: "the agent is being stopped" };
    const one = recorder.current(target);
    const run = [...recorder.openRun(target as RunId).values()].filter(isOpen);
    const isRun = (one === undefined || !isOpen(one)) && run.length > 0;
    const isBatch = recorder.head(target) !== undefined || this.#deps.definition(target as BatchName) !== null;
    const found = isRun ? run : isBatch ? this.#on.world.openOf(target as BatchName) : one === undefined ? [] : [one];
    // One whose process is gone has ended, though that may not be recorded yet; what follows it can still be cancelled.
    const open = found.filter((each) => isOpen(each) && (isRun || !this.#on.isOver(each.id)));
    if (open.length === 0) {
      if (isBatch) return { error: `nothing of ${target} is queued or running` };
      const known = idPattern.test(target) ? await reader.find(target) : undefined;
      if (known !== undefined) return { error: `${target} (${known.batch}) has ended already: ${known.status}` };
      const ended = idPattern.test(target) ? await reader.run(target) : [];
      return { error: ended.length > 0 ? `run ${target} has ended already` : this.#unknown(target) };
    }
    const message = `cancelled by ${by.actor}${by.note === null ? "" : `: ${by.note}`}`;
    const plan = planCancel(open, { message, isRun }, this.#on.world, this.#deps, clock.now());
    await this.#actOn(plan, by, (open[0] as Execution).batch, open);
    return { executions: open };
  }

  async rerun(target: string, by: AskedBy): Promise<ActedOn> {
    const { recorder, reader, clock, definition } = this.#deps;
    if (!idPattern.test(target)) return { error: this.#noId(target) };
    const asked = await reader.find(target);
    const run = asked?.run ?? (target as RunId);
    const key = runKey(run);
    this.#on.pin(key); // nothing of it is deleted while it is read
    try {
      const read = await reader.run(run);
      if (this.#on.isStopping()) return { error: "the agent is being stopped" };
      // From here to the commit nothing is awaited: what was read is what stands, but for what memory knows better.
      const rows = new Map(read.map((row) => [row.id, recorder.current(row.id) ?? row]));
      // What was decided and is not durable yet was not read.
      for (const row of recorder.inMemoryOf(run)) rows.set(row.id, row);
      if (rows.size === 0) return { error: this.#unknown(target) };
      const all = [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
      const scope = {
        graph: this.#on.world.graph(),
        inForce: this.#on.world.inForce,
        isKept: (id: ExecutionId) => recorder.hasLogs(id),
        openOf: (name: string) => this.#on.world.openOf(name as BatchName),
      };
      const decided = planRerun(asked?.id ?? null, all, scope);
      if ("refused" in decided) return { error: decided.refused };
      const now = clock.now();
      const executions = decided.reruns.map((again) => asBy(this.#again(again, definition(again.execution.batch)), by));
      recorder.reopen(all);
      const plan = planStarts(executions, this.#on.world, this.#deps, now);
      await this.#actOn(plan, by, (executions[0] as Execution).batch, executions);
      return { executions };
    } finally {
      this.#on.unpin(key);
    }
  }

  /**
   * Carries out what a command asked for; in the same commit the record learns that it was taken. Resolves when that
   * is durable.
   */
  async #actOn(plan: Plan, by: AskedBy | undefined, batch: BatchName, on: readonly Execution[]): Promise<void> {
    const { recorder } = this.#deps;
    const before: Change[] = [];
    if (by !== undefined) {
      const earlier = recorder.head(batch)?.commands ?? [];
      const ids = on.slice(0, rememberedIds).map(({ id }) => id);
      const commands = [...earlier, { id: by.command, ids }].slice(-rememberedCommands);
      before.push({ kind: "head", batch, fields: { commands } });
    }
    await this.#on.carryOut(plan, before).catch(() => (by === undefined ? undefined : recorder.durable()));
  }

  /** The same again: its input, its due time, its values; in the revision in force now. */
  #again({ execution, attemptsBefore, pass }: RerunOf, definition: Definition | null): Execution {
    const { batch, run, trigger, previous, given, params } = execution;
    const of = { definition, run, ...(given === undefined ? {} : { given }) };
    const dueAt = Date.parse(trigger.dueAt);
    const again = newExecution(
      batch,
      { kind: "rerun", dueAt, by: execution.id },
      of,
      this.#deps,
      this.#deps.clock.now(),
    );
    const values = valuesInForce(definition?.batch ?? null, params ?? {}, given);
    return {
      ...again,
      attempt: attemptsBefore + 1,
      attemptsBefore,
      pass,
      ...(previous === undefined ? {} : { previous }),
      ...(values === undefined ? {} : { params: values }),
    };
  }

  #noDefinition(name: string): string {
    return this.#deps.recorder.head(name) === undefined
      ? this.#unknown(name, "batch")
      : `${name} is gone, or has problems`;
  }

  #noId(target: string): string {
    if (this.#deps.recorder.head(target) === undefined) return this.#unknown(target);
    return `a rerun needs the id of an execution or a run: batch-agent history ${target} lists those of ${target}`;
  }

  #unknown(target: string, what: "batch" | "batch, execution or run" = "batch, execution or run"): string {
    if (idPattern.test(target)) return `there is no execution or run ${target}`;
    if (target === "") return "a name is missing: name a batch, or an execution or a run by its id";
    const invalid = this.#deps.invalidNames?.() ?? [];
    if (invalid.includes(target))
      return `${target} has problems, and nothing of it was ever valid: batch-agent validate tells them`;
    const near = closest(target, [...this.#deps.recorder.names(), ...invalid]);
    return `there is no ${what} ${target}${near === null ? "" : `: did you mean ${near}?`}`;
  }
}

/** Returns what to know of a start by hand of a batch that otherwise follows others; null where there is nothing. */
function aloneNote({ name, after, schedule, input }: Batch): string | null {
  if (after.length === 0 || (schedule !== null && input === "none")) return null;
  const missing =
    input === "previous" ? "its stdin is empty and no BATCH_PREVIOUS_* is set" : "no BATCH_PREVIOUS_* is set";
  return `${name} runs after ${after.join(", ")}: started by itself, ${missing}`;
}

/** The same execution with who asked for it. */
function asBy(execution: Execution, by: AskedBy | undefined): Execution {
  if (by === undefined) return execution;
  const { actor, note } = by;
  return { ...execution, trigger: { ...execution.trigger, actor, ...(note === null ? {} : { note }) } };
}
