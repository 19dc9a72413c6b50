// Every command over hostile text, on a real terminal: nothing reaches it but line breaks and our own colours.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../helpers/tmp.ts";

const main = join(import.meta.dirname, "../../dist/main.js");
const evil = "\u001b]0;owned\u0007\u001b]52;c;b3duZWQ=\u0007\u001b[2J\u009b31m\u202e\r\u0008";
/** What may come: line breaks (a terminal adds the carriage return) and the colours of text/table.ts. */
const ours = /\r\n|\n|\u001b\[(?:[12]|22|3[1236]|39)m/g;

function place() {
  const home = temporaryFolder();
  const batch = (folder: string, settings: string) => {
    mkdirSync(join(home, "b", folder), { recursive: true });
    writeFileSync(join(home, "b", folder, "batch.yaml"), settings);
    writeFileSync(join(home, "b", folder, "script.sh"), `printf '%s' '${evil}'; echo '${evil}' >&2; exit 3\n`);
  };
  const quoted = JSON.stringify(evil);
  batch("good", `cron: "@daily"\ndescription: ${quoted}\ntags: [${quoted}]\nenv: {A: ${quoted}}\n`);
  batch(`bad${evil}`, `cron: ${quoted}\n${quoted}: ${quoted}\n`);
  batch("broken", `cron: [${evil}\n`);
  writeFileSync(join(home, "crontab"), `* * * * * echo ${evil}\nMAILTO=${evil}\n@${evil} x\n* * * * ${evil} y\n`);
  return home;
}

/** What a terminal gets of the command, in hex: `script` gives it one. */
function onTerminal(home: string, args: readonly string[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const command = [process.execPath, main, ...args].map(quote).join(" ");
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, TERM: "xterm" };
  return execFileSync("script", ["-qec", command, "/dev/null"], {
    cwd: home,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
}

test.each<[string, string[]]>([
  ["validate", ["validate", "b"]],
  ["validate --format json", ["validate", "b", "--format", "json"]],
  ["validate --format github", ["validate", "b", "--format", "github"]],
  ["validate of a folder that is not there", ["validate", `no${evil}`]],
  ["next", ["next", "b"]],
  ["next --json", ["next", "b", "--json"]],
  ["plan", ["plan", "b"]],
  ["plan against a folder", ["plan", "b", "--against", "b"]],
  ["plan --format json", ["plan", "b", "--format", "json"]],
  ["exec of none", ["exec", `no${evil}`, "b"]],
  ["trigger of none", ["trigger", `no${evil}`, "--data", `d${evil}`]],
  ["status nowhere", ["status", "--url", `http://127.0.0.1:1/${evil}`]],
  ["logs nowhere", ["logs", `x${evil}`, "--url", "http://127.0.0.1:1"]],
  ["import-crontab", ["import-crontab", "crontab", "--dry-run"]],
  ["import-crontab of none", ["import-crontab", `no${evil}`]],
  ["an unknown command", [`do${evil}`]],
  ["an unknown option", ["next", `--x${evil}`]],
  ["run with a bad setting", ["run", "b", "--time-zone", `x${evil}`]],
])("%s", (_name, args) => {
  let shown: string;
  try {
    shown = onTerminal(place(), args);
  } catch (error) {
    shown = (error as { stdout?: string }).stdout ?? "";
  }
  expect(shown).not.toBe("");
  expect(JSON.stringify(shown.replace(ours, "").match(/[\p{Cc}\u202e]/gu))).toBe("null");
});

test("exec shows a script's colours and nothing else that steers", () => {
  let shown = "";
  try {
    onTerminal(place(), ["exec", "good", "b"]);
  } catch (error) {
    shown = (error as { stdout?: string }).stdout ?? "";
  }
  expect(shown).toContain("^[]0;owned^G");
  expect(shown).not.toContain("\u001b]");
});
