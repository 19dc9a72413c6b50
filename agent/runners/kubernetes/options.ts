// Options of `run` that are about Kubernetes. Pure.
import { UsageError } from "../../errors.ts";

export interface KubernetesConfig {
  kubeconfig: string | null;
  /** The PersistentVolumeClaim that is the data folder. */
  claim: string | null;
  /** null: the agent's own. */
  namespace: string | null;
  image: string | null;
  /** Path of the administrator's template; null: none. */
  template: string | null;
  /** Globs of images that batches may name; without any, only `image`. */
  images: readonly string[];
  secrets: readonly string[];
  configMaps: readonly string[];
  pendingMs: number;
  keepMs: number;
  instance: string;
  /** Name of the Lease of agents that stand in for each other; null: one agent. */
  lease: string | null;
  /** Where the other agent reaches this one; null: its host's address and port. */
  advertiseUrl: string | null;
}

/** As config.ts describes options. */
export const kubernetesOptions = [
  option("runner", "local|kubernetes", "where scripts run", "local"),
  option("kubeconfig", "file", "the cluster; else KUBECONFIG, else the pod's own account", ""),
  option("kubernetes-claim", "name", "the PersistentVolumeClaim that is the data folder", ""),
  option("kubernetes-namespace", "name", "namespace of the pods; the agent's own without it", ""),
  option("kubernetes-image", "image", "image of batches that name none", ""),
  option("kubernetes-template", "file", "a Pod manifest whose parts go into every pod", ""),
  repeatable("kubernetes-images", "globs", "images that batches may name; only --kubernetes-image without it"),
  repeatable("kubernetes-secrets", "globs", "Secrets that batches may name in envFrom; none without it"),
  repeatable("kubernetes-config-maps", "globs", "ConfigMaps that batches may name in envFrom; none without it"),
  option("kubernetes-pending", "duration", "how long a pod may wait before its execution has failed", "10m"),
  option("kubernetes-keep", "duration", "how long ended pods stay", "1h"),
  option("kubernetes-instance", "name", "label of this agent's pods; the claim's name without it", ""),
  option("lease", "name", "Lease of several agents of which one leads; one agent without it", ""),
  option("advertise-url", "url", "where the other agents reach this one; its own address without it", ""),
] as const;

export const defaultMaxParallel = 64;

/** Reads options as config.ts does: by name, with their defaults; throws UsageError for what cannot be meant. */
export interface OptionReader {
  optional: (name: string) => string | null;
  duration: (name: string, minMs: number) => number;
  word: (name: string, words: readonly string[]) => string;
  url: (name: string, protocols: readonly string[]) => string | null;
}

/** Returns null for the local runner. Throws UsageError. */
export function readKubernetesConfig(read: OptionReader): KubernetesConfig | null {
  if (read.word("runner", ["local", "kubernetes"]) === "local") {
    if (read.optional("lease") !== null) throw new UsageError("--lease needs --runner kubernetes");
    return null;
  }
  const claim = read.optional("kubernetes-claim");
  return {
    kubeconfig: read.optional("kubeconfig"),
    claim,
    namespace: read.optional("kubernetes-namespace"),
    ...readAllowed(read),
    template: read.optional("kubernetes-template"),
    pendingMs: read.duration("kubernetes-pending", 1_000),
    keepMs: read.duration("kubernetes-keep", 0),
    instance: read.optional("kubernetes-instance") ?? claim ?? "",
    lease: read.optional("lease"),
    advertiseUrl: read.url("advertise-url", ["http:", "https:"]),
  };
}

/** Returns what batches may name. */
export function readAllowed(
  read: Pick<OptionReader, "optional">,
): Pick<KubernetesConfig, "image" | "images" | "secrets" | "configMaps"> {
  const list = (name: string) =>
    (read.optional(name) ?? "").split(",").flatMap((one) => (one.trim() === "" ? [] : [one.trim()]));
  return {
    image: read.optional("kubernetes-image"),
    images: list("kubernetes-images"),
    secrets: list("kubernetes-secrets"),
    configMaps: list("kubernetes-config-maps"),
  };
}

/** Returns the lists as definitions are held against them. */
export function allowListOf({ image, images, secrets, configMaps }: ReturnType<typeof readAllowed>) {
  return { images: [...(image === null ? [] : [image]), ...images], secrets, configMaps, defaultImage: image };
}

function option(name: string, value: string, description: string, fallback: string) {
  return { name, value, description, fallback };
}

function repeatable(name: string, value: string, description: string) {
  return { ...option(name, value, description, ""), repeatable: true };
}
