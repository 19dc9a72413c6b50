// Asks for the pod of one execution until it is there, or certainly never will be. Whatever happened to an earlier
// request: the pod's name makes a second one harmless.
import { performance } from "node:perf_hooks";
import type { Clock } from "../../async/clock.ts";
import { readPod, type Pod, type PodManifest } from "./api.ts";
import { classifyRefusal } from "./answers.ts";
import type { Client } from "./client.ts";
import { executionLabel, instanceLabel } from "./names.ts";
import type { QuotaLine } from "./quota-line.ts";

export interface AskDeps {
  client: Client;
  clock: Clock;
  namespace: string;
  quota: QuotaLine;
  random: () => number;
  /** Called right before each request: throws, or ends the process, where this agent leads no more. */
  fence: () => void;
}

export type Asked =
  | { kind: "created"; pod: Pod }
  /** It was told to stop meanwhile; `maybe`: a pod may have come to be. */
  | { kind: "stopped"; maybe: boolean }
  | { kind: "refused"; message: string };

/** The server may not know yet what a Role allows. */
const forbiddenMs = 60_000;
const minBackoffMs = 200;
const maxBackoffMs = 5_000;
/** A server that is only restarted is waited for, however short the deadline is. */
const minDeadlineMs = 60_000;

export class Asking {
  readonly #deps: AskDeps;
  readonly #manifest: PodManifest;
  readonly #onWaiting: (words: string) => void;
  #isStopped = false;
  #stoodInLine = false;
  /** What it waits for, as last said. */
  #words = "";
  #wake: () => void = () => undefined;

  constructor(manifest: PodManifest, onWaiting: (words: string) => void, deps: AskDeps) {
    this.#manifest = manifest;
    this.#onWaiting = onWaiting;
    this.#deps = deps;
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  /** Never rejects. `deadlineMs`: how long it is tried from now on. */
  async ask(deadlineMs: number): Promise<Asked> {
    const { quota, client } = this.#deps;
    const since = performance.now();
    const untilMs = Math.max(deadlineMs, minDeadlineMs);
    let maybe = false;
    for (let turn = 0; ; turn++) {
      if (this.#isStopped) return { kind: "stopped", maybe };
      const sinceMs = performance.now() - since;
      // Past the deadline nothing new is made, but one that came to be unseen is found.
      const isLate = sinceMs > untilMs;
      if (isLate && !maybe) return { kind: "refused", message: `not started in time: ${this.#words}` };
      this.#deps.fence();
      const answer = isLate ? await this.#get() : await client.request("POST", this.#path(), this.#manifest);
      if (answer.kind === "ok") {
        const pod = readPod(answer.body);
        if (pod !== null && this.#isOurs(pod)) {
          if (this.#stoodInLine) quota.freed(); // there was room: perhaps there is more
          return { kind: "created", pod };
        }
        return { kind: "refused", message: `a pod of this name belongs to another: ${this.#name}` };
      }
      if (answer.kind === "unreachable") {
        maybe = true;
        this.#wait(`the API server: ${answer.error}`);
        await this.#backOff(turn);
        continue;
      }
      if (isLate && answer.status === 404) return { kind: "refused", message: `not started in time: ${this.#words}` };
      const verdict = classifyRefusal(answer.status, answer.error);
      switch (verdict.kind) {
        case "exists": {
          const found = await this.#adopt();
          if (found !== null) return found;
          break;
        }
        case "again":
          maybe ||= answer.status >= 500;
          this.#wait(verdict.words);
          await this.#backOff(turn);
          break;
        case "quota":
          this.#wait(verdict.words);
          await this.#inLine();
          break;
        case "forbidden":
          if (sinceMs > forbiddenMs) return { kind: "refused", message: verdict.words };
          this.#wait(verdict.words);
          await this.#backOff(turn);
          break;
        case "refused":
          return { kind: "refused", message: verdict.words };
        default:
          return verdict satisfies never;
      }
    }
  }

  #wait(words: string): void {
    this.#words = words;
    this.#onWaiting(words);
  }

  /** The name is taken: ours, from a request whose answer was lost, or another's. Null: it is free again. */
  async #adopt(): Promise<Asked | null> {
    const answer = await this.#get();
    if (answer.kind !== "ok") {
      if (answer.kind === "unreachable" || answer.status !== 404) await this.#backOff(3);
      return null;
    }
    const pod = readPod(answer.body);
    if (pod === null || !this.#isOurs(pod))
      return { kind: "refused", message: `a pod of this name belongs to another: ${this.#name}` };
    return { kind: "created", pod };
  }

  #isOurs({ labels }: Pod): boolean {
    const { labels: own } = this.#manifest.metadata;
    return [instanceLabel, executionLabel].every((label) => labels[label] === own[label]);
  }

  get #name(): string {
    return this.#manifest.metadata.name;
  }

  #get() {
    return this.#deps.client.request("GET", `${this.#path()}/${this.#name}`);
  }

  #path(): string {
    return `/api/v1/namespaces/${this.#deps.namespace}/pods`;
  }

  async #inLine(): Promise<void> {
    const place = this.#deps.quota.join();
    this.#stoodInLine = true;
    this.#wake = () => {
      place.leave();
    };
    if (this.#isStopped) this.#wake();
    await place.turn;
  }

  #backOff(turn: number): Promise<void> {
    const ceilingMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(turn, 10));
    return new Promise((done) => {
      const cancel = this.#deps.clock.after(ceilingMs * (0.5 + this.#deps.random() / 2), done);
      this.#wake = () => {
        cancel();
        done();
      };
      if (this.#isStopped) this.#wake();
    });
  }
}
