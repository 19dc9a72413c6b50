#!/usr/bin/env node
// argv → command. The only place for process.exit, process.env and process.on.
import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { environmentName, runOptions } from "./config.ts";
import { ConfigError, StoreError } from "./errors.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

/** Exit codes: 0 done, 1 problems found or the work failed, 2 wrong use or settings, 130/143 stopped at once by a second signal. */
async function main(): Promise<void> {
  loadDotEnv();
  const program = new Command("batch-agent")
    .description("Runs scheduled batches declared as folders in git.")
    .version(version)
    .showHelpAfterError("(add --help for what can be said)")
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .addHelpText(
      "after",
      `
A batch is a folder with script.sh and batch.yaml:

  batches.d/hello/batch.yaml    cron: "* * * * *"
  batches.d/hello/script.sh     echo "hello from $BATCH_NAME"

  batch-agent validate          what is wrong, with file, line and column
  batch-agent next              what will start when
  batch-agent exec hello        try it, here and now
  batch-agent run               run it; edits are followed without a restart`,
    );
  await addRun(program);
  addValidate(program);
  addNext(program);
  addExec(program);
  addTrigger(program);
  await program.parseAsync();
}

async function addRun(program: Command): Promise<void> {
  const { run, thisMachine } = await import("./commands/run.ts");
  const command = program
    .command("run")
    .description("run the batches of a folder, until stopped")
    .argument("[dir]", "folder of batches", "batches.d")
    .addHelpText(
      "after",
      `
Each option is also an environment variable, --max-parallel is ${environmentName("max-parallel")}; a .env file in the
working directory is read first. Signals: SIGTERM or SIGINT ends in order, a second one at once; SIGHUP looks over the folder now.`,
    );
  for (const { name, value, description, fallback } of runOptions(thisMachine())) {
    const option = new Option(value === null ? `--${name}` : `--${name} <${value}>`, fallback === "" ? description : `${description} (default: ${fallback})`);
    command.addOption(option);
  }
  command.action(async (dir: string, options: Record<string, string | boolean | undefined>) => {
    const flags = Object.fromEntries(Object.entries(options).map(([key, value]) => [dashed(key), value]));
    const started = run(dir, flags, { env: process.env, people: process.stdout.isTTY, version, onLockLost: () => process.exit(1) });
    // Heard from the first moment on: as process 1 of a container the agent would else be deaf to them while it starts.
    let asked = false;
    const stop = (signal: "SIGTERM" | "SIGINT") => {
      if (asked) process.exit(signal === "SIGTERM" ? 143 : 130);
      asked = true;
      void started.then(async ({ agent, config }) => {
        if (process.stdout.isTTY) console.log(`ending; running executions get ${config.graceMs / 1000} s, a second signal leaves at once`);
        process.exit((await agent.stop()) ? 0 : 1);
      }, () => undefined);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", () => void started.then(({ agent }) => agent.resync(), () => undefined));
    await started;
  });
}

function addValidate(program: Command): void {
  program
    .command("validate")
    .description("say every problem of a folder as file:line:column; exit code 1 if there is any")
    .argument("[dir]", "folder of batches", "batches.d")
    .addOption(new Option("--format <format>", "text, json, or github for annotations in a workflow").choices(["text", "json", "github"]).default("text"))
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .action(async (dir: string, options: { format: "text" | "json" | "github"; timeZone?: string }) => {
      const { validate } = await import("./commands/validate.ts");
      const deps = await folderDeps(dir);
      process.exitCode = await validate(dir, { format: options.format, timeZone: await zone(options.timeZone) }, deps);
    });
}

function addNext(program: Command): void {
  program
    .command("next")
    .description("show the coming starts of a folder; needs no agent")
    .argument("[dir]", "folder of batches", "batches.d")
    .option("-n, --count <number>", "how many starts", positive, 10)
    .option("--json", "as JSON")
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .action(async (dir: string, options: { count: number; json?: boolean; timeZone?: string }) => {
      const { next } = await import("./commands/next.ts");
      const deps = await folderDeps(dir);
      const settings = { count: options.count, json: options.json ?? false, timeZone: await zone(options.timeZone) };
      process.exitCode = await next(dir, settings, deps);
    });
}

function addExec(program: Command): void {
  program
    .command("exec")
    .description("run one batch here and now, in the foreground; the exit code is the script's")
    .argument("<batch>", "name of the batch")
    .argument("[dir]", "folder of batches", "batches.d")
    .option("--chain", "run what follows it too; exit code 1 if only a follower failed")
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .addHelpText("after", "\nNeeds no agent and leaves no history; $BATCH_STATE_DIR is empty and thrown away. Without --chain there is one attempt only.")
    .action(async (batch: string, dir: string, options: { chain?: boolean; timeZone?: string }) => {
      const { exec } = await import("./commands/exec.ts");
      process.exitCode = await exec(batch, dir, { chain: options.chain ?? false }, {
        env: process.env,
        timeZone: await zone(options.timeZone),
        stdout: (bytes) => void process.stdout.write(bytes),
        stderr: (bytes) => void process.stderr.write(bytes),
        onStart(stop) {
          process.on("SIGINT", stop);
          process.on("SIGTERM", stop);
        },
      });
    });
}

function addTrigger(program: Command): void {
  program
    .command("trigger")
    .description("ask the agent on this machine to start a batch; prints the execution's id")
    .argument("<batch>", "name of the batch")
    .option("--data <folder>", "the agent's data folder (default: data, or $BATCH_AGENT_DATA)")
    .action(async (batch: string, options: { data?: string }) => {
      const { trigger } = await import("./commands/trigger.ts");
      const data = options.data ?? (process.env["BATCH_AGENT_DATA"] || "data");
      process.exitCode = await trigger(batch, data, {
        write: (text) => void process.stdout.write(text),
        complain: (text) => void process.stderr.write(text),
      });
    });
}

async function folderDeps(dir: string) {
  const { createSource } = await import("./io/source.ts");
  return { source: createSource(dir), now: Date.now(), write: (text: string) => void process.stdout.write(text) };
}

async function zone(flag: string | undefined): Promise<string> {
  const { readConfig } = await import("./config.ts");
  const { thisMachine } = await import("./commands/run.ts");
  return readConfig(flag === undefined ? {} : { "time-zone": flag }, process.env, thisMachine()).timeZone;
}

function positive(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 100_000) throw new InvalidArgumentError("a whole number from 1 to 100000");
  return Number(text);
}

function dashed(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Variables already set win over the file. */
function loadDotEnv(): void {
  try {
    process.loadEnvFile(".env");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

main().catch((error: unknown) => {
  if (error instanceof ConfigError || error instanceof StoreError) {
    console.error(`batch-agent: ${error.message}`);
    if (error.hint !== null) console.error(`hint: ${error.hint}`);
    // A lock that is held or a folder that is not there is the user's to mend, not a bug: no stack.
    process.exit(1);
  }
  console.error(error);
  process.exit(1);
});
