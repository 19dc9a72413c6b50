// Carries out what was planned for an entry: its files are stored and the record says so before it is in force.
import type { Clock } from "../async/clock.ts";
import { logProblem, type InForce } from "../definitions/in-force.ts";
import { messageOf } from "../errors.ts";
import type { Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Revision } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import type { Revisions } from "../sources/port.ts";
import type { Scans } from "./scans.ts";
import type { Action } from "./plan.ts";

type Of<Kind extends Action["kind"]> = Extract<Action, { kind: Kind }>;

const maxLoggedProblems = 5;
const retryMs = 1_000;

export interface ApplierDeps {
  inForce: InForce;
  scans: Scans;
  revisions: Revisions;
  recorder: Recorder;
  clock: Clock;
  log: Logger;
  /** Has an entry read again soon. */
  dirty: (name: string) => void;
}

export class Applier {
  readonly #deps: ApplierDeps;
  readonly #applying = new Set<Revision>();

  constructor(deps: ApplierDeps) {
    this.#deps = deps;
  }

  /** Returns the revisions that are being put in force and may not stand in the record yet. */
  applying(): ReadonlySet<Revision> {
    return this.#applying;
  }

  /**
   * Never rejects: what fails is tried again.
   * @param head    the commit that what is applied was read at
   * @param isFirst true at the first pass, whose single line for all is enough
   */
  async carryOut(action: Action, head: string | null, isFirst: boolean): Promise<void> {
    try {
      switch (action.kind) {
        case "apply":
          await this.#apply(action, head, isFirst);
          break;
        case "hold":
          this.#deps.inForce.keepInForce(action.name, action.problems);
          for (const problem of action.problems.slice(0, maxLoggedProblems)) logProblem(this.#deps.log, problem);
          break;
        case "remove":
          await this.#remove(action);
          break;
        default: {
          const never: never = action;
          return never;
        }
      }
    } catch (error) {
      this.#retry(action, messageOf(error));
    }
  }

  async #apply({ batch, folder, schedule }: Of<"apply">, head: string | null, isFirst: boolean): Promise<void> {
    const { inForce, scans, revisions, recorder, log, dirty } = this.#deps;
    const revision = folder.digest;
    this.#applying.add(revision);
    try {
      if (!(await revisions.store(folder))) {
        scans.invalidate(batch.name);
        dirty(batch.name);
        return;
      }
      const fields = { removedAt: null, revision, schedule };
      const recorded = recorder.head(batch.name);
      const isRecorded =
        recorded !== undefined &&
        Object.entries(fields).every(([key, value]) => recorded[key as keyof typeof fields] === value);
      // A commit alone is no reason to write: one commit would write every document there is.
      if (!isRecorded)
        await recorder.commit([{ kind: "head", batch: batch.name, fields: { ...fields, commit: head } }]);
      const isNew = inForce.entry(batch.name)?.batch == null;
      inForce.apply(batch.name, { batch, revision, commit: head });
      log[isFirst ? "debug" : "info"](isNew ? "batch in force" : "batch changed", { batch: batch.name, revision });
    } finally {
      this.#applying.delete(revision);
    }
  }

  /** Takes it out of force first: a record that cannot be written yet is tried again by the history itself. */
  async #remove({ name }: Of<"remove">): Promise<void> {
    const { inForce, scans, recorder, clock, log } = this.#deps;
    inForce.remove(name);
    scans.delete(name);
    log.info("batch removed", { batch: name });
    const head = recorder.head(name);
    if (head === undefined || head.removedAt !== null) return;
    const fields = { removedAt: new Date(clock.now()).toISOString(), schedule: null };
    await recorder.commit([{ kind: "head", batch: head.name, fields }]);
  }

  #retry(action: Action, message: string): void {
    const { inForce, scans, clock, log, dirty } = this.#deps;
    scans.invalidate(action.name);
    if (action.kind === "apply" && inForce.entry(action.name)?.problems[0]?.message !== message) {
      inForce.keepInForce(action.name, [notStored(action, message)]);
      log.error("cannot apply", { batch: action.name, error: message });
    }
    clock.after(retryMs, () => dirty(action.name));
  }
}

function notStored({ folder }: Of<"apply">, message: string): Problem {
  const hint = "what was in force stays in force; the agent tries again every second";
  const [batch, file] = [folder.entry, folder.location];
  return { batch, file, line: null, column: null, path: null, code: "not-stored", message, hint };
}
