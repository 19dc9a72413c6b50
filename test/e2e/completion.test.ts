// Completion scripts, tried in the shells themselves.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type } from "../helpers/cli.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const has = (shell: string) => spawnSync("sh", ["-c", `command -v ${shell}`]).status === 0;

async function place(shell: string) {
  const home = temporaryFolder();
  for (const name of ["report", "billing/invoice-mails", ".hidden", "$(touch ran)", "two words"]) {
    mkdirSync(join(home, "batches.d", name), { recursive: true });
    writeFileSync(join(home, "batches.d", name, "batch.yaml"), 'cron: "@daily"\n');
  }
  writeFileSync(join(home, "batches.d", "rates.tar.gz"), "");
  mkdirSync(join(home, "data/batches/removed-one"), { recursive: true });
  mkdirSync(join(home, "other place"));
  const { code, stdout } = await type(home, ["completion", shell]);
  expect(code).toBe(0);
  writeFileSync(join(home, "script"), stdout);
  return home;
}

const cases: [string[], string[]][] = [
  [["hist"], ["history"]],
  [["re"], ["rerun"]],
  [
    ["logs", "re"],
    ["removed-one", "report"],
  ],
  [
    ["trigger", ""],
    ["invoice-mails", "rates", "removed-one", "report"],
  ],
  [["trigger", "report", "--no"], ["--note"]],
  [["trigger", "report", ""], []],
  [["status", "report", "inv"], ["invoice-mails"]],
  [["history", "--status", "failed", "rep"], ["report"]],
  [
    ["logs", "--stream", "st"],
    ["stderr", "stdout"],
  ],
  [["logs", "report", "--str"], ["--stream"]],
  [["validate", "ba"], ["batches.d"]],
  [["run", "--data", "o"], ["other place"]],
  [["next", "batches.d", "rep"], ["report"]],
  [["completion", "z"], ["zsh"]],
];

test("bash: commands, options, their values, names of batches", async () => {
  const home = await place("bash");
  const source = `source ./script
COMP_WORDS=(batch-agent "$@"); COMP_CWORD=$#; COMPREPLY=()
_batch_agent
printf '%s\\n' "\${COMPREPLY[@]}"`;
  for (const [words, want] of cases) {
    const said = execFileSync("bash", ["-uc", source, "bash", ...words], { cwd: home, encoding: "utf8" });
    expect([
      words,
      said
        .split("\n")
        .filter((line) => line !== "")
        .sort(),
    ]).toEqual([words, want]);
  }
  // A name is data, whatever it looks like.
  expect(spawnSync("ls", ["ran"], { cwd: home }).status).not.toBe(0);
  expect((await type(home, ["completion", "ksh"])).code).toBe(2);
}, 60_000);

test.skipIf(!has("zsh"))(
  "zsh: the script is sound and completes a command and a batch",
  async () => {
    const home = await place("zsh");
    execFileSync("zsh", ["-n", "script"], { cwd: home });
    // A pseudo-terminal of zsh's own, in which Tab is pressed.
    const typed = (line: string) =>
      execFileSync(
        "zsh",
        [
          "-fc",
          `zmodload zsh/zpty
zpty z 'PS1= TERM=dumb zsh -f -i'
zpty -w z 'autoload -Uz compinit; compinit -u -D; source ./script; bindkey "^I" complete-word; setopt noautomenu nobeep; echo rea''dy'
zpty -r z said '*ready*'
zpty -w -n z '${line}'$'\\t'
sleep 2
zpty -w -n z $'\\C-a'"echo is='"$'\\C-e'"'"$'\\n'
zpty -r z said '*is=*'
print -r -- "$said"
zpty -d z`,
        ],
        { cwd: home, encoding: "utf8", timeout: 30_000 },
      );
    expect(typed("batch-agent hist")).toContain("history");
    expect(typed("batch-agent logs inv")).toContain("invoice-mails");
  },
  90_000,
);

test.skipIf(!has("fish"))(
  "fish: the script is sound and completes commands, values and batches",
  async () => {
    const home = await place("fish");
    execFileSync("fish", ["--no-execute", "script"], { cwd: home });
    const words = (line: string) =>
      execFileSync("fish", ["--no-config", "-c", `source ./script; complete -C "${line}"`], {
        cwd: home,
        encoding: "utf8",
      })
        .split("\n")
        .map((found) => found.split("\t")[0])
        .filter((found) => found !== "");
    expect(words("batch-agent hist")).toEqual(["history"]);
    expect(words("batch-agent logs re")).toEqual(["removed-one", "report"]);
    expect(words("batch-agent logs --stream st")).toEqual(["stderr", "stdout"]);
    expect(words("batch-agent trigger report --no")).toEqual(["--note"]);
  },
  60_000,
);
