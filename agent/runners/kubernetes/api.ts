// The part of the Kubernetes API that is used: what a pod is made of here, and what is kept of one that was read.
import type { EpochMs } from "../../model/ids.ts";

/** A manifest, or a part of one: what an administrator's template may hold is not ours to know. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface PodManifest {
  apiVersion: "v1";
  kind: "Pod";
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
  spec: JsonObject;
}

/** What is kept of a pod: some hundred bytes, so that ten thousand of them fit. */
export interface Pod {
  name: string;
  uid: string;
  resourceVersion: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  createdAt: EpochMs;
  /** When it is to be gone, by the server's clock; null while nobody has deleted it. */
  deletedAt: EpochMs | null;
  /** Time that its containers have to end once it is deleted. */
  deletionGraceMs: number;
  node: string | null;
  phase: string;
  /** Reason and message of the pod itself: `Evicted`, `DeadlineExceeded`. */
  reason: string | null;
  message: string | null;
  /** Why it is not bound to a node; null where it is. */
  unscheduled: string | null;
  /** Reason of the condition DisruptionTarget. */
  disruption: string | null;
  /** True while its node does not say that it is ready. */
  isUnready: boolean;
  waiting: Words | null;
  terminated: (Words & { exitCode: number; finishedAt: EpochMs | null }) | null;
  /** The limit of its container, as written. */
  memoryLimit: string | null;
}

interface Words {
  reason: string | null;
  message: string | null;
}

/** Status object that the API server answers a refusal with. */
export interface StatusBody {
  code: number | null;
  reason: string | null;
  message: string;
  /** Seconds after which to try again. */
  retryAfter: number | null;
}

export const containerName = "batch";
/** Texts of the cluster that are kept. */
const maxWords = 1_000;

/** Returns what is kept of a pod as the API server wrote it; null for what is none. */
export function readPod(value: unknown): Pod | null {
  const pod = object(value);
  const metadata = object(pod?.["metadata"]);
  const name = text(metadata?.["name"]);
  if (pod === null || metadata === null || name === null) return null;
  const spec = object(pod["spec"]) ?? {};
  const status = object(pod["status"]) ?? {};
  const containers = list(spec["containers"]).map(object);
  const states = list(status["containerStatuses"]).map(object);
  const container = containers.find((one) => one?.["name"] === containerName) ?? null;
  const state = object(states.find((one) => one?.["name"] === containerName)?.["state"]);
  const conditions = list(status["conditions"]).map(object);
  const condition = (type: string) => conditions.find((one) => one?.["type"] === type) ?? null;
  const scheduled = condition("PodScheduled");
  const ready = condition("Ready");
  const disruption = condition("DisruptionTarget");
  const terminated = object(state?.["terminated"]);
  const waiting = object(state?.["waiting"]) ?? initWaiting(status);
  return {
    name,
    uid: text(metadata["uid"]) ?? "",
    resourceVersion: text(metadata["resourceVersion"]) ?? "",
    labels: strings(metadata["labels"]),
    annotations: strings(metadata["annotations"]),
    createdAt: time(metadata["creationTimestamp"]) ?? 0,
    deletedAt: time(metadata["deletionTimestamp"]),
    deletionGraceMs: Number(metadata["deletionGracePeriodSeconds"] ?? 0) * 1_000,
    node: text(spec["nodeName"]),
    phase: text(status["phase"]) ?? "Pending",
    reason: text(status["reason"]),
    message: words(status["message"]),
    unscheduled: scheduled?.["status"] === "False" ? (words(scheduled["message"]) ?? text(scheduled["reason"])) : null,
    disruption: disruption?.["status"] === "True" ? text(disruption["reason"]) : null,
    isUnready: ready?.["status"] === "False",
    waiting: waiting === null ? null : { reason: text(waiting["reason"]), message: words(waiting["message"]) },
    terminated:
      terminated === null
        ? null
        : {
            exitCode: Number(terminated["exitCode"] ?? 0),
            reason: text(terminated["reason"]),
            message: words(terminated["message"]),
            finishedAt: time(terminated["finishedAt"]),
          },
    memoryLimit: text(object(object(container?.["resources"])?.["limits"])?.["memory"]),
  };
}

export function isTerminal({ phase }: Pod): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/** An init container of the administrator's that waits, or has failed, holds up all. */
function initWaiting(status: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | null {
  for (const one of list(status["initContainerStatuses"]).map(object)) {
    const state = object(one?.["state"]);
    const waiting = object(state?.["waiting"]);
    if (waiting !== null && waiting["reason"] !== "PodInitializing") return waiting;
  }
  return null;
}

/** Returns what a refusal says, whatever its body is. */
export function readStatus(status: number, body: unknown): StatusBody {
  const fields = object(body) ?? {};
  const retry = object(fields["details"])?.["retryAfterSeconds"];
  return {
    code: typeof fields["code"] === "number" ? fields["code"] : status,
    reason: text(fields["reason"]),
    message: words(fields["message"]) ?? `the API server answered ${status}`,
    retryAfter: typeof retry === "number" ? retry : null,
  };
}

export function object(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function words(value: unknown): string | null {
  return text(value)?.trim().slice(0, maxWords) ?? null;
}

function time(value: unknown): EpochMs | null {
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

function strings(value: unknown): Record<string, string> {
  const entries = Object.entries(object(value) ?? {});
  return Object.fromEntries(entries.flatMap(([name, one]) => (typeof one === "string" ? [[name, one]] : [])));
}
