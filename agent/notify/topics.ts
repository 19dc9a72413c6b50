// Gathers what can have problems, and who hears of each: batches and groups by `notify`, the agent by its own options.
import type { InForce } from "../definitions/in-force.ts";
import { isWithinGroup } from "../definitions/inherit.ts";
import { groupProblemName } from "../definitions/group.ts";
import type { BatchStatus, Notify } from "../model/batch.ts";
import type { Problem } from "../model/problem.ts";
import { allOf, areOfAnEdit, receiversOf, type Receivers, type Topic } from "./problem-news.ts";

const settleMs = 2_000;
/** A receiver that is away for a moment is no trouble. */
const undeliveredMs = 10_000;

export interface Undelivered {
  /** `mail`, or the origin of a webhook. */
  place: string;
  problem: Problem;
}

export interface TopicDeps {
  inForce: Pick<InForce, "batches" | "groups">;
  /** Who hears of the agent's own problems. */
  to: Receivers;
  /** The agent's own problems: of the data folder, of git, of its means. */
  own: () => readonly Problem[];
  undelivered: () => readonly Undelivered[];
}

export function topicsOf({ inForce, to, own, undelivered }: TopicDeps): Topic[] {
  const batches = inForce.batches().filter(({ state }) => state !== "removed");
  const notifyOf = ({ batch, group = "" }: BatchStatus) =>
    batch === null ? inherited(inForce.groups.inheritance(group).defaults.notify) : batch.notify;
  return [
    ...batches.flatMap((status) => {
      const problems = areOfAnEdit(status.problems);
      const receivers = problems.length === 0 ? null : receiversOf(notifyOf(status));
      if (receivers === null) return [];
      const { name } = status;
      return [{ key: `batch:${name}`, name, problems, to: receivers, isPassing: false, settleMs }];
    }),
    ...groupTopics(inForce, batches, notifyOf, to),
    ...own().map((problem) => agentTopic(problem, problem.file ?? "", to, settleMs)),
    ...undelivered().map(({ place, problem }) => agentTopic(problem, place, without(to, place), undeliveredMs)),
  ];
}

/** A broken group's file is told once to everybody below it; that of the top to who hears of the agent, too. */
function groupTopics(
  inForce: TopicDeps["inForce"],
  batches: readonly BatchStatus[],
  notifyOf: (status: BatchStatus) => Pick<Notify, "on" | "mail" | "webhook"> | null,
  to: Receivers,
): Topic[] {
  const byGroup = new Map<string, Problem[]>();
  for (const problem of areOfAnEdit(inForce.groups.problems()))
    byGroup.set(problem.batch, [...(byGroup.get(problem.batch) ?? []), problem]);
  return [...byGroup].map(([name, problems]) => {
    const isTop = name === groupProblemName("");
    const group = isTop ? "" : name.slice(0, name.lastIndexOf("/"));
    const below = batches.filter((status) => isTop || isWithinGroup(status.group ?? "", group));
    const receivers = below.flatMap((status) => receiversOf(notifyOf(status)) ?? []);
    const all = allOf(isTop ? [to, ...receivers] : receivers);
    return { key: `group:${name}`, name, problems, to: all, isPassing: false, settleMs };
  });
}

function agentTopic(problem: Problem, place: string, to: Receivers, ms: number): Topic {
  const key = `agent:${problem.code}:${place}`;
  return { key, name: "agent", problems: [problem], to, isPassing: true, settleMs: ms };
}

/** What cannot be mailed goes to the webhooks, and the other way round. */
function without({ mail, webhook }: Receivers, place: string): Receivers {
  if (place === "mail") return { mail: [], webhook };
  return { mail, webhook: webhook.filter((url) => new URL(url).origin !== place) };
}

function inherited(notify: Partial<Notify> | undefined): Pick<Notify, "on" | "mail" | "webhook"> | null {
  if (notify === undefined) return null;
  const { on = ["failure", "recovery", "late", "missed", "problem"], mail = [], webhook = [] } = notify;
  return { on, mail, webhook };
}
