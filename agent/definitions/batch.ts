// A folder as it was read → a batch ready to use, or everything that is wrong with it, with line and column.
import type { Batch, BatchFile, Folder, Notify, Pattern, Retry } from "../model/batch.ts";
import { isBatchName, type BatchName } from "../model/ids.ts";
import type { Place, ProblemCode, Problem } from "../model/problem.ts";
import { createSchedule, jitterOffset, parsePattern } from "../schedule/schedule.ts";
import { isTimeZone } from "../schedule/zone.ts";
import { parseDuration } from "../text/duration.ts";
import { checkSettings, pathText } from "./settings.ts";
import { decodeText, scriptFaults, type Fault } from "./text-file.ts";
import { webhookFault } from "./webhook-address.ts";
import { readYaml, type Path, type YamlFile } from "./yaml.ts";
import { zoneHint } from "./zone-hint.ts";
import { trimOf } from "../text/trim.ts";

const maxSettingsBytes = 256 * 1024;
const maxProblems = 50;

export interface ParsedBatch {
  /** null when there is any problem. */
  batch: Batch | null;
  problems: Problem[];
  /** Where each pattern of the schedule is written, in its order. */
  patternPlaces: (Place & { file: string })[];
}

/** Judges a folder. `options.timeZone` is the zone of batches that name none. Never throws, whatever the bytes. */
export function parseBatch(folder: Folder, options: { timeZone: string }): ParsedBatch {
  const problems: Problem[] = [...folder.problems];
  const tell = (file: string | null, fault: Omit<Fault, "path" | "place"> & Partial<Fault>) => {
    const { code, message, hint, path = [], place = null } = fault;
    const at = file === null ? folder.location : `${folder.location}/${file}`;
    problems.push({
      batch: folder.entry,
      file: at,
      line: place?.line ?? null,
      column: place?.column ?? null,
      path: path.length === 0 ? null : pathText(path),
      code,
      message,
      hint,
    });
  };

  for (const fault of folderFaults(folder)) tell(null, fault);
  if (folder.script !== null) {
    const { bytes, size } = folder.script;
    const decoded = decodeText("script.sh", bytes, size, true);
    for (const fault of "fault" in decoded ? [decoded.fault] : scriptFaults("script.sh", decoded.text))
      tell("script.sh", fault);
  }
  const settings = folder.settings[0];
  const judged = settings === undefined ? null : judgeSettings(settings, options.timeZone);
  for (const fault of judged?.faults ?? []) tell(settings?.file ?? null, fault);

  const sorted = problems.sort(byPlace).slice(0, maxProblems);
  const file = judged?.file ?? null;
  if (sorted.length > 0 || judged === null || file === null)
    return { batch: null, problems: sorted, patternPlaces: [] };
  const where = `${folder.location}/${settings?.file ?? ""}`;
  const places = judged.patterns.map(({ place }) => ({ file: where, ...place }));
  const batch = toBatch(folder, file, judged, { file: where, timeZone: options.timeZone });
  return { batch, problems: [], patternPlaces: places };
}

type Simple = Omit<Fault, "path" | "place">;

/** What the names alone tell. */
function folderFaults({ name, entry, settings, script, problems }: Folder): Simple[] {
  const faults: Simple[] = [];
  if (!isBatchName(name)) {
    const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    const near = trimOf(plain.replace(/[^a-z0-9]+/g, "-").slice(0, 63), "-");
    const rules = "lower-case letters, digits and - only, no - at either end, at most 63 characters";
    faults.push({
      code: "bad-name",
      message: `${JSON.stringify(entry.slice(0, 100))} cannot be the name of a batch`,
      hint: near === "" ? rules : `${rules}; such as ${near}`,
    });
  }
  // With problems from reading, what is missing here may only not have been read.
  if (problems.length === 0) {
    if (settings.length === 0)
      faults.push({
        code: "no-settings",
        message: "there is no batch.yaml",
        hint: 'write one, with a line such as: cron: "30 2 * * *"',
      });
    if (script === null)
      faults.push({
        code: "no-script",
        message: "there is no script.sh",
        hint: "it is what a batch runs: bash script.sh",
      });
  }
  if (settings.length > 1)
    faults.push({
      code: "two-settings",
      message: `both ${settings.map(({ file }) => file).join(" and ")} are here`,
      hint: "keep one of them",
    });
  return faults;
}

