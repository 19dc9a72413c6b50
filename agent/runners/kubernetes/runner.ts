// Runs each execution as a pod of its own, on the data volume that the agent and all pods share.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../async/clock.ts";
import { periodic } from "../../async/periodic.ts";
import { createTurns } from "../../async/turns.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import type { Execution } from "../../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId } from "../../model/ids.ts";
import type { EnsureFolder } from "../../platform/folders.ts";
import { batchEnvironment } from "../environment.ts";
import { readEnvFiles } from "../env-files.ts";
import type { Runner, Running, StartOrder } from "../port.ts";
import { isTerminal, type Pod, type PodManifest } from "./api.ts";
import type { Client } from "./client.ts";
import { outsideReason } from "./ending.ts";
import { environmentFile } from "./environment.ts";
import { giveTree, prepareFolder, prepareState, readClaim, readManifest, type Owner } from "./folder.ts";
import { executionLabel, executionOf, selectorOf } from "./names.ts";
import { requestDeletion } from "./pod-deletion.ts";
import { PodRunning, type PodDeps } from "./pod-running.ts";
import { podManifest, type PodDefaults } from "./pod.ts";
import { Pods } from "./pods.ts";
import { QuotaLine } from "./quota-line.ts";
import { planSweep, type OnRecord } from "./sweep.ts";

export interface KubernetesDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  baseEnv: Readonly<Record<string, string>>;
  namespace: string;
  defaults: PodDefaults;
  /** null where pods run as the agent's own user. */
  owner: Owner | null;
  logLimitBytes: number;
  keepMs: number;
  onRecord: (execution: string) => OnRecord;
  /** Called right before each request for a pod: does not return where this agent leads no more. */
  fence: () => void;
  random: () => number;
  /** Puts folders right that something else has taken the place of. */
  ensure: EnsureFolder;
}

interface RunnerHealth {
  namespace: string;
  server: string;
  watching: boolean;
  /** What keeps pods from being made or followed, in the server's words. */
  problem: string | null;
}

export interface KubernetesRunner extends Runner {
  health: () => RunnerHealth;
  counts: () => { pods: number; seconds: number; requests: ReadonlyMap<string, number> };
}

const sweepMs = 5_000;
/** Deletions that one sweep asks for. */
const maxDeletions = 200;

