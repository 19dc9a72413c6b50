// A crontab → batch folders that do the same, and a word on everything that does not come along. Pure; writes no file.
import { batchSchema } from "../../model/batch-schema.gen.ts";
import { nameOf, unique } from "./name.ts";
import { isSameInBash } from "./shell.ts";
import { findForm, isUserName, nothingKnown, type Form, type Known } from "./users.ts";
import { translateFields, translateNickname } from "./schedule.ts";
import { zoneHint } from "../../definitions/zone-hint.ts";
import { isTimeZone } from "../../schedule/zone.ts";

const mailAddress = new RegExp(batchSchema.properties.notify.properties.mail.items.pattern);

/** One batch folder to be. */
interface ImportedBatch {
  name: string;
  /** Line of the crontab, from 1. */
  line: number;
  settings: string;
  script: string;
}

/** `group`: text of the `_group.yaml` with what all batches share; null where they share nothing. */
export interface ImportedCrontab {
  batches: ImportedBatch[];
  group: string | null;
  remarks: Remark[];
  system: boolean;
}

/** Something to know about a line; `lost`: it has no batch, or not all of what it said. */
interface Remark {
  line: number;
  lost: boolean;
  message: string;
}

/** Describes what variables say at one place of the file. */
interface Setting {
  /** Shell that the commands are written for; `bash` for any bash. */
  shell: string;
  timeZone: string | null;
  mail: string[];
  jitter: string | null;
  env: Map<string, string>;
}

const maxDescription = 1_000;
const bash = "bash";
/** Holds what cron calls where no SHELL is set. */
const cronsShell = "/bin/sh";
/**
 * Translates a crontab. `form`: `system` has a column with the user, as /etc/crontab; `null` finds out by the lines.
 * Where they do not
 * tell, there is no batch and the one remark asks. Names are unique within the answer.
 */
