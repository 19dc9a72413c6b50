// An order → the manifest of its pod: the data volume mounted at the agent's own paths, each pod only its own parts,
// the administrator's template over our defaults, and the batch's settings. Pure.
import type { StartOrder } from "../port.ts";
import { containerName, list, object, type Json, type JsonObject, type PodManifest } from "./api.ts";
import { podAnnotations, podLabels, podName } from "./names.ts";
import type { Template } from "./template.ts";
import { fromPrefix, nodeVariable, podVariable, wrapper } from "./wrapper.ts";

/** Describes what is the same for every pod of an agent. */
export interface PodDefaults {
  instance: string;
  /** The PersistentVolumeClaim that is the data folder. */
  claim: string;
  /** Absolute path of the data folder, in agent and pods. */
  dataDir: string;
  image: string;
  /** Pods run as this user. */
  owner: { uid: number; gid: number };
  template: Template;
  pendingMs: number;
}

/** Paths below the data folder, relative to it. */
export interface PodPaths {
  revision: string;
  state: string;
  execution: string;
  /** Folders of previous executions that are there. */
  previous: readonly string[];
  /** Logs that are its input, absolute. */
  inputs: readonly string[];
}

/** Seconds from SIGTERM to SIGKILL where nobody says otherwise. */
export const graceSeconds = 10;
/** Beyond its timeout and the time it may wait: the agent ends it long before. */
const backstopSeconds = 600;
const dataVolume = "batch-agent-data";
const tmpVolume = "batch-agent-tmp";

export function podManifest(order: StartOrder, paths: PodPaths, defaults: PodDefaults): PodManifest {
  const { execution, settings } = order;
  const { template, instance } = defaults;
  const asked = settings.kubernetes ?? {};
  const { spec: given } = template;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: podName(execution),
      labels: {
        ...template.labels,
        ...podLabels(execution, instance),
        ...(asked.queue === undefined ? {} : { "kueue.x-k8s.io/queue-name": asked.queue }),
      },
      annotations: {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
        ...template.annotations,
        ...podAnnotations(execution, instance),
      },
    },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: graceSeconds,
      ...deadline(execution.timeoutMs ?? null, defaults.pendingMs),
      ...(asked.priorityClass === undefined ? {} : { priorityClassName: asked.priorityClass }),
      ...without(given, ["volumes", "tolerations", "nodeSelector", "securityContext"]),
      restartPolicy: "Never",
      securityContext: { ...podSecurity(defaults.owner), ...(object(given["securityContext"]) as JsonObject | null) },
      ...filled("nodeSelector", { ...asked.nodeSelector, ...(object(given["nodeSelector"]) as JsonObject | null) }),
      ...listed("tolerations", [...((asked.tolerations ?? []) as readonly Json[]), ...jsonList(given["tolerations"])]),
      volumes: [
        { name: dataVolume, persistentVolumeClaim: { claimName: defaults.claim } },
        { name: tmpVolume, emptyDir: {} },
        ...jsonList(given["volumes"]),
      ],
      containers: [container(order, paths, defaults)],
    },
  };
}

function container(order: StartOrder, paths: PodPaths, defaults: PodDefaults): JsonObject {
  const { settings } = order;
  const { template, dataDir } = defaults;
  const asked = settings.kubernetes ?? {};
  const { container: given } = template;
  const mount = (path: string, readOnly: boolean): JsonObject => ({
    name: dataVolume,
    mountPath: `${dataDir}/${path}`,
    subPath: path,
    ...(readOnly ? { readOnly } : {}),
  });
  const mounted = jsonList(given["volumeMounts"]);
  const hasTmp = mounted.some((one) => object(one)?.["mountPath"] === "/tmp");
  const resources = mergedResources(given["resources"], asked.resources);
  return {
    ...without(given, ["volumeMounts", "envFrom", "resources", "securityContext"]),
    name: containerName,
    image: asked.image ?? defaults.image,
    command: ["bash", "--norc", "-p", "-c", wrapper, "batch-agent"],
    args: [
      `${dataDir}/${paths.execution}`,
      `${dataDir}/${paths.revision}`,
      settings.output,
      String(paths.inputs.length),
      ...paths.inputs,
      ...settings.shellOptions,
    ],
    env: [
      { name: nodeVariable, valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
      { name: podVariable, valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
    ],
    ...listed("envFrom", [...jsonList(given["envFrom"]), ...(asked.envFrom ?? []).map(envSource)]),
    ...filled("resources", resources),
    securityContext: { ...containerSecurity, ...(object(given["securityContext"]) as JsonObject | null) },
    volumeMounts: [
      mount(paths.revision, true),
      mount(paths.state, false),
      mount(paths.execution, false),
      ...paths.previous.map((path) => mount(path, true)),
      ...(hasTmp ? [] : [{ name: tmpVolume, mountPath: "/tmp" }]),
      ...mounted,
    ],
  };
}

/** Everything that Pod Security `restricted` asks for. No fsGroup: it would change the owner of the whole volume. */
function podSecurity({ uid, gid }: PodDefaults["owner"]): JsonObject {
  return { runAsNonRoot: true, runAsUser: uid, runAsGroup: gid, seccompProfile: { type: "RuntimeDefault" } };
}

const containerSecurity: JsonObject = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

function deadline(timeoutMs: number | null, pendingMs: number): JsonObject {
  if (timeoutMs === null) return {};
  return { activeDeadlineSeconds: Math.ceil((timeoutMs + pendingMs) / 1_000) + backstopSeconds };
}

function envSource(from: { secret: string } | { configMap: string }): JsonObject {
  return "secret" in from
    ? { prefix: fromPrefix, secretRef: { name: from.secret } }
    : { prefix: fromPrefix, configMapRef: { name: from.configMap } };
}

/** The batch's word over the template's, name by name. A limit below the template's request takes the request along. */
function mergedResources(
  given: Json | undefined,
  asked: { requests?: Record<string, string | number>; limits?: Record<string, string | number> } | undefined,
): JsonObject {
  const of = (key: "requests" | "limits") => {
    const merged = { ...(object(object(given)?.[key]) as Record<string, string | number> | null), ...asked?.[key] };
    return Object.entries(merged).map(([name, value]) => [name, String(value)] as const);
  };
  // Without a request the server takes the limit for it.
  const isOutdone = (name: string) => asked?.limits?.[name] !== undefined && asked.requests?.[name] === undefined;
  const requests = of("requests").filter(([name]) => !isOutdone(name));
  return {
    ...filled("requests", Object.fromEntries(requests)),
    ...filled("limits", Object.fromEntries(of("limits"))),
  };
}

function without(from: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key)));
}

function filled(key: string, value: JsonObject): JsonObject {
  return Object.keys(value).length === 0 ? {} : { [key]: value };
}

function listed(key: string, value: readonly Json[]): JsonObject {
  return value.length === 0 ? {} : { [key]: value };
}

function jsonList(value: Json | undefined): readonly Json[] {
  return list(value) as readonly Json[];
}
