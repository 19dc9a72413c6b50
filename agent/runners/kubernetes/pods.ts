// All pods of this agent as the API server last told: listed in pages, then watched. A connection that hangs, a version
// that is too old and a server that is away end in a new list; until it is there the last state stands.
import type { Clock } from "../../async/clock.ts";
import type { Logger } from "../../logger.ts";
import { list, object, readPod, readStatus, text, type Pod } from "./api.ts";
import type { Client } from "./client.ts";

export interface PodsDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  namespace: string;
  selector: string;
  /** From 0 up to 1, for the jitter of waits. */
  random: () => number;
  onChange: (name: string) => void;
  /** Called after each whole list: what is not in it is gone. */
  onListed: () => void;
}

const maxPageSize = 500;
const minPageSize = 10;
const watchSeconds = 300;
/** Bookmarks come about once a minute; so long without a word may be a connection that is dead. */
const silenceMs = 90_000;
const minBackoffMs = 200;
const maxBackoffMs = 30_000;
/** A watch that ended in order within this time counts as a failure: else it would be opened without end. */
const shortWatchMs = 1_000;

/** Invariant: `get` answers with the newest version that was heard of, or knows that there is none. */
export class Pods {
  readonly #deps: PodsDeps;
  readonly #pods = new Map<string, Pod>();
  /** Pods by name that were taken in while a list was under way: what it does not hold is not gone for that. */
  #during: Set<string> | null = null;
  #version: string | null = null;
  #isListed = false;
  #problem: string | null = null;
  #isWatching = false;
  #isClosed = false;
  #failures = 0;
  /** Smaller after a list that failed: pods may be as large as the API server takes them, an answer may not. */
  #pageSize = maxPageSize;
  #abort: () => void = () => undefined;
  #wake: () => void = () => undefined;

  constructor(deps: PodsDeps) {
    this.#deps = deps;
  }

  start(): void {
    void this.#follow();
  }

  /** True once there was a whole list: from then on a pod that is not known is not there. */
  get isListed(): boolean {
    return this.#isListed;
  }

  get isWatching(): boolean {
    return this.#isWatching;
  }

  /** Why the API server does not tell; null while it does. */
  get problem(): string | null {
    return this.#problem;
  }

  get(name: string): Pod | undefined {
    return this.#pods.get(name);
  }

  all(): IterableIterator<Pod> {
    return this.#pods.values();
  }

  get size(): number {
    return this.#pods.size;
  }

  /** Takes in what the answer to a request shows. */
  upsert(pod: Pod): void {
    const known = this.#pods.get(pod.name);
    if (known !== undefined && known.uid === pod.uid && isNewer(known, pod)) return;
    this.#during?.add(pod.name);
    this.#pods.set(pod.name, pod);
    this.#deps.onChange(pod.name);
  }

  /** Takes out what the API server says is not there. `uid`: of the one that is gone. */
  drop(name: string, uid: string): void {
    if (this.#pods.get(name)?.uid !== uid) return;
    this.#pods.delete(name);
    this.#deps.onChange(name);
  }

  close(): void {
    this.#isClosed = true;
    this.#abort();
    this.#wake();
  }

  #hasClosed(): boolean {
    return this.#isClosed;
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      const failed = this.#version === null ? await this.#list() : await this.#watch(this.#version);
      if (this.#hasClosed()) return;
      if (failed === null) {
        this.#failures = 0;
        continue;
      }
      this.#setProblem(failed);
      const ceilingMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(this.#failures, 10));
      this.#failures += 1;
      await this.#sleep(ceilingMs * (0.5 + this.#deps.random() / 2));
    }
  }

  /** Returns why it failed, or null. */
  async #list(): Promise<string | null> {
    const { client, namespace, selector } = this.#deps;
    const found = new Map<string, Pod>();
    this.#during = new Set();
    let next = "";
    try {
      for (;;) {
        const query = `labelSelector=${encodeURIComponent(selector)}&limit=${this.#pageSize}`;
        const path = `/api/v1/namespaces/${namespace}/pods?${query}`;
        const answer = await client.request("GET", next === "" ? path : `${path}&continue=${encodeURIComponent(next)}`);
        if (answer.kind === "unreachable") {
          this.#pageSize = Math.max(minPageSize, Math.floor(this.#pageSize / 2));
          return answer.error;
        }
        if (answer.kind === "refused") return answer.error.message;
        const body = object(answer.body);
        for (const item of list(body?.["items"])) {
          const pod = readPod(item);
          if (pod !== null) found.set(pod.name, pod);
        }
        const metadata = object(body?.["metadata"]);
        next = text(metadata?.["continue"]) ?? "";
        if (next !== "") continue;
        this.#pageSize = Math.min(maxPageSize, this.#pageSize * 2);
        this.#version = text(metadata?.["resourceVersion"]);
        this.#replace(found, this.#during);
        this.#isListed = true;
        this.#setProblem(null);
        this.#deps.onListed();
        return null;
      }
    } finally {
      this.#during = null;
    }
  }