export function importCrontab(
  text: string,
  options: {
    form: Form | null;
    file: string;
    /** Lines, from 1, whose bytes were no UTF-8. */
    undecodable?: ReadonlySet<number>;
    known?: Known;
  },
): ImportedCrontab {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const rests = lines.flatMap((line) => (isJob(line) && "cron" in translate(line) ? splitJob(line).rest : []));
  const form = options.form ?? findForm(rests, options.known ?? nothingKnown);
  if (typeof form === "object")
    return { batches: [], group: null, remarks: [question(lines, form.ask)], system: false };
  const system = form === "system";
  const jobs: Job[] = [];
  const remarks: Remark[] = [];
  const taken = new Map<string, number>();
  const setting: Setting = { shell: cronsShell, timeZone: null, mail: [], jitter: null, env: new Map() };
  let comment: string[] = [];
  lines.forEach((raw, index) => {
    const line = index + 1;
    const tell = (message: string, lost = false) => void remarks.push({ line, lost, message });
    const trimmed = raw.trimStart();
    if (options.undecodable?.has(line) === true && trimmed !== "" && !trimmed.startsWith("#")) {
      tell(
        "left out: it holds bytes that are no UTF-8 (Latin-1?); convert the crontab and the names it uses, or write it by hand",
        true,
      );
      comment = [];
    } else if (options.undecodable?.has(line) === true) return;
    else if (trimmed === "") comment = [];
    else if (trimmed.startsWith("#")) {
      const said = trimmed.replace(/^#+\s?/, "").trim();
      if (isJob(said) && "cron" in translate(said)) tell("a line that is commented out is left out");
      else if (/\p{L}/u.test(said) && !/\bdow\b|day of (the )?(month|week)|^\W*(edit|DO NOT EDIT) this/i.test(said))
        comment.push(said);
    } else if (isJob(trimmed)) {
      const job = toJob(trimmed, { system, line, comment: comment.join(" "), setting, taken }, tell);
      if (job !== null) jobs.push(job);
      comment = [];
    } else {
      readVariable(trimmed, setting, tell);
      comment = [];
    }
  });
  const shared = sharedBy(jobs.map((job) => job.setting));
  const batches = jobs.map(({ name, line, script, ...job }) => ({
    name,
    line,
    script,
    settings: settingsText({ ...job, line, file: options.file, setting: without(job.setting, shared) }),
  }));
  const defaults = settingLines(shared);
  const head = `# What all lines of ${shownFile(options.file)} have in common.`;
  const group = defaults.length === 0 ? null : textOf([head, "defaults:", ...defaults.map((one) => `  ${one}`)]);
  return { batches, group, remarks, system };
}

/** What a batch will be, with the variables that hold for its line. */
interface Job {
  name: string;
  line: number;
  cron: string;
  comment: string;
  user: string | null;
  script: string;
  setting: Inheritable;
}

type Inheritable = Pick<Setting, "timeZone" | "mail" | "jitter" | "env">;

/** What every line has, and has alike: a batch cannot do without what its group sets. Nothing of a single one. */
function sharedBy(settings: readonly Inheritable[]): Inheritable {
  const [first, ...others] = settings;
  if (first === undefined || others.length === 0) return { timeZone: null, mail: [], jitter: null, env: new Map() };
  const all = (isAlike: (other: Inheritable) => boolean) => others.every(isAlike);
  return {
    timeZone: all(({ timeZone }) => timeZone === first.timeZone) ? first.timeZone : null,
    mail: all(({ mail }) => mail.join() === first.mail.join()) ? first.mail : [],
    jitter: all(({ jitter }) => jitter === first.jitter) ? first.jitter : null,
    env: new Map([...first.env].filter(([name, value]) => all(({ env }) => env.get(name) === value))),
  };
}

function without(setting: Inheritable, shared: Inheritable): Inheritable {
  return {
    timeZone: shared.timeZone === null ? setting.timeZone : null,
    mail: shared.mail.length === 0 ? setting.mail : [],
    jitter: shared.jitter === null ? setting.jitter : null,
    env: new Map([...setting.env].filter(([name]) => !shared.env.has(name))),
  };
}

function question(lines: readonly string[], word: string): Remark {
  const index = lines.findIndex((line) => isJob(line) && splitJob(line).rest.startsWith(`${word} `));
  const message = `nothing was taken over: is ${word} the user that the command runs as, as in /etc/crontab, or a program? Say --system or --user`;
  return { line: Math.max(index, 0) + 1, lost: true, message };
}

/** Returns whether a line begins as one with a time does; else it is a variable, a comment, or nothing cron knows. */
function isJob(line: string): boolean {
  return (
    /^\s*-?(?:[\d*]|@[a-z\d]|H\b|~|[a-z]{3}\b(?!\s*=))/i.test(line) &&
    !/^\s*(?:"[^"]*"|'[^']*'|[A-Za-z_]\w*)\s*=/.test(line) &&
    !/^\s*#/.test(line) &&
    /\S\s+\S/.test(line)
  );
}

function splitJob(line: string): { times: string[]; rest: string } {
  const plain = line.trimStart().replace(/^-/, ""); // "do not log" of some crons
  const match = (plain.startsWith("@") ? /^(\S+)\s+([^]*)$/ : /^(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+([^]*)$/).exec(
    plain,
  );
  if (match === null) return { times: [], rest: "" };
  return { times: match.slice(1, -1), rest: match.at(-1) ?? "" };
}

function translate(line: string) {
  const { times } = splitJob(line);
  if (times.length === 0) return { fault: "a line needs five time fields, or a word such as @daily, and a command" };
  return times.length === 1 ? translateNickname(times[0] ?? "") : translateFields(times);
}

interface JobContext {
  system: boolean;
  line: number;
  comment: string;
  setting: Setting;
  taken: Map<string, number>;
}

function toJob(
  text: string,
  { system, line, comment, setting, taken }: JobContext,
  tell: (message: string, lost?: boolean) => void,
): Job | null {
  const refuse = (message: string) => {
    tell(`left out: ${message}`, true);
    return null;
  };
  const translated = translate(text);
  if ("fault" in translated) return refuse(translated.fault);
  const { rest } = splitJob(text);
  const [, user = null, flagged = ""] = system ? (/^(\S+)\s+([^]*)$/.exec(rest) ?? ["", null, ""]) : ["", null, rest];
  if (system && (user === null || !isUserName(user))) return refuse("there is no user before the command");
  const { command, flags } = splitFlags(flagged);
  if (command.trim() === "") return refuse("there is no command");
  const odd = oddStart(command);
  if (odd !== null) return refuse(odd);
  if (flags !== "")
    tell(
      `${flags} before the command is OpenBSD's and FreeBSD's; the batch tells failures only, and never runs twice at once, anyway`,
    );
  if (!system && /^[\d*][\d*,/-]*\s/.test(command))
    return refuse("it looks like six time fields, and a crontab has five");
  if (command.includes("\0")) return refuse("the command holds a NUL character");
  for (const note of translated.notes) tell(note);
  if (user !== null) tell(`ran as ${user}; the batch runs as the agent's own user`);
  const { run, input } = splitPercent(command.trimEnd());
  const name = unique(nameOf(run, comment, line), taken);
  return {
    name,
    line,
    cron: translated.cron,
    comment,
    user,
    setting: { ...setting, env: new Map(setting.env) },
    script: scriptText(run, input, setting.shell),
  };
}

/** OpenBSD and FreeBSD take flags before the command: no mail of a success, no log, a single one at a time. */
function splitFlags(text: string): { command: string; flags: string } {
  const flags = /^(?:-[nqs]+\s+)*/.exec(text)?.[0] ?? "";
  return { command: text.slice(flags.length), flags: flags.trim() };
}

/** Why what begins a command is no command but a word of some cron's; null where it is one. */
function oddStart(command: string): string | null {
  const [word = ""] = command.split(/\s/);
  if (word.startsWith("-")) return `the command begins with the option ${word}, which is some cron's own`;
  if (word.startsWith("@")) return `${word} before the command is not supported`;
  if (/^(FREQ|AFTER|WAIT)=/.test(word)) return `${word} before the command is dcron's and not supported`;
  return null;
}

/**
 * At the first `%` the command ends and its stdin begins, further ones are line breaks there; `\%` is a `%`. As
 * cronie does.
 */
export function splitPercent(command: string): { run: string; input: string | null } {
  let run = "";
  let at = 0;
  for (let escaped = false; at < command.length; at++) {
    const letter = command[at] as string;
    if (escaped) run = letter === "%" ? `${run.slice(0, -1)}%` : run + letter;
    else if (letter === "%") break;
    else run += letter;
    escaped = !escaped && letter === "\\";
  }
  if (at >= command.length) return { run, input: null };
  let input = "";
  let escaped = false;
  for (const letter of command.slice(at + 1)) {
    if (escaped && letter !== "%") input += "\\";
    const plain: string = !escaped && letter === "%" ? "\n" : letter;
    escaped = plain === "\\";
    if (!escaped) input += plain;
  }
  if (escaped) input += "\\";
  return { run, input: input === "" || input.endsWith("\n") ? input : `${input}\n` };
}

function scriptText(run: string, input: string | null, shell: string): string {
  let end = "END_OF_INPUT";
  while (input?.split("\n").includes(end) === true) end += "_";
  const lines = ["#!/usr/bin/env bash", 'cd "$HOME" || exit 1 # where cron starts'];
  if (input !== null) lines.push(`exec <<'${end}'`, `${input}${end}`);
  const plain = shell === bash || (/(^|\/)(da)?sh$/.test(shell) && isSameInBash(run));
  lines.push(plain ? run : `exec ${quoted(shell)} -c ${quoted(run)}`);
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function settingsText({
  cron,
  comment,
  user,
  line,
  file,
  setting,
}: {
  cron: string;
  comment: string;
  user: string | null;
  line: number;
  file: string;
  setting: Inheritable;
}): string {
  const description = [comment, user === null ? "" : `(ran as ${user})`]
    .filter((part) => part !== "")
    .join(" ")
    .slice(0, maxDescription);
  return textOf([
    `# From line ${line} of ${shownFile(file)}.`,
    ...(description === "" ? [] : [`description: ${yamlText(description)}`]),
    `cron: ${yamlText(cron)}`,
    ...settingLines(setting),
  ]);
}

function shownFile(file: string): string {
  return file.replace(/[^\x20-\x7e]/g, "?");
}

function textOf(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** Lines of batch.yaml, or below `defaults` of a group. */
function settingLines({ timeZone, env, mail, jitter }: Inheritable): string[] {
  return [
    ...(timeZone === null ? [] : [`timeZone: ${yamlText(timeZone)}`]),
    ...(jitter === null ? [] : [`jitter: ${jitter}`]),
    ...(env.size === 0 ? [] : ["env:", ...[...env].map(([name, value]) => `  ${name}: ${yamlText(value)}`)]),
    ...(mail.length === 0 ? [] : ["notify:", `  mail: [${mail.map(yamlText).join(", ")}]`]),
  ];
}

/** JSON's strings are YAML's, but for what YAML does not take unescaped. */
function yamlText(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff]/g, (letter) =>
    /[\ud800-\udfff]/.test(letter) ? letter : `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function readVariable(text: string, setting: Setting, tell: (message: string, lost?: boolean) => void): void {
  const match = /^(?:"([^"]*)"|'([^']*)'|([^\s=]+))\s*=\s*([^]*)$/.exec(text);
  const name = match?.[1] ?? match?.[2] ?? match?.[3] ?? "";
  if (match === null || !/^[A-Za-z_]\w*$/.test(name))
    return tell("left out: neither a time with a command nor NAME=value", true);
  const trimmed = (match[4] ?? "").trim();
  const value = /^(["'])([^]*)\1$/.exec(trimmed)?.[2] ?? trimmed;
  switch (name) {
    case "SHELL":
      setting.shell = value === "" ? cronsShell : /(^|\/)bash$/.test(value) ? bash : value;
      if (!/(^|\/)(ba|da)?sh$/.test(setting.shell)) tell(`the commands below run in ${value}, called by bash`);
      return;
    case "START_HOURS_RANGE":
    case "PERSISTENT":
      return tell(`${name} is anacron's or systemd-cron's and is not taken over`, true);
    case "TZ":
      setting.env.set(name, value);
      return tell("TZ: set for the commands, as cron does; the times go by CRON_TZ, else by the agent's zone");
    case "MAILTO": {
      const parts = value.split(/[,\s]+/).filter((part) => part !== "");
      setting.mail = parts.filter((part) => mailAddress.test(part));
      for (const part of parts)
        if (!setting.mail.includes(part)) tell(`MAILTO: ${part} is no mail address; nobody is told in its place`, true);
      if (setting.mail.length > 0)
        tell("cron mailed every output; the batches below mail failure and recovery (notify.on)");
      return;
    }
    case "CRON_TZ":
      setting.timeZone = isTimeZone(value) ? value : null;
      if (value !== "" && setting.timeZone === null)
        tell(
          `CRON_TZ: there is no time zone ${value}; the batches below use the agent's${hinted(zoneHint(value))}`,
          true,
        );
      return;
    case "RANDOM_DELAY":
      setting.jitter = /^[1-9]\d{0,5}$/.test(value) ? `${value}m` : null;
      if (setting.jitter === null && !/^0*$/.test(value))
        tell(`RANDOM_DELAY: ${value} is no number of minutes; the batches below wait for nothing`, true);
      return;
    case "LOGNAME":
    case "USER":
    case "MAILFROM":
    case "CONTENT_TYPE":
    case "CONTENT_TRANSFER_ENCODING":
      return tell(`${name} is not taken over${name === "MAILFROM" ? ": the agent's --mail-from is the sender" : ""}`);
    default:
      if (name.startsWith("BATCH_"))
        return tell(`${name} is not taken over: names that begin with BATCH_ are the agent's own`, true);
      if (/\$/.test(value)) tell(`${name}: cron does not replace $ in a value, nor does the batch`);
      setting.env.set(name, value);
  }
}

function hinted(hint: string | null): string {
  return hint === null ? "" : ` (${hint})`;
}