export function createKubernetesRunner(deps: KubernetesDeps): KubernetesRunner {
  const { clock, log, client, namespace, defaults, owner } = deps;
  const { dataDir } = defaults;
  const active = new Map<string, PodRunning>();
  const quota = new QuotaLine(clock);
  const turns = createTurns(Infinity);
  let refusal: string | null = null;
  let seconds = 0;
  let endedAt = new Map<string, EpochMs>();
  const reportedUnknown = new Set<string>();
  let isClosed = false;
  const sweeps = periodic(
    clock,
    () => sweepMs,
    sweep,
    (error) => log.error("cannot look over the pods", { error: messageOf(error) }),
  );
  const pods = new Pods({
    ...{ client, clock, log, namespace, random: deps.random },
    selector: selectorOf(defaults.instance),
    onChange(name) {
      active.get(name)?.wake();
      const pod = pods.get(name);
      if (pod === undefined || isTerminal(pod)) quota.freed();
    },
    onListed: () => active.forEach((one) => one.wake()),
  });
  const podDeps: PodDeps = {
    ...{ client, clock, namespace, quota, pods, random: deps.random, fence: deps.fence },
    logLimitBytes: deps.logLimitBytes,
    pendingMs: defaults.pendingMs,
    onRefused: (words) => (refusal = words),
    onSeconds: (count) => (seconds += count),
    blockedBy: (execution) => blockedBy(execution, pods),
  };
  pods.start();
  sweeps.start();

  const executionPath = (of: { batch: BatchName; id: ExecutionId }) => `batches/${of.batch}/executions/${of.id}`;

  function follow(execution: Execution, how: ConstructorParameters<typeof PodRunning>[2]): PodRunning {
    const running = new PodRunning(execution, join(dataDir, executionPath(execution)), how, podDeps);
    active.set(running.name, running);
    void running.ended.then(() => active.delete(running.name));
    return running;
  }

  async function start(order: StartOrder): Promise<Running> {
    const deadlineMs = order.settings.startDeadlineMs ?? 0;
    await turns.acquire(); // thousands may be due at once
    if (isClosed) return new Promise(() => undefined); // the next agent starts it
    try {
      if (order.fault !== null) throw new Error(order.fault);
      const manifest = prepare(order);
      return follow(order.execution, { manifest, deadlineMs, fault: null });
    } catch (error) {
      return follow(order.execution, { manifest: null, deadlineMs, fault: messageOf(error) });
    }
  }

  /** Throws with the reason where a start is bound to fail. */
  function prepare(order: StartOrder): PodManifest {
    const { execution, settings } = order;
    const state = `batches/${execution.batch}/state`;
    const revision = `revisions/${order.revision}`;
    const own = executionPath(execution);
    const previous = order.previous.filter((one) => one.ran && existsSync(join(dataDir, executionPath(one))));
    const log = (of: StartOrder["previous"][number], stream: "stdout" | "stderr") =>
      of.ran ? join(dataDir, executionPath(of), `${stream}.log`) : "/dev/null";
    const scriptPaths = { stateDir: join(dataDir, state), progress: join(dataDir, own, "progress"), log };
    const environment = environmentFile(deps.baseEnv, {
      ...readEnvFiles(settings.envFiles),
      ...batchEnvironment(order, scriptPaths),
    });
    const paths = {
      ...{ revision, state, execution: own },
      previous: [...new Set(previous.map(executionPath))],
      inputs: settings.input === "previous" ? previous.map((of) => log(of, "stdout")) : [],
    };
    const manifest = podManifest(order, paths, defaults);
    // A subPath that is not there would be made by root.
    prepareState(join(dataDir, state), owner, deps.ensure);
    giveTree(join(dataDir, revision), owner);
    prepareFolder(join(dataDir, own), { environment, manifest: JSON.stringify(manifest) }, owner);
    return manifest;
  }

  function adopt(executions: readonly Execution[]): Promise<Map<ExecutionId, Running>> {
    const adopted = new Map<ExecutionId, Running>();
    for (const execution of executions) {
      const folder = join(dataDir, executionPath(execution));
      const claimed = execution.status === "running" || readClaim(folder, clock.now()) !== null;
      const manifest = claimed ? null : readManifest(folder);
      if (!claimed && manifest === null) continue; // the agent died before it asked for anything
      // Asked for again where it may never have been: its name, and then its claim, keep it from starting twice.
      adopted.set(execution.id, follow(execution, { manifest, deadlineMs: 0, fault: null }));
    }
    return Promise.resolve(adopted);
  }

  async function sweep(): Promise<void> {
    if (!pods.isListed) return;
    const activeIds = new Set<string>([...active.values()].map(({ id }) => id));
    const onRecord = (id: string) => (activeIds.has(id) ? "open" : deps.onRecord(id));
    const plan = planSweep(pods.all(), onRecord, endedAt, { keepMs: deps.keepMs, now: clock.now() });
    endedAt = plan.seen;
    for (const pod of plan.unknown) reportUnknown(pod);
    for (const pod of plan.strays)
      log.warn("a pod goes on after its execution has ended; it is deleted", { pod: pod.name, node: pod.node });
    for (const pod of [...plan.strays, ...plan.ended].slice(0, maxDeletions)) {
      const answer = await requestDeletion(client, namespace, pod);
      if (answer.kind === "refused" && answer.status === 404) pods.drop(pod.name, pod.uid);
    }
  }

  function reportUnknown({ name, uid, node }: Pod): void {
    if (reportedUnknown.has(uid) || reportedUnknown.size >= maxDeletions) return;
    reportedUnknown.add(uid);
    log.warn("a pod of this instance is of no execution on record; it is left alone", { pod: name, node });
  }

  return {
    isRemote: true,
    boot: null,
    start,
    adopt,
    close() {
      if (isClosed) return Promise.resolve();
      isClosed = true;
      void sweeps.stop();
      for (const one of active.values()) one.close();
      pods.close();
      client.close();
      return Promise.resolve();
    },
    health: () => ({ namespace, server: client.server, watching: pods.isWatching, problem: pods.problem ?? refusal }),
    counts: () => ({ pods: pods.size, seconds, requests: client.counts() }),
  };
}

/** A retry of one that may still be running on a node that is silent waits until its pod is gone. */
function blockedBy({ trigger }: Execution, pods: Pods): string | null {
  if (trigger.kind !== "retry" || trigger.by === null) return null;
  for (const pod of pods.all()) {
    if (pod.labels[executionLabel] !== trigger.by || isTerminal(pod) || executionOf(pod) === null) continue;
    if (pod.deletedAt === null) continue; // it is about to end: its wrapper has written its last word
    return (
      `the pod of its last attempt${outsideReason(pod) === null ? "" : ", which may still be running"} on ` +
      (pod.node ?? "a node")
    );
  }
  return null;
}