  #replace(found: ReadonlyMap<string, Pod>, during: ReadonlySet<string>): void {
    for (const name of [...this.#pods.keys()]) {
      if (found.has(name) || during.has(name)) continue;
      this.#pods.delete(name);
      this.#deps.onChange(name);
    }
    for (const [name, pod] of found) {
      const known = this.#pods.get(name);
      if (known?.uid === pod.uid && (known.resourceVersion === pod.resourceVersion || isNewer(known, pod))) continue;
      this.#pods.set(name, pod);
      this.#deps.onChange(name);
    }
  }

  async #watch(version: string): Promise<string | null> {
    const { client, clock, namespace, selector } = this.#deps;
    const query =
      `labelSelector=${encodeURIComponent(selector)}&watch=1&allowWatchBookmarks=true&timeoutSeconds=` +
      `${watchSeconds}`;
    const since = clock.monotonic();
    let cancel: () => void = () => undefined;
    const over = { isExpired: false, isSilent: false };
    const heard = () => {
      cancel();
      cancel = clock.after(silenceMs, () => {
        over.isSilent = true;
        this.#abort();
      });
    };
    const watch = client.watch(
      `/api/v1/namespaces/${namespace}/pods?${query}&resourceVersion=${version}`,
      (line) => {
        heard();
        over.isExpired ||= this.#hear(line);
        if (over.isExpired) this.#abort();
      },
      () => {
        this.#isWatching = true;
        this.#failures = 0;
        this.#setProblem(null);
      },
    );
    this.#abort = watch.abort;
    heard();
    const failed = await watch.ended;
    cancel();
    this.#isWatching = false;
    // A silent one too: a version of the future, as after a restored backup, never says a word.
    if (over.isExpired || over.isSilent || failed?.startsWith("410") === true) {
      this.#version = null;
      return null;
    }
    // The server ends one in order after five minutes.
    return failed === null && clock.monotonic() - since < shortWatchMs ? "its watches end at once" : failed;
  }

  /** Returns whether the version is too old, so that all must be listed anew. */
  #hear(line: string): boolean {
    let event: ReturnType<typeof object>;
    try {
      event = object(JSON.parse(line));
    } catch {
      return true; // cut in the middle
    }
    const type = text(event?.["type"]);
    const value = object(event?.["object"]);
    if (type === "ERROR") {
      this.#deps.log.debug("a watch of pods must begin anew", { error: readStatus(0, value).message });
      return true;
    }
    const version = text(object(value?.["metadata"])?.["resourceVersion"]);
    if (version !== null) this.#version = version;
    if (type === "BOOKMARK") return false;
    const pod = readPod(value);
    if (pod === null) return false;
    if (type === "DELETED") {
      const { onChange } = this.#deps;
      if (this.#pods.get(pod.name)?.uid !== pod.uid) return false;
      this.#pods.set(pod.name, pod); // its last state says who ended it
      onChange(pod.name);
      this.drop(pod.name, pod.uid);
    } else {
      this.#pods.set(pod.name, pod);
      this.#deps.onChange(pod.name);
    }
    return false;
  }

  #setProblem(problem: string | null): void {
    if (problem !== null && this.#problem === null)
      this.#deps.log.warn("the API server does not tell of pods; what runs goes on", { error: problem });
    if (problem === null && this.#problem !== null) this.#deps.log.info("the API server tells of pods again");
    this.#problem = problem;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((done) => {
      const cancel = this.#deps.clock.after(ms, done);
      this.#wake = () => {
        cancel();
        done();
      };
    });
  }
}

/** Versions are opaque, but those of one object are numbers that grow on every server there is. */
function isNewer(known: Pod, other: Pod): boolean {
  return Number(known.resourceVersion) > Number(other.resourceVersion);
}
