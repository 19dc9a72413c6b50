// The administrator's template: a Pod manifest whose parts go into every pod. Read once at start; what it may not set
// is passed over and said, what could not work is refused.
import { parse } from "yaml";
import { ConfigError, messageOf } from "../../errors.ts";
import { list, object, type Json, type JsonObject } from "./api.ts";

export interface Template {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Of the spec everything but `containers` and `restartPolicy`. */
  spec: JsonObject;
  /** Of the first container what `containerKeys` names. */
  container: JsonObject;
}

export const noTemplate: Template = { labels: {}, annotations: {}, spec: {}, container: {} };

const containerKeys: readonly string[] = ["imagePullPolicy", "volumeMounts", "envFrom", "resources", "securityContext"];
const ours = /^(app\.kubernetes\.io\/managed-by|batch-agent\/.*)$/;

/**
 * Returns a template, and words on everything in it that is passed over. Throws ConfigError for what is no Pod, and
 * for a second container. `dataDir`: mounts at it or below are ours.
 */
export function parseTemplate(text: string, dataDir: string): { template: Template; ignored: string[] } {
  const pod = readManifest(text);
  const ignored: string[] = [];
  const metadata = object(pod["metadata"]) ?? {};
  const spec = object(pod["spec"]) ?? {};
  for (const key of Object.keys(metadata))
    if (key !== "labels" && key !== "annotations") ignored.push(`metadata.${key}`);
  if ("restartPolicy" in spec) ignored.push("spec.restartPolicy");
  const containers = list(spec["containers"]);
  if (containers.length > 1)
    throw new ConfigError(
      "--kubernetes-template: it has more than one container",
      "a second one would go on after the script has ended; an init container may do",
    );
  const container = object(containers[0]) ?? {};
  for (const key of Object.keys(container)) if (!containerKeys.includes(key)) ignored.push(`spec.containers[0].${key}`);
  const mounts = list(container["volumeMounts"]).filter((mount) => {
    const path = object(mount)?.["mountPath"];
    const isOurs = typeof path === "string" && (path === dataDir || path.startsWith(`${dataDir}/`));
    if (isOurs) ignored.push(`the mount at ${path}`);
    return !isOurs;
  });
  const kept = Object.fromEntries(Object.entries(container).filter(([key]) => containerKeys.includes(key)));
  const { containers: _containers, restartPolicy: _restartPolicy, ...rest } = spec;
  return {
    template: {
      labels: ownOnly(metadata["labels"], "labels", ignored),
      annotations: ownOnly(metadata["annotations"], "annotations", ignored),
      spec: rest as JsonObject,
      container: { ...kept, ...(mounts.length === 0 ? {} : { volumeMounts: mounts as Json }) },
    },
    ignored,
  };
}

function readManifest(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new ConfigError(`--kubernetes-template: it cannot be read: ${messageOf(error)}`);
  }
  const pod = object(value);
  if (pod === null || pod["kind"] !== "Pod" || pod["apiVersion"] !== "v1")
    throw new ConfigError("--kubernetes-template: it is no Pod", "it begins with apiVersion: v1 and kind: Pod");
  return pod;
}

function ownOnly(value: unknown, what: string, ignored: string[]): Record<string, string> {
  const entries = Object.entries(object(value) ?? {});
  for (const [name] of entries) if (ours.test(name)) ignored.push(`metadata.${what}.${name}`);
  return Object.fromEntries(entries.filter(([name]) => !ours.test(name)).map(([name, one]) => [name, String(one)]));
}
