// Describes what executions ask of their edges, and what commands ask of executions.
import type { EpochMs, ExecutionId, Iso } from "../model/ids.ts";

export { estimatedEnd } from "./baseline.ts";

/** Maximum number of characters of a command's note, which stands in the record and in messages. */
export const maxNoteChars = 1_000;

/**
 * Describes what became of an asked start: an execution, with a word on it where there is something to know, or why
 * there is none.
 */
export type TriggerAnswer = { id: string; note?: string } | { error: string };

/** Describes who asks, in which command. */
export interface AskedBy {
  /** The command's id: it is carried out once. */
  command: string;
  /** `user@host`: for people, not proof. */
  actor: string;
  note: string | null;
}

/** Describes what a command on this machine asks of the agent. */
export type Request =
  | { kind: "trigger"; batch: string; params: Readonly<Record<string, string>>; dueAt: EpochMs | null }
  /** `target`: an execution, a run or, to be cancelled, a batch. */
  | { kind: "cancel"; target: string }
  | { kind: "rerun"; target: string }
  /** The due times of a batch in [from, to), and which of them have a run that succeeded. */
  | { kind: "due-times"; batch: string; from: EpochMs; to: EpochMs }
  /** Answered once the execution, or the run, has ended. */
  | { kind: "wait"; id: string };

export type Command = AskedBy & { request: Request };

/** An end that was waited for. A run has no exit code. */
export interface Ended {
  batch: string;
  status: string;
  message: string | null;
  exitCode: number | null;
  signal: string | null;
}

export type Answer =
  | {
      ids: readonly ExecutionId[];
      executions: readonly { id: ExecutionId; batch: string; run: string }[];
      note?: string;
    }
  | { dueTimes: readonly { dueAt: Iso; succeeded: boolean }[] }
  | { ended: Ended }
  | { error: string };
