// "Did you mean": the nearest known word, and what other schedulers call the keys of a batch.yaml.
import { batchSchema } from "../model/batch-schema.gen.ts";

/** Keys by the path of the map that holds them, "" for the top. */
const known: Record<string, readonly string[]> = {
  "": Object.keys(batchSchema.properties),
  retry: Object.keys(batchSchema.properties.retry.properties),
  notify: Object.keys(batchSchema.properties.notify.properties),
  keep: Object.keys(batchSchema.properties.keep.properties),
};

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
    kubernetes: "k8s pod container image",
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
};

const elsewhere: Record<string, string> = {
  ...words({
    "what runs is script.sh, beside batch.yaml":
      "command commands cmd script scripts run exec entrypoint args shell program",
  }),
  ...words({ "the folder's name is the batch's name": "name id" }),
  "<<": "merge keys are not supported: write the keys out",
};

/** A hint for a key that the map at `path` ("" for the top) does not know. */
export function suggestKey(key: string, path: string): string {
  const plain = plainOf(key);
  const [keys, others] = [known[path] ?? [], synonyms[path] ?? {}];
  const same = keys.find((candidate) => plainOf(candidate) === plain) ?? own(others, plain);
  if (same !== undefined) return `did you mean \`${same}\`?`;
  const told = path === "" ? own(elsewhere, plain) : undefined;
  if (told !== undefined) return told;
  const above = path === "" ? undefined : known[""]?.includes(key);
  if (above === true) return `\`${key}\` belongs at the top, not below \`${path}\`: check the indentation`;
  const below = Object.keys(known).find((parent) => parent !== path && parent !== "" && known[parent]?.includes(key));
  if (below !== undefined) return `\`${key}\` belongs below \`${below}\``;
  const near =
    closest(key, keys) ??
    own(
      others,
      closest(
        key,
        Object.keys(others).filter((word) => word.length > 4),
      ) ?? "",
    );
  return near === undefined ? `known here: ${keys.join(", ")}` : `did you mean \`${near}\`?`;
}

/** The candidate nearest to `word` when it is near enough for a slip of the finger, else null. */
export function closest(word: string, candidates: readonly string[]): string | null {
  const plain = plainOf(word).slice(0, 100);
  const allowed = Math.min(3, Math.max(1, Math.floor(plain.length / 3)));
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

function own(table: Record<string, string>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function words(table: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(table).flatMap(([to, from]) => from.split(" ").map((word) => [word, to])));
}
