// A folder as it was read → a batch ready to use, or everything that is wrong with it, with line and column.
import type { Batch, BatchFile, Folder, Notify, Pattern, Retry } from "../model/batch.ts";
import type { DayRule } from "../model/calendar.ts";
import { isBatchName, type BatchName, type EpochMs } from "../model/ids.ts";
import { compareProblems, type Place, type Problem } from "../model/problem.ts";
import type { Inheritance } from "../model/group.ts";
import { createSchedule, jitterOffset } from "../schedule/schedule.ts";
import { notAllowed, type AllowList } from "./allowed.ts";
import { parseDuration } from "../text/duration.ts";
import { inheritsText, namedThings, neverDue } from "./declared.ts";
import { applyInheritance, inheritedPart, inheritsNothing } from "./inherit.ts";
import { checkMeaning, entriesOf } from "./meaning.ts";
import { checkSettings, pathText } from "./settings.ts";
import { parseShebang } from "./shebang.ts";
import { decodeText, scriptFaults, type Fault } from "./text-file.ts";
import { readYaml, type YamlFile } from "./yaml.ts";
import { trimOf } from "../text/trim.ts";

const maxSettingsBytes = 256 * 1024;
const maxProblems = 50;

export interface ParsedBatch {
  /** null when there is any problem. */
  batch: Batch | null;
  problems: Problem[];
  /** Holds what its revision covers beside its files, as YAML; null where it inherits nothing. */
  inherits: string | null;
  /** Returns where each pattern of the schedule is written, in its order. */
  patternPlaces: (Place & { file: string })[];
}

export interface ParseOptions {
  /** Zone of batches that name none. */
  timeZone: string;
  /** Defaults, pools and calendars of the batch's groups. */
  inheritance?: Inheritance;
  /** What batches may name of a cluster; null or missing where scripts run on this machine. */
  kubernetes?: AllowList | null;
  /** Calendars that leave no day within five years of this are a problem. */
  now?: EpochMs;
  /** True for a revision that is in force already: a pool that is declared no longer is no fault of it. */
  isInForce?: boolean;
}

/** Judges a folder. Never throws, whatever the bytes. */
export function parseBatch(folder: Folder, options: ParseOptions): ParsedBatch {
  const problems: Problem[] = [...folder.problems];
  const addFault = (file: string | null, fault: Omit<Fault, "path" | "place"> & Partial<Fault>) => {
    const { code, message, hint, path = [], place = null } = fault;
    const at = fault.file ?? (file === null ? folder.location : `${folder.location}/${file}`);
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

  for (const fault of folderFaults(folder)) addFault(null, fault);
  let shellOptions: readonly string[] = [];
  if (folder.script !== null) {
    const { bytes, size } = folder.script;
    const decoded = decodeText("script.sh", bytes, size, true);
    const faults = "fault" in decoded ? [decoded.fault] : scriptFaults("script.sh", decoded.text);
    const shebang = "fault" in decoded ? { options: [] } : parseShebang(decoded.text);
    if ("fault" in shebang) faults.push(shebang.fault);
    else shellOptions = shebang.options;
    for (const fault of faults) addFault("script.sh", fault);
  }
  const settings = folder.settings[0];
  const judged = settings === undefined ? null : classify(settings, folder.entry, options);
  for (const fault of judged?.faults ?? []) addFault(settings?.file ?? null, fault);

  const sorted = problems.sort(compareProblems).slice(0, maxProblems);
  const file = judged?.file ?? null;
  if (sorted.length > 0 || judged === null || file === null)
    return { batch: null, problems: sorted, inherits: null, patternPlaces: [] };
  const where = `${folder.location}/${settings?.file ?? ""}`;
  const places = judged.patterns.map(({ place }) => ({ file: where, ...place }));
  const batch = toBatch(folder, file, judged, { file: where, options, shellOptions });
  return { batch, problems: [], inherits: judged.inherits, patternPlaces: places };
}

type Simple = Omit<Fault, "path" | "place">;

/** Returns what the names alone tell. */
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
  /** The group that each inherited key comes from. */
  inherited: Readonly<Record<string, string>>;
  /** Holds what it inherits, as YAML. */
  inherits: string | null;
  days: DayRule | null;
  chain: Omit<Batch["places"], "file">;
  faults: Fault[];
}

