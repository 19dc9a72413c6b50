// What executions ask of their edges, and what commands ask of executions.
/** What became of an asked start: an execution, with a word on it where there is something to know, or why there is none. */
export type TriggerAnswer = { id: string; note?: string } | { error: string };
/** Starts that commands on this machine ask for. */
export interface TriggerBox {
  open(): Promise<void>;
  /** Takes all that wait; each is taken once. */
  take(): Promise<{ batch: string; answer(answer: TriggerAnswer): Promise<void> }[]>;
}
