// Sees to it that an execution runs the very content of its revision, and tells where an earlier one had changed it.
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Folder } from "../model/batch.ts";
import type { BatchName, Revision } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import type { CheckedRevision } from "../model/revision.ts";
import type { Revisions } from "./port.ts";

export interface RevisionGuard {
  /** Checks a revision before a start of `name`, and puts it right. Never rejects. */
  check: (name: BatchName, revision: Revision) => Promise<CheckedRevision>;
  /** Batches whose revision was found changed at their latest start. */
  problems: () => Problem[];
}

const hint = "a script must not write into its working directory: what it keeps belongs into $BATCH_STATE_DIR";

export function createRevisionGuard(deps: {
  revisions: Revisions;
  /** The batch as it lies in the folder now, with what it inherits; null where it cannot be had. */
  reload: (name: BatchName) => Promise<Folder | null>;
  log: Logger;
}): RevisionGuard {
  const { revisions, reload, log } = deps;
  const told = new Map<BatchName, Problem>();

  async function check(name: BatchName, revision: Revision): Promise<CheckedRevision> {
    const fault = await verify(name, revision);
    return { fault, release: fault === null ? await revisions.seal(revision) : null };
  }

  async function verify(name: BatchName, revision: Revision): Promise<string | null> {
    try {
      const verified = await revisions.verify(revision, () => reload(name));
      if (verified.kind === "intact") {
        told.delete(name);
        return null;
      }
      const { kind, changed } = verified;
      const what = `an earlier execution had changed ${changed} in revision ${revision}`;
      const message =
        kind === "restored"
          ? `${what}; it was put right from the folder`
          : `${what}, and the folder no longer holds what it was: it cannot be put right`;
      told.set(name, problem(name, message));
      log.warn(message, { batch: name, revision, code: "revision-changed", hint });
      return kind === "restored" ? null : message;
    } catch (error) {
      const message = `revision ${revision} cannot be checked: ${messageOf(error)}`;
      log.error(message, { batch: name });
      return message;
    }
  }

  return { check, problems: () => [...told.values()] };
}

function problem(batch: BatchName, message: string): Problem {
  return { batch, file: null, line: null, column: null, path: null, code: "revision-changed", message, hint };
}
