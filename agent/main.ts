#!/usr/bin/env node
// Turns arguments into a command. The one place that ends the process, reads its environment and hears its signals.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addCompletion } from "./cli/commands/completion.ts";
import type { CommandContext } from "./cli/commands/context.ts";
import { addExec } from "./cli/commands/exec.ts";
import { addHistory } from "./cli/commands/history.ts";
import { addImport } from "./cli/commands/import-crontab.ts";
import { addInit } from "./cli/commands/init.ts";
import { addLogs } from "./cli/commands/logs.ts";
import { addNext } from "./cli/commands/next.ts";
import { addOperating } from "./cli/commands/operate.ts";
import { addPlan } from "./cli/commands/plan.ts";
import { addRun } from "./cli/commands/run.ts";
import { addStatus } from "./cli/commands/status.ts";
import { addValidate } from "./cli/commands/validate.ts";
import { readDotEnv } from "./cli/dot-env.ts";
import { createPrinter } from "./cli/output.ts";
import { AgentError, ConfigError, StoreError, UsageError } from "./errors.ts";

const out = createPrinter(process.stdout);
const err = createPrinter(process.stderr);

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/**
 * Exit codes: 0 done, 1 problems found or the work failed, 2 wrong use or settings, 130/143 stopped at once by a
 * second signal.
 */
async function main(): Promise<void> {
  const context: CommandContext = {
    env: process.env,
    dotEnv: loadDotEnv(),
    version,
    out,
    err,
    stdout: process.stdout,
    stderr: process.stderr,
    onSignal: (signal, listener) => process.on(signal, listener),
    finish: (exitCode) => (process.exitCode = exitCode),
    exit: (exitCode) => process.exit(exitCode),
  };
  const program = new Command("batch-agent")
    .description("Runs scheduled batches declared as folders in git.")
    .version(version, "-v, --version")
    .configureOutput({ writeOut: out.text, writeErr: err.text })
    .showHelpAfterError("(run with --help for usage)")
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .addHelpText(
      "after",
      `
A batch is a folder with script.sh and batch.yaml:

  batches.d/hello/batch.yaml    cron: "* * * * *"
  batches.d/hello/script.sh     echo "hello from $BATCH_NAME"

  batch-agent init              a first folder to begin with
  batch-agent validate          what is wrong, with file, line and column
  batch-agent next              what will start when
  batch-agent plan              what would change in the agent that runs
  batch-agent exec hello        try it, here and now
  batch-agent run               run it; edits are followed without a restart
  batch-agent status            how it is doing
  batch-agent logs -f hello     what its latest execution writes
  batch-agent history           what has run, newest first
  batch-agent rerun <run>       do what failed of a run again

Exit codes: 0 done; 1 problems found, or it could not be done; 2 wrong use; exec and logs -f give the script's.`,
    );
  const commands = [
    ...[addRun, addInit, addValidate, addNext, addPlan, addExec, addOperating],
    ...[addHistory, addStatus, addLogs, addImport, addCompletion],
  ];
  for (const add of commands) add(program, context);
  await program.parseAsync();
}

/** Variables already set, and not to nothing, win over the file. */
function loadDotEnv(): Readonly<Record<string, string>> {
  // Kubernetes tells pods of a Service called batch-agent in a variable of this name: `tcp://10.0.0.1:80`.
  if (process.env["BATCH_AGENT_PORT"]?.startsWith("tcp://") === true) delete process.env["BATCH_AGENT_PORT"];
  const dotEnv = readDotEnv(".env", process.env);
  Object.assign(process.env, dotEnv);
  return dotEnv;
}

// `batch-agent … | head`: who has read enough is no error. The agent itself goes on without its terminal; `exec` ends
// its script first.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (process.argv[2] === "run" || process.argv[2] === "exec") return;
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
}

/** Says why it ends: nothing that was thrown reaches the terminal but through the printer. */
function fail(error: unknown): never {
  if (error instanceof ConfigError || error instanceof StoreError || error instanceof AgentError) {
    err.text(`batch-agent: ${error.message}\n`);
    if (error.hint !== null) err.text(`hint: ${error.hint}\n`);
    // A lock that is held or a folder that is not there is the user's to mend, not a bug: no stack.
    process.exit(error instanceof UsageError ? 2 : 1);
  }
  err.text(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}

process.on("uncaughtException", fail);
main().catch(fail);