interface Judged {
  /** With defaults; null when it is not valid. */
  file: BatchFile | null;
  patterns: { pattern: Pattern; place: Place }[];
  chain: Omit<Batch["places"], "file">;
  faults: Fault[];
}

function judgeSettings({ file, bytes, size }: Folder["settings"][number], timeZone: string): Judged {
  const invalid = (...faults: Fault[]): Judged => ({
    file: null,
    patterns: [],
    chain: { top: { line: 1, column: 1 }, after: [], onFailure: null },
    faults,
  });
  if (size > maxSettingsBytes) {
    return invalid({
      code: "too-large",
      path: [],
      place: null,
      message: `${file} has ${size} bytes, more than ${maxSettingsBytes}`,
      hint: "keep data in a file of its own",
    });
  }
  const decoded = decodeText(file, bytes, size);
  if ("fault" in decoded) return invalid(decoded.fault);
  const yaml = readYaml(decoded.text.replace(/^\uFEFF/, ""));
  const { data, faults } = yaml;
  if (data === undefined) return invalid(...faults);
  if (data === null)
    return invalid(...faults, {
      code: "empty-file",
      path: [],
      place: null,
      message: `${file} holds no settings`,
      hint: 'write a line such as: cron: "30 2 * * *"',
    });
  if (typeof data !== "object" || Array.isArray(data)) {
    return invalid(...faults, {
      code: "schema",
      path: [],
      place: yaml.place([], "value"),
      message: `${file} must hold keys with values`,
      hint: 'write key: value, with a space after the colon, such as: cron: "30 2 * * *"',
    });
  }
  const misfits = checkSettings(data, yaml.written).map(({ of, ...fault }): Fault => ({
    ...fault,
    place: yaml.place(fault.path, of),
  }));
  faults.push(...misfits);
  // What does not fit the schema is not judged further; of env only the variable itself.
  const unfit = new Set(misfits.map(({ path }) => String(path[0])));
  const sound = Object.fromEntries(
    Object.entries(data).filter(
      ([key, value]) => !unfit.has(key) || (key === "env" && typeof value === "object" && value !== null),
    ),
  ) as Partial<BatchFile>;
  const { patterns, faults: meant } = judgeMeaning(sound, yaml, timeZone);
  faults.push(...meant);
  const chain = {
    top: yaml.place([], "key"),
    after: entriesOf(sound.after, "after").map(({ path }) => yaml.place(path, "value")),
    onFailure: sound.onFailure === undefined ? null : yaml.place(["onFailure"], "value"),
  };
  return { file: faults.length === 0 ? (data as BatchFile) : null, patterns, chain, faults };
}

