// Asks for one pod to be deleted, until the API server has taken it.
import type { Pod } from "./api.ts";
import type { Client } from "./client.ts";
import type { Pods } from "./pods.ts";

export interface DeletionDeps {
  client: Client;
  namespace: string;
  pods: Pods;
}

/** Invariant: the grace only gets shorter, and each is asked for until the API server has taken it once. */
export class PodDeletion {
  readonly #name: string;
  readonly #deps: DeletionDeps;
  #graceSeconds: number | null = null;
  #isTaken = false;

  constructor(name: string, deps: DeletionDeps) {
    this.#name = name;
    this.#deps = deps;
  }

  /** True once somebody ends it. */
  get isWanted(): boolean {
    return this.#graceSeconds !== null;
  }

  /** From now on it is to be gone within this time. */
  want(graceSeconds: number): void {
    if (this.#graceSeconds !== null && graceSeconds >= this.#graceSeconds) return;
    this.#graceSeconds = graceSeconds;
    this.#isTaken = false;
  }

  /** Asks, where it is wanted and was not taken yet. `pod`: as it was last seen. */
  async send(pod: Pod | null): Promise<void> {
    if (this.#graceSeconds === null || this.#isTaken) return;
    const seconds = this.#graceSeconds;
    const isTaken = await this.ask(pod, seconds);
    this.#isTaken = isTaken && seconds === this.#graceSeconds;
  }

  /** Asks once; `pod`: as it was last seen. Returns whether the API server has taken it, or knows no such pod. */
  async ask(pod: Pod | null, gracePeriodSeconds: number): Promise<boolean> {
    const { client, namespace, pods } = this.#deps;
    const answer = await requestDeletion(client, namespace, { name: this.#name, uid: pod?.uid, gracePeriodSeconds });
    if (answer.kind === "ok") return true;
    if (answer.kind === "unreachable" || (answer.status !== 404 && answer.status !== 409)) return false;
    if (pod !== null) pods.drop(pod.name, pod.uid);
    return true;
  }
}

/** Asks for a pod to be deleted: that of `uid` where it is known, within its own grace where none is given. */
export function requestDeletion(
  client: Client,
  namespace: string,
  { name, uid, gracePeriodSeconds }: { name: string; uid: string | undefined; gracePeriodSeconds?: number },
): ReturnType<Client["request"]> {
  return client.request("DELETE", `/api/v1/namespaces/${namespace}/pods/${name}`, {
    apiVersion: "v1",
    kind: "DeleteOptions",
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(uid === undefined ? {} : { preconditions: { uid } }),
  });
}