function classify({ file, bytes, size }: Folder["settings"][number], name: string, options: ParseOptions): Judged {
  const invalid = (...faults: Fault[]): Judged => ({
    file: null,
    patterns: [],
    inherited: {},
    inherits: null,
    days: null,
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
  const inheritance = options.inheritance ?? inheritsNothing;
  const { data: whole, inherited } = applyInheritance(data as Record<string, unknown>, inheritance);
  const part = inheritedPart(data as Record<string, unknown>, inheritance);
  const misfits = shapeFaults(data as Record<string, unknown>, whole, yaml);
  faults.push(...misfits);
  // Whatever does not fit the schema is not judged further; of env only the variable itself.
  const unfit = new Set(misfits.map(({ path }) => String(path[0])));
  const sound = Object.fromEntries(
    Object.entries(whole).filter(
      ([key, value]) => !unfit.has(key) || (key === "env" && typeof value === "object" && value !== null),
    ),
  ) as Partial<BatchFile>;
  const { patterns, faults: meant } = checkMeaning(sound, yaml, options.timeZone);
  const { days, faults: unknown } = namedThings(sound, yaml, inheritance, options.isInForce === true);
  const forbidden =
    options.kubernetes == null || unfit.has("kubernetes") ? [] : notAllowed(sound.kubernetes, options.kubernetes, yaml);
  faults.push(...meant, ...[...unknown, ...forbidden].map((fault) => atOrigin(fault, name, inherited, inheritance)));
  if (faults.length === 0) faults.push(...neverDue(patterns, sound.timeZone ?? options.timeZone, days, options.now));
  const chain = {
    top: yaml.place([], "key"),
    after: entriesOf(sound.after, "after").map(({ path }) => yaml.place(path, "value")),
    onFailure: sound.onFailure === undefined ? null : yaml.place(["onFailure"], "value"),
  };
  return {
    file: faults.length === 0 ? (whole as unknown as BatchFile) : null,
    patterns,
    inherited,
    inherits: inheritsText(part, days),
    days,
    chain,
    faults,
  };
}

/** Returns what does not fit the schema of a batch's settings, and fills defaults into `whole`. */
function shapeFaults(own: Record<string, unknown>, whole: Record<string, unknown>, yaml: YamlFile): Fault[] {
  // Inherited tags come first in the list: only alone do the batch's own have the indexes that are in its file.
  const added = own.tags !== whole.tags && "tags" in own ? checkSettings({ tags: own.tags }, yaml.written) : [];
  const all = [...added, ...checkSettings(whole, yaml.written)];
  const misfits = added.length === 0 ? all : all.filter(({ path }, i) => i < added.length || path[0] !== "tags");
  return misfits.map(({ of, ...fault }) => ({ ...fault, place: yaml.place(fault.path, of) }));
}

/** A fault of an inherited setting, told where the setting stands: in the group's file. */
function atOrigin(fault: Fault, name: string, inherited: Judged["inherited"], { placeOf }: Inheritance): Fault {
  const key = pathText(fault.path.slice(0, 1));
  const origin = inherited[key] ?? inherited[pathText(fault.path.slice(0, 2))];
  const place = origin === undefined ? null : placeOf(pathText(fault.path), origin);
  if (place === null) return fault;
  const { file, line, column } = place;
  const message = `${fault.message} (a default that ${name} inherits)`;
  return { ...fault, file, path: ["defaults", ...fault.path], place: { line, column }, message };
}

function toBatch(
  { name, entry, namesOutput = false }: Folder,
  file: BatchFile,
  { patterns, chain, inherited, days }: Judged,
  of: { file: string; options: ParseOptions; shellOptions: readonly string[] },
): Batch {
  const age = file.keep.age;
  const jitterMs = jitterOffset(name, parseDuration(file.jitter) ?? 0);
  const parsed = patterns.map(({ pattern }) => pattern);
  const pool = of.options.inheritance?.pools.get(file.pool ?? "");
  return {
    name: name as BatchName,
    entry,
    group: of.options.inheritance?.group ?? "",
    file,
    inherited,
    enabled: file.enabled,
    schedule: parsed.length === 0 ? null : createSchedule(parsed, file.timeZone ?? of.options.timeZone, jitterMs, days),
    ...(days === null ? {} : { days }),
    startDeadlineMs: parseDuration(file.startDeadline) ?? 0,
    after: entriesOf(file.after, "after").map(({ text }) => text),
    independent: file.independent,
    input: file.input,
    onFailure: file.onFailure ?? null,
    places: { file: of.file, ...chain },
    params: file.params,
    successCodes: file.successCodes,
    pool: file.pool ?? null,
    ...(pool === undefined ? {} : { poolWhenRead: pool }),
    priority: file.priority,
    lateAfterMs: file.lateAfter === undefined ? null : parseDuration(file.lateAfter),
    timeoutMs: file.timeout === undefined ? null : parseDuration(file.timeout),
    retry: toRetry(file.retry),
    concurrency: file.concurrency,
    shellOptions: of.shellOptions,
    output: file.output === "auto" ? (namesOutput ? "pipe" : "file") : file.output,
    env: file.env,
    envFiles: entriesOf(file.envFile, "envFile").map(({ text }) => text),
    notify: toNotify(file.notify),
    keep: { executions: file.keep.executions, ageMs: age === undefined ? null : parseDuration(age) },
  };
}

function toRetry(retry: BatchFile["retry"]): Retry | null {
  if (retry === undefined || retry.limit === 0) return null;
  const { limit, delay, factor, maxDelay, codes } = retry;
  const delays = { delayMs: parseDuration(delay) ?? 0, factor, maxDelayMs: parseDuration(maxDelay) ?? 0 };
  return { limit, ...delays, ...(codes === "all" ? {} : { codes }) };
}

function toNotify(notify: BatchFile["notify"]): Notify | null {
  if (notify === undefined) return null;
  const [mail, webhook, ping] = [notify.mail, notify.webhook, notify.ping].map((list) => [...new Set(list)]) as [
    string[],
    string[],
    string[],
  ];
  const hears = notify.on.length > 0 && mail.length + webhook.length > 0;
  if (!hears && ping.length === 0) return null;
  return { on: hears ? notify.on : [], mail, webhook, ping };
}
