// Every command over hostile text, on a real terminal: nothing reaches it but line breaks and our own colours.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newHead } from "../../agent/history/document.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { execution } from "../helpers/make.ts";
import { evil, onTerminal, steering } from "../helpers/terminal.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

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
  const row = {
    ...execution({ status: "failed" }),
    message: evil,
    group: evil,
    trigger: { kind: "manual", dueAt: new Date(0).toISOString(), by: null, actor: evil, note: evil },
  };
  mkdirSync(join(home, "record/batches", row.batch), { recursive: true });
  const document = { ...newHead(row.batch, row.createdAt), executions: [row] };
  writeFileSync(join(home, "record/batches", row.batch, "history.json"), JSON.stringify(document));
  mkdirSync(join(home, "record/batches", `odd${evil}`));
  writeFileSync(join(home, "record/batches", `odd${evil}`, "history.json"), evil);
  writeFileSync(join(home, "crontab"), `* * * * * echo ${evil}\nMAILTO=${evil}\n@${evil} x\n* * * * ${evil} y\n`);
  return home;
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
  ["logs of none, lower case", ["logs", "01jd0000000000000000000000", "--url", "http://127.0.0.1:1"]],
  ["history nowhere", ["history", `x${evil}`, "--url", "http://127.0.0.1:1"]],
  ["history of a strange status", ["history", "--status", `x${evil}`]],
  ["history since a strange time", ["history", "--since", evil]],
  ["history --offline of no data folder", ["history", "--offline", "--data", `d${evil}`]],
  ["history --offline of a record that holds anything", ["history", "--offline", "--data", "record"]],
  ["history --offline --json", ["history", "--offline", "--json", "--data", "record"]],
  ["history --offline of a batch that is not on record", ["history", `x${evil}`, "--offline", "--data", "record"]],
  ["next of a batch that is not there", ["next", "b", `x${evil}`]],
  ["next of a folder that is not there", ["next", `x${evil}`]],
  ["cancel of none", ["cancel", `no${evil}`, "--data", `d${evil}`]],
  ["rerun of none", ["rerun", `no${evil}`, "--note", evil, "--data", "record"]],
  ["backfill of none", ["backfill", `no${evil}`, "--from", "2026-01-01", "--to", evil]],
  ["init", ["init", `new${evil}`]],
  ["init beside others", ["init", "b"]],
  ["completion of a strange shell", ["completion", `x${evil}`]],
  ["import-crontab", ["import-crontab", "crontab", "--dry-run"]],
  ["import-crontab, written", ["import-crontab", "crontab", "--out", `out${evil}`]],
  ["import-crontab, with users", ["import-crontab", "crontab", "--system", "--dry-run"]],
  ["import-crontab of none", ["import-crontab", `no${evil}`]],
  ["an unknown command", [`do${evil}`]],
  ["an unknown option", ["next", `--x${evil}`]],
  ["run with a bad setting", ["run", "b", "--time-zone", `x${evil}`]],
])("%s", async (_name, args) => {
  const shown = await onTerminal(place(), args);
  expect(shown).not.toBe("");
  expect(steering(shown)).toBe("null");
});

test("exec shows a script's colours and nothing else that steers", async () => {
  const shown = await onTerminal(place(), ["exec", "good", "b"]);
  expect(shown).toContain("^[]0;owned^G");
  expect(shown).not.toContain("\u001b]");
});

test("what an agent has of others: history, status, logs, followed and with times", async () => {
  const work = workplace();
  work.put("loud", 'cron: "@yearly"\n', `printf '%s' '${evil}'; echo '${evil}' >&2; printf '\\033[31mred'; exit 3`);
  const agent = await startAgent(work);
  await type(work.home, ["trigger", "loud", "--note", evil, "--follow"]);
  const url = ["--url", agent.url];
  for (const args of [
    ["history", ...url],
    ["history", "--json", ...url],
    ["status", ...url],
    ["logs", "loud", ...url],
    ["logs", "loud", "--timestamps", ...url],
    ["logs", "loud", "-f", ...url],
    ["rerun", (await agent.executions())[0]?.id ?? "", "--note", evil, "--follow"],
    ["cancel", "loud", "--note", evil],
  ]) {
    const shown = await onTerminal(work.home, args);
    expect(shown).not.toBe("");
    const isLog = args[0] === "logs" || args[0] === "rerun";
    // A script's colours pass, and its carriage returns; nothing else of it steers.
    const script = isLog ? /\u001b\[(?:31|0)?m|\r|\u202e/g : undefined;
    expect([args, steering(shown, script)]).toEqual([args, "null"]);
    if (isLog) expect(shown).toContain("\u001b[0m");
  }
}, 90_000);
