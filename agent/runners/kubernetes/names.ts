// Names and labels of pods. A pod is named after the slot of its execution, so that a start that is asked for twice is
// made once. Pure.
import { createHash } from "node:crypto";
import type { Execution } from "../../model/execution.ts";

const maxName = 63;
const digits = 10;
const managedBy = "app.kubernetes.io/managed-by";
export const instanceLabel = "batch-agent/instance";
export const executionLabel = "batch-agent/execution";

type Named = Pick<Execution, "id" | "run" | "batch" | "attempt"> & {
  trigger: Pick<Execution["trigger"], "kind" | "dueAt">;
};

/** Returns the name of an execution's pod: its batch, cut, and ten digits of what makes its start the only one. */
export function podName(execution: Named): string {
  const { id, run, batch, attempt, trigger } = execution;
  const slot = [batch, trigger.kind, trigger.dueAt, attempt];
  switch (trigger.kind) {
    case "cron":
      break;
    case "after":
    case "onFailure":
    case "retry":
      slot.push(run);
      break;
    case "manual":
    case "rerun":
      slot.push(id);
      break;
    default:
      return trigger.kind satisfies never;
  }
  return cut(batch, JSON.stringify(slot));
}

/** Returns the labels of an execution's pod; each is at most 63 characters, as a longer one is refused. */
export function podLabels(execution: Pick<Execution, "id" | "batch">, instance: string): Record<string, string> {
  return {
    [managedBy]: "batch-agent",
    [instanceLabel]: labelOf(instance),
    "batch-agent/batch": execution.batch,
    [executionLabel]: execution.id,
  };
}

/** Returns the whole names, and what a pod's own name is made of. */
export function podAnnotations(execution: Named & Pick<Execution, "group">, instance: string): Record<string, string> {
  return {
    [instanceLabel]: instance,
    "batch-agent/batch": execution.batch,
    "batch-agent/group": execution.group ?? "",
    [executionLabel]: execution.id,
    "batch-agent/run": execution.run,
    "batch-agent/trigger": execution.trigger.kind,
    "batch-agent/due-at": execution.trigger.dueAt,
    "batch-agent/attempt": String(execution.attempt),
  };
}

/** Selects all pods of an instance. */
export function selectorOf(instance: string): string {
  return `${managedBy}=batch-agent,${instanceLabel}=${labelOf(instance)}`;
}

/**
 * Returns the execution that a pod was made for; null where its name is not the one that its annotations make, as of a
 * copy that somebody has made of one.
 */
export function executionOf(pod: { name: string; annotations: Readonly<Record<string, string>> }): string | null {
  const { annotations: told } = pod;
  const read = (name: string) => told[`batch-agent/${name}`] ?? "";
  const kind = kinds.find((one) => one === read("trigger"));
  if (kind === undefined) return null;
  const named = {
    id: read("execution") as Execution["id"],
    run: read("run") as Execution["run"],
    batch: read("batch") as Execution["batch"],
    attempt: Number(read("attempt")),
    trigger: { kind, dueAt: read("due-at") },
  };
  return podName(named) === pod.name ? named.id : null;
}

const kinds = ["cron", "after", "onFailure", "retry", "manual", "rerun"] as const;

/** Returns a label's value for any text: as it is where it may be one, else its beginning and ten digits of it. */
export function labelOf(text: string): string {
  if (text.length <= maxName && /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(text)) return text;
  return cut(text.replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, ""), text);
}

function cut(name: string, of: string): string {
  const hash = createHash("sha256").update(of).digest("hex").slice(0, digits);
  const start = name.slice(0, maxName - digits - 1).replace(/[^A-Za-z0-9]+$/, "");
  return start === "" ? hash : `${start}-${hash}`;
}
