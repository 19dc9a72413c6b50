// Opens what scripts run on: this machine, or a cluster. Nothing of a cluster is loaded where scripts run here.
import type { Clock } from "../async/clock.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { EnsureFolder } from "../platform/folders.ts";
import { baseEnvironment } from "./environment.ts";
import type { KubernetesConfig } from "./kubernetes/options.ts";
import type { KubernetesRunner } from "./kubernetes/runner.ts";
import { createRunner, hasBash } from "./local/runner.ts";
import type { Runner } from "./port.ts";

export interface OpenRunnerDeps {
  clock: Clock;
  log: Logger;
  env: Readonly<Record<string, string | undefined>>;
  version: string;
  ensure: EnsureFolder;
  recorder: Pick<Recorder, "runKeyOf">;
  reader: Pick<HistoryReader, "isOpen">;
  /** Called right before each request for a pod where several agents take turns: throws once another one leads. */
  fence: (() => void) | undefined;
}

export interface OpenRunner {
  runner: Runner;
  /** The same where scripts run in pods; null where they run on this machine. */
  cluster: KubernetesRunner | null;
  /** Returns whether scripts find bash, as far as this machine can tell. */
  hasBash: () => boolean;
}

/** Throws ConfigError. */
export async function openRunner(
  dataDir: string,
  { kubernetes, logLimitBytes }: { kubernetes: KubernetesConfig | null; logLimitBytes: number },
  { clock, log, env, version, ensure, recorder, reader, fence }: OpenRunnerDeps,
): Promise<OpenRunner> {
  const baseEnv = baseEnvironment(env);
  if (kubernetes === null) {
    const runner = createRunner(dataDir, { clock, log, baseEnv, logLimitBytes, ensure });
    return { runner, cluster: null, hasBash: () => hasBash(baseEnv) };
  }
  const { openKubernetes } = await import("./kubernetes/open.ts");
  const cluster = openKubernetes(kubernetes, dataDir, {
    ...{ clock, log, env, ensure, baseEnv, logLimitBytes, random: Math.random },
    userAgent: `batch-agent/${version}`,
    onRecord: (id) => (reader.isOpen(id) ? "open" : recorder.runKeyOf(id) === undefined ? "unknown" : "ended"),
    fence: fence ?? (() => undefined),
  });
  return { runner: cluster, cluster, hasBash: () => true };
}
