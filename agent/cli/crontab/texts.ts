// The files of an imported batch, as text.
import { isSameInBash } from "./shell.ts";
import { bash, type Inheritable } from "./variables.ts";

const maxDescription = 1_000;

export function scriptText(run: string, input: string | null, shell: string): string {
  let end = "END_OF_INPUT";
  while (input?.split("\n").includes(end) === true) end += "_";
  const lines = ["#!/usr/bin/env bash", 'cd "$HOME" || exit 1 # where cron starts'];
  if (input !== null) lines.push(`exec <<'${end}'`, `${input}${end}`);
  // A backslash at the end of a file's line is taken off with the line's end, one at the end of `-c` is kept.
  const plain = (shell === bash && !run.endsWith("\\")) || (/(^|\/)(da)?sh$/.test(shell) && isSameInBash(run));
  lines.push(plain ? run : `exec ${quoted(shell)} -c ${quoted(run)}`);
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function settingsText({
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

export function shownFile(file: string): string {
  return file.replace(/[^\x20-\x7e]/g, "?");
}

export function textOf(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** Lines of batch.yaml, or below `defaults` of a group. */
export function settingLines({ timeZone, env, mail, jitter }: Inheritable): string[] {
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
