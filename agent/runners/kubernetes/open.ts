// From options to a runner on a cluster. Imported only with `--runner kubernetes`.
import type { Clock } from "../../async/clock.ts";
import { ConfigError, messageOf, UsageError } from "../../errors.ts";
import { readPlainBytes } from "../../platform/files.ts";
import { createClient } from "./client.ts";
import { findAccess } from "./kubeconfig.ts";
import type { KubernetesConfig } from "./options.ts";
import { createKubernetesRunner, type KubernetesDeps, type KubernetesRunner } from "./runner.ts";
import { noTemplate, parseTemplate } from "./template.ts";

export interface OpenDeps extends Pick<
  KubernetesDeps,
  "log" | "baseEnv" | "logLimitBytes" | "onRecord" | "fence" | "random" | "ensure"
> {
  clock: Clock;
  env: Readonly<Record<string, string | undefined>>;
  userAgent: string;
}

const maxTemplateBytes = 1024 * 1024;
/** Who pods run as where the agent is root. */
const substitute = { uid: 1000, gid: 1000 };

/** Throws ConfigError. `dataDir`: absolute, and the same in every pod. */
export function openKubernetes(config: KubernetesConfig, dataDir: string, deps: OpenDeps): KubernetesRunner {
  const { clock, log, env } = deps;
  if (config.claim === null)
    throw new UsageError(
      "--runner kubernetes needs --kubernetes-claim",
      "name the PersistentVolumeClaim that is mounted at --data, in the agent and in every pod",
    );
  const access = findAccess(config.kubeconfig, env);
  const namespace = config.namespace ?? access.namespace ?? "default";
  const { template, ignored } =
    config.template === null
      ? { template: noTemplate, ignored: [] }
      : parseTemplate(readTemplate(config.template), dataDir);
  if (ignored.length > 0)
    log.warn("parts of --kubernetes-template are not used: they are the agent's own", { ignored });
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const isRoot = uid === 0;
  return createKubernetesRunner({
    ...{ clock, log, namespace, random: deps.random },
    client: createClient(access, { clock, userAgent: deps.userAgent }),
    baseEnv: deps.baseEnv,
    logLimitBytes: deps.logLimitBytes,
    onRecord: deps.onRecord,
    fence: deps.fence,
    ensure: deps.ensure,
    keepMs: config.keepMs,
    owner: isRoot ? substitute : null,
    defaults: {
      ...{ dataDir, template, instance: config.instance, claim: config.claim, pendingMs: config.pendingMs },
      image: config.image ?? "",
      owner: isRoot ? substitute : { uid, gid },
    },
  });
}

function readTemplate(path: string): string {
  try {
    return readPlainBytes(path, maxTemplateBytes).toString("utf8");
  } catch (error) {
    throw new ConfigError(`--kubernetes-template ${path} cannot be read: ${messageOf(error)}`);
  }
}
