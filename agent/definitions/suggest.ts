// "Did you mean": the nearest known word, and what other schedulers call the keys of a batch.yaml.
import { batchSchema } from "../model/batch-schema.gen.ts";
import { groupSchema } from "../model/group-schema.gen.ts";
import type { Path } from "./yaml.ts";

/** The map that a key stands in: a batch.yaml, the defaults of a _group.yaml, or the rest of one. */
export type SettingScope = "batch" | "defaults" | "group";

/** As much of a JSON Schema as is walked here. */
interface Schema {
  description?: string;
  type?: unknown;
  enum?: unknown;
  const?: unknown;
  $ref?: string;
  properties?: Readonly<Record<string, Schema>>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  oneOf?: readonly Schema[];
}

/** Keys of a batch.yaml that hold keys of their own, each of which may be meant where it stands too high. */
const parents = ["retry", "notify", "keep", "kubernetes"];

const ofDefaults = Object.keys(groupSchema.properties.defaults.properties);

/** Keys known in the map at `path`; none where the user chooses them. */
function keysAt(path: Path, scope: SettingScope): string[] {
  if (path.length === 0 && scope === "defaults") return ofDefaults;
  let node: Schema = scope === "group" ? groupSchema : batchSchema;
  for (const step of path) {
    const { properties, items, additionalProperties } = node;
    const free = typeof additionalProperties === "object" ? additionalProperties : undefined;
    node = (properties && own(properties, String(step))) ?? items ?? free ?? {};
  }
  return [node, ...(node.oneOf ?? [])].flatMap(({ properties = {} }) => Object.keys(properties));
}

/** Holds what is written elsewhere, in lower case without `-` and `_`, to what is written here. */
const synonyms: Record<string, Record<string, string>> = {
  "": words({
    cron: "schedule schedules crontab cronexpression cronpattern interval every at when trigger",
    timeZone: "tz zone",
    after: "depends dependson dependencies needs requires require upstream previous follows",
    independent: "always alwaysrun runalways",
    input: "stdin pipe",
    onFailure: "onerror onfail failure",
    skipOn: "skip exclude excludes excluding blackout blackouts except holidays holiday notOn",
    onlyOn: "only include includes including calendar calendars businessdays workdays",
    shift: "move moveto roll rolling adjust",
    params: "parameters parameter param args inputs variables",
    successCodes: "successexitstatus successexitcodes exitcodes okcodes allowedexitcodes",
    pool: "pools resource resources semaphore mutex lock",
    priority: "priorities weight nice",
    lateAfter: "sla slo expectedby late grace expectedduration",
    output: "stdout stderr capture logging",
    kubernetes: "k8s pod container",
    timeout: "timeoutseconds activedeadlineseconds maxduration maxruntime timelimit",
    retry: "retries maxretries attempts maxattempts backofflimit retrylimit retrycount",
    concurrency: "concurrencypolicy overlap overlappolicy allowoverlap parallel maxactiveruns",
    startDeadline: "startingdeadlineseconds deadline catchup misfire misfiregracetime persistent",
    jitter: "splay randomizeddelaysec randomdelay",
    env: "environment envs vars environmentvariables",
    envFile: "envfiles environmentfile dotenv secrets envfrom",
    notify: "notifications notification alert alerts mail mailto email emails webhook webhooks slack",
    keep: "retention history historylimit successfuljobshistorylimit failedjobshistorylimit logs",
    tags: "labels label tag group groups",
    description: "desc comment title summary doc",
    "enabled: false": "suspend suspended disabled disable paused",
    enabled: "active enable",
  }),
  retry: words({
    limit: "count max attempts times retries maxretries maxattempts",
    delay: "wait interval backoff",
    factor: "multiplier exponent backofffactor",
    codes: "exitcodes on when retryon onexitcodes",
    maxDelay: "maxinterval maxbackoff cap",
  }),
  notify: words({
    on: "when events event",
    mail: "email emails mails mailto to",
    webhook: "webhooks url urls hook hooks slack",
    ping: "heartbeat heartbeats healthcheck healthchecks pings",
  }),
  keep: words({ executions: "count runs limit history max", age: "days maxage ttl for" }),
  kubernetes: words({
    image: "containerimage container",
    resources: "requests limits cpu memory",
    nodeSelector: "node nodes nodename affinity",
    tolerations: "toleration taints",
    priorityClass: "priorityclassname",
    queue: "queuename localqueue",
    envFrom: "secrets secret configmap configmaps",
  }),
  "kubernetes.envFrom": words({ secret: "secretref secretname", configMap: "configmapref configmapname config" }),
};

