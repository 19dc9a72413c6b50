// Turns a crontab into batch folders that do the same, with a word on all that does not come along. Pure.
import { nameOf, unique } from "./name.ts";
import { findForm, isUserName, nothingKnown, type Form, type Known } from "./users.ts";
import { translateFields, translateNickname } from "./schedule.ts";
import { scriptText, settingLines, settingsText, shownFile, textOf } from "./texts.ts";
import { cronsShell, readVariable, type Inheritable, type Setting } from "./variables.ts";

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

/**
 * Translates a crontab. `form`: `system` has a column with the user, as /etc/crontab; `null` finds out by the lines.
 * Where they do not tell, there is no batch and the one remark asks. Names are unique within the answer.
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
  const usedNames = new Map<string, number>();
  const setting: Setting = { shell: cronsShell, timeZone: null, mail: [], jitter: null, env: new Map() };
  let comment: string[] = [];
  lines.forEach((raw, index) => {
    const line = index + 1;
    const addRemark = (message: string, lost = false) => void remarks.push({ line, lost, message });
    const trimmed = raw.trimStart();
    if (options.undecodable?.has(line) === true && trimmed !== "" && !trimmed.startsWith("#")) {
      addRemark(
        "left out: it holds bytes that are no UTF-8 (Latin-1?); convert the crontab and the names it uses, or " +
          "write it by hand",
        true,
      );
      comment = [];
    } else if (options.undecodable?.has(line) === true) return;
    else if (trimmed === "") comment = [];
    else if (trimmed.startsWith("#")) {
      const said = trimmed.replace(/^#+\s?/, "").trim();
      if (isJob(said) && "cron" in translate(said)) addRemark("a line that is commented out is left out");
      else if (/\p{L}/u.test(said) && !columnHeading.test(said)) comment.push(said);
    } else if (isJob(trimmed)) {
      const job = toJob(trimmed, { system, line, comment: comment.join(" "), setting, usedNames }, addRemark);
      if (job !== null) jobs.push(job);
      comment = [];
    } else {
      readVariable(trimmed, setting, addRemark);
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

/** Comments that many crontabs have and that say nothing of the line below: names of the columns, and their picture. */
const columnHeading = new RegExp(
  [
    String.raw`\bdow\b|day of (the )?(month|week)`,
    String.raw`^\W*(edit|DO NOT EDIT) this`,
    String.raw`^\W*min(ute)?s?\b.*\b(hour|command)`,
    String.raw`^[|.\s]*[|.] *-{3,}|job definition:`,
  ].join("|"),
  "i",
);

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
  const message =
    `nothing was taken over: is ${word} the user that the command runs as, as in /etc/crontab, or a program? Say ` +
    "--system or --user";
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
  usedNames: Map<string, number>;
}

function toJob(
  text: string,
  { system, line, comment, setting, usedNames }: JobContext,
  addRemark: (message: string, lost?: boolean) => void,
): Job | null {
  const refuse = (message: string) => {
    addRemark(`left out: ${message}`, true);
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
    addRemark(
      `${flags} before the command is OpenBSD's and FreeBSD's; the batch tells failures only, and never runs ` +
        "twice at once, anyway",
    );
  if (!system && sixthField.test(command)) return refuse("it looks like six time fields, and a crontab has five");
  if (command.trimEnd().includes("\r")) return refuse("the command holds a carriage return; convert the line ends");
  if (command.includes("\0")) return refuse("the command holds a NUL character");
  for (const note of translated.notes) addRemark(note);
  if (user !== null) addRemark(`ran as ${user}; the batch runs as the agent's own user`);
  const { run, input } = splitPercent(command.trimEnd());
  const name = unique(nameOf(run, comment, line), usedNames);
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

/** A further time field where the command should begin: Quartz and some crons count from the second, or to the year. */
const sixthField = timeField();

function timeField(): RegExp {
  const day = "(?:sun|mon|tue|wed|thu|fri|sat)";
  const part = String.raw`(?:[*?]|\d+(?:-\d+)?|${day}(?:-${day})?|L|\d*[LW]|\d#\d|${day}(?:#\d|L))(?:/\d+)?`;
  return new RegExp(String.raw`^${part}(?:,${part})*\s`, "i");
}

/** Why what begins a command is no command but a word of some cron's; null where it is one. */
function oddStart(command: string): string | null {
  const word = command.split(/\s+/).find((one) => !/^ID=/.test(one)) ?? "";
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