/** What a schema cannot tell of values of the right shape. */
function judgeMeaning(file: Partial<BatchFile>, yaml: YamlFile, timeZone: string): Pick<Judged, "patterns" | "faults"> {
  const faults: Fault[] = [];
  const tell = (code: ProblemCode, path: Path, of: "key" | "value", message: string, hint: string | null) =>
    faults.push({ code, path, place: yaml.place(path, of), message, hint });

  const patterns = entriesOf(file.cron, "cron").flatMap(({ text, path }) => {
    const parsed = parsePattern(text);
    if ("pattern" in parsed) return [{ pattern: parsed.pattern, place: yaml.place(path, "value") }];
    tell(parsed.code, path, "value", parsed.message, parsed.hint);
    return [];
  });
  if (file.timeZone !== undefined && !isTimeZone(file.timeZone)) {
    tell(
      "bad-time-zone",
      ["timeZone"],
      "value",
      `there is no time zone ${JSON.stringify(file.timeZone)}`,
      zoneHint(file.timeZone) ?? `an IANA name, such as Europe/Paris or UTC; without one it is ${timeZone}`,
    );
  }
  for (const { text, path } of entriesOf(file.envFile, "envFile")) {
    const hint = text.startsWith("~")
      ? "~ means nothing here: write the whole path"
      : "begin it with /, as in /run/secrets/warehouse.env";
    if (!text.startsWith("/")) tell("schema", path, "value", `${pathText(path)} must be an absolute path`, hint);
    else if (text.includes("\0")) tell("schema", path, "value", `${pathText(path)} holds a NUL character`, null);
  }
  for (const [name, value] of Object.entries(file.env ?? {})) {
    if (name.startsWith("BATCH_"))
      tell(
        "schema",
        ["env", name],
        "key",
        `${pathText(["env", name])}: names that begin with BATCH_ are the agent's own`,
        "choose another name",
      );
    if (typeof value === "string" && value.includes("\0"))
      tell(
        "schema",
        ["env", name],
        "value",
        `${pathText(["env", name])} holds a NUL character, which no environment can carry`,
        null,
      );
  }
  for (const [index, url] of (file.notify?.webhook ?? []).entries()) {
    const fault = webhookFault(url);
    if (fault !== null)
      tell("schema", ["notify", "webhook", index], "value", `notify.webhook[${index}] ${fault.message}`, fault.hint);
  }
  return { patterns, faults };
}

function entriesOf(value: unknown, key: string): { text: string; path: Path }[] {
  if (Array.isArray(value)) return value.map((text, index) => ({ text: text as string, path: [key, index] }));
  return typeof value === "string" ? [{ text: value, path: [key] }] : [];
}

function toBatch(
  { name, entry }: Folder,
  file: BatchFile,
  { patterns, chain }: Judged,
  of: { file: string; timeZone: string },
): Batch {
  const age = file.keep.age;
  const jitterMs = jitterOffset(name, parseDuration(file.jitter) ?? 0);
  const parsed = patterns.map(({ pattern }) => pattern);
  return {
    name: name as BatchName,
    entry,
    file,
    enabled: file.enabled,
    schedule: parsed.length === 0 ? null : createSchedule(parsed, file.timeZone ?? of.timeZone, jitterMs),
    startDeadlineMs: parseDuration(file.startDeadline) ?? 0,
    after: entriesOf(file.after, "after").map(({ text }) => text),
    independent: file.independent,
    input: file.input,
    onFailure: file.onFailure ?? null,
    places: { file: of.file, ...chain },
    timeoutMs: file.timeout === undefined ? null : parseDuration(file.timeout),
    retry: toRetry(file.retry),
    concurrency: file.concurrency,
    env: file.env,
    envFiles: entriesOf(file.envFile, "envFile").map(({ text }) => text),
    notify: toNotify(file.notify),
    keep: { executions: file.keep.executions, ageMs: age === undefined ? null : parseDuration(age) },
  };
}

function toRetry(retry: BatchFile["retry"]): Retry | null {
  if (retry === undefined || retry.limit === 0) return null;
  const { limit, delay, factor, maxDelay } = retry;
  return { limit, delayMs: parseDuration(delay) ?? 0, factor, maxDelayMs: parseDuration(maxDelay) ?? 0 };
}

function toNotify(notify: BatchFile["notify"]): Notify | null {
  if (notify === undefined || notify.on.length === 0 || notify.mail.length + notify.webhook.length === 0) return null;
  return { on: notify.on, mail: [...new Set(notify.mail)], webhook: [...new Set(notify.webhook)] };
}

function byPlace(a: Problem, b: Problem): number {
  const files = (a.file ?? "") < (b.file ?? "") ? -1 : (a.file ?? "") > (b.file ?? "") ? 1 : 0;
  return files || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