const elsewhere: Record<string, string> = {
  ...words({
    "what runs is script.sh, beside batch.yaml":
      "command commands cmd script scripts run exec entrypoint args shell program",
  }),
  ...words({ "the folder's name is the batch's name": "name id" }),
  "<<": "merge keys are not supported: write the keys out",
};

/**
 * Returns a hint for a key that the map at `path` does not know. Never empty.
 * @param path in terms of batch.yaml for the defaults of a group; `[]` is the top
 */
export function suggestKey(key: string, path: Path, scope: SettingScope = "batch"): string {
  const plain = plainOf(key);
  const name = path.filter((part) => !/^\d+$/.test(String(part))).join(".");
  const keys = keysAt(path, scope);
  const others = Object.fromEntries(
    Object.entries((scope === "group" ? undefined : own(synonyms, name)) ?? {}).filter(([, word]) =>
      keys.includes(word.split(":")[0] as string),
    ),
  );
  const same = keys.find((candidate) => plainOf(candidate) === plain) ?? own(others, plain);
  if (same !== undefined) return `did you mean \`${same}\`?`;
  const told = path.length === 0 && (scope !== "group" || key === "<<") ? own(elsewhere, plain) : undefined;
  if (told !== undefined) return told;
  const elsewhereInFile = placeOfKey(key, path, scope);
  if (elsewhereInFile !== null) return elsewhereInFile;
  const words = Object.keys(others).filter((word) => word.length > 4);
  const near = closest(key, keys) ?? own(others, closest(key, words) ?? "");
  if (near !== undefined) return `did you mean \`${near}\`?`;
  return keys.length === 0 ? "no key is known here" : `known here: ${keys.join(", ")}`;
}

/** Hint for a key that is known, but not in this map; null for none. */
function placeOfKey(key: string, path: Path, scope: SettingScope): string | null {
  const isTop = path.length === 0;
  const isDefault = ofDefaults.includes(key);
  if (scope === "group") {
    if (!isTop) return null;
    if (isDefault) return `\`${key}\` belongs below \`defaults\``;
    const isOwn = Object.hasOwn(batchSchema.properties, key);
    return isOwn ? `each batch has its own \`${key}\`: set it in batch.yaml` : null;
  }
  if (!isTop && scope === "batch" && Object.hasOwn(batchSchema.properties, key))
    return `\`${key}\` belongs at the top, not below \`${path.join(".")}\`: check the indentation`;
  if (!isTop && isDefault) return `\`${key}\` belongs directly below \`defaults\`: check the indentation`;
  const parent = parents.find((name) => name !== path[0] && keysAt([name], scope).includes(key));
  return parent === undefined ? null : `\`${key}\` belongs below \`${parent}\``;
}

/** The candidate nearest to `word` when it is near enough for a slip of the finger, else null. */
export function closest(word: string, candidates: readonly string[]): string | null {
  const plain = plainOf(word).slice(0, 100);
  if (plain === "") return null;
  // A single letter is like every other: something of the word must be right.
  const allowed = Math.min(3, plain.length - 1, Math.max(1, Math.floor(plain.length / 3)));
  let best: string | null = null;
  let least = allowed + 1;
  for (const candidate of candidates) {
    const other = plainOf(candidate);
    if (Math.abs(other.length - plain.length) >= least) continue;
    const distance = editDistance(plain, other);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Insertions, deletions, changes and swaps of neighbours that lead from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(num(row[j - 1]) + 1, num(last[j]) + 1, num(last[j - 1]) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, num(older[j - 2]) + 1);
      row.push(least);
    }
    [older, last] = [last, row];
  }
  return num(last[b.length]);
}

function num(value: number | undefined): number {
  return value ?? Infinity;
}

function plainOf(word: string): string {
  return word.toLowerCase().replace(/[-_ ]/g, "");
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function words(table: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(table).flatMap(([to, from]) => from.split(" ").map((word) => [word, to])));
}
