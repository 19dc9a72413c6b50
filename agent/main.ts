#!/usr/bin/env node
// argv → command. The only place for process.exit, process.env and process.on.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { readDotEnv } from "./cli/dot-env.ts";
import { thisMachine, thisUser } from "./cli/machine.ts";
import type * as Operate from "./cli/operate.ts";
import type { OperateDeps } from "./cli/operate.ts";
import { createPrinter } from "./cli/output.ts";
import type { OwnLog } from "./platform/log.ts";
import { environmentName, readConfig, runOptions } from "./config.ts";
import { AgentError, ConfigError, StoreError, UsageError } from "./errors.ts";

const out = createPrinter(process.stdout);
const err = createPrinter(process.stderr);
/** Holds what the `.env` of the working directory said, as far as it counted. */
let dotEnv: Readonly<Record<string, string>> = {};

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** How long the log's last lines are waited for. */
const lastLinesMs = 500;

/**
 * Exit codes: 0 done, 1 problems found or the work failed, 2 wrong use or settings, 130/143 stopped at once by a
 * second signal.
 */
async function main(): Promise<void> {
  loadDotEnv();
  const program = new Command("batch-agent")
    .description("Runs scheduled batches declared as folders in git.")
    .version(version, "-v, --version")
    .configureOutput({ writeOut: out.text, writeErr: err.text })
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
  batch-agent plan              what would change in the agent that runs
  batch-agent exec hello        try it, here and now
  batch-agent run               run it; edits are followed without a restart
  batch-agent status            how it is doing
  batch-agent logs -f hello     what its latest execution writes
  batch-agent rerun <run>       do what failed of a run again

Exit codes: 0 done; 1 problems found, or it could not be done; 2 wrong use; exec and logs -f give the script's.`,
    );
  addRun(program);
  addValidate(program);
  addNext(program);
  addPlan(program);
  addExec(program);
  addOperating(program);
  addStatus(program);
  addLogs(program);
  addImport(program);
  await program.parseAsync();
}

function addRun(program: Command): void {
  const command = program
    .command("run")
    .description("run the batches of a folder, until stopped")
    .argument("[dir]", "folder of batches (default: batches.d); not with --git-url")
    .addHelpText(
      "after",
      `
Each option is also an environment variable, --max-parallel is ${environmentName("max-parallel")}; a .env file in the
working directory is read first. Signals: SIGTERM or SIGINT ends in order, a second one at once; SIGHUP looks over the folder now,
and asks the repository of --git-url first.`,
    );
  for (const { name, value, description, fallback } of runOptions(thisMachine(process.env))) {
    const option = new Option(
      value === null ? `--${name}` : `--${name} <${value}>`,
      fallback === "" ? description : `${description} (default: ${fallback})`,
    );
    command.addOption(option);
  }
  command.action(async (dir: string | undefined, options: Record<string, string | boolean | undefined>) => {
    const { run } = await import("./cli/run.ts"); // all of the agent; the other commands need little of it
    const flags = Object.fromEntries(Object.entries(options).map(([key, value]) => [dashed(key), value]));
    let log: OwnLog | null = null;
    /** The last line, for whoever asks later why it is gone. */
    const leave = async (code: number) => {
      log?.info("batch-agent has ended", { code });
      await log?.flush(lastLinesMs);
      process.exit(code);
    };
    const started = run(dir, flags, {
      env: process.env,
      people: process.stdout.isTTY,
      version,
      onLog: (own) => (log = own),
      onLockLost: () => void leave(1),
    });
    // Heard from the first moment on: as process 1 of a container the agent would else be deaf to them while it starts.
    let asked = false;
    const stop = (signal: "SIGTERM" | "SIGINT") => {
      if (asked) {
        log?.warn(`${signal} again: leaving at once`, { signal });
        return void leave(signal === "SIGTERM" ? 143 : 130);
      }
      asked = true;
      log?.info(`${signal}: no new starts; a second signal leaves at once`, { signal });
      void started.then(
        async ({ agent, config }) => {
          log?.info(`running executions get ${config.graceMs / 1000} s to end`, { graceMs: config.graceMs });
          await leave((await agent.stop()) ? 0 : 1);
        },
        () => undefined,
      );
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", () => {
      log?.info("SIGHUP: looking over the folder", { signal: "SIGHUP" });
      void started.then(
        ({ agent }) => agent.resync(),
        () => undefined,
      );
    });
    await started;
  });
}

function addValidate(program: Command): void {
  program
    .command("validate")
    .description("say every problem of a folder as file:line:column; exit code 1 if there is any")
    .argument("[dir]", "folder of batches", "batches.d")
    .addOption(
      new Option("--format <format>", "text, json, or github for annotations in a workflow")
        .choices(["text", "json", "github"])
        .default("text"),
    )
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .action(async (dir: string, options: { format: "text" | "json" | "github"; timeZone?: string }) => {
      const { validate } = await import("./cli/validate.ts");
      const deps = await folderDeps(dir);
      process.exitCode = await validate(dir, { format: options.format, timeZone: zone(options.timeZone) }, deps);
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
      const { next } = await import("./cli/next.ts");
      const deps = await folderDeps(dir);
      const settings = { count: options.count, json: options.json ?? false, timeZone: zone(options.timeZone) };
      process.exitCode = await next(dir, settings, deps);
    });
}

function addPlan(program: Command): void {
  program
    .command("plan")
    .description(
      "say what a folder would change: batches added, removed and changed, their next starts, broken chains; exit code 1 if it has problems",
    )
    .argument("[dir]", "folder of batches", "batches.d")
    .option(
      "--against <url-or-folder>",
      "a running agent, or another folder such as a checkout of the base branch (default: the agent that status asks; if none answers, all is new)",
    )
    .addOption(
      new Option("--format <format>", "text, json, or markdown for a comment on a pull request")
        .choices(["text", "json", "markdown"])
        .default("text"),
    )
    .option("--time-zone <name>", "zone of batches that name none (default: the agent's, else this machine's)")
    .option("--token-file <file>", "holds the agent's token (default: $BATCH_AGENT_TOKEN_FILE)")
    .action(
      async (
        dir: string,
        options: { against?: string; format: "text" | "json" | "markdown"; timeZone?: string; tokenFile?: string },
      ) => {
        const { connect } = await import("./cli/connect.ts");
        const { plan } = await import("./cli/plan.ts");
        const { against: base, format, tokenFile } = options;
        const folder = base !== undefined && !/^https?:/.test(base);
        const against = folder
          ? ({ kind: "folder", dir: base, source: (await folderDeps(base)).source } as const)
          : ({
              kind: "agent",
              client: await connect({ url: base, tokenFile }, process.env, dotEnv),
              optional: base === undefined,
            } as const);
        const agentZone = options.timeZone === undefined && !process.env["BATCH_AGENT_TIME_ZONE"];
        const deps = { ...(await folderDeps(dir)), complain: err.text };
        process.exitCode = await plan(
          dir,
          against,
          { format, timeZone: zone(options.timeZone), agentZone, colours: coloured() },
          deps,
        );
      },
    );
}

function addExec(program: Command): void {
  program
    .command("exec")
    .description("run one batch here and now, in the foreground; the exit code is the script's")
    .argument("<batch>", "name of the batch")
    .argument("[dir]", "folder of batches", "batches.d")
    .option("--chain", "run what follows it too; exit code 1 if only a follower failed")
    .option("--param <name=value>", "set a parameter that the batch declares; may be given often", parameter, {})
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .addHelpText(
      "after",
      "\nNeeds no agent and leaves no history; $BATCH_STATE_DIR is empty and thrown away. Without --chain there is one attempt only.",
    )
    .action(
      async (
        batch: string,
        dir: string,
        options: { chain?: boolean; param: Record<string, string>; timeZone?: string },
      ) => {
        const { exec } = await import("./cli/exec.ts");
        process.exitCode = await exec(
          batch,
          dir,
          { chain: options.chain ?? false, params: options.param },
          {
            env: process.env,
            timeZone: zone(options.timeZone),
            archives: archiveLimits(),
            stdout: out.bytes,
            stderr: err.bytes,
            onStart(stop) {
              for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(signal));
              for (const stream of [process.stdout, process.stderr]) stream.on("error", () => stop("SIGPIPE"));
            },
          },
        );
        for (const printer of [out, err]) printer.end();
      },
    );
}

/** Commands that act on the agent of this machine, through its data folder. */
function addOperating(program: Command): void {
  const operating = (command: Command) =>
    command.option("--data <folder>", "the agent's data folder (default: data, or $BATCH_AGENT_DATA)");
  const act = async (
    data: string | undefined,
    work: (operate: typeof Operate, deps: OperateDeps) => Promise<number>,
  ) => {
    const operate = await import("./cli/operate.ts");
    const dataDir = data ?? (process.env["BATCH_AGENT_DATA"] || "data");
    const deps = {
      dataDir,
      actor: thisUser(),
      write: out.text,
      complain: err.text,
      stdout: out.bytes,
      stderr: err.bytes,
    };
    process.exitCode = await work(operate, deps);
  };
  interface Asked {
    data?: string;
    note?: string;
    follow?: boolean;
  }
  operating(
    program
      .command("trigger")
      .description("ask the agent on this machine to start a batch; prints the execution's id")
      .argument("<batch>", "name of the batch")
      .option("--param <name=value>", "set a parameter that the batch declares; may be given often", parameter, {})
      .option("--due-at <time>", "the run's logical date, ISO 8601 (default: now)", dateTime)
      .option("--note <text>", "why, for the record")
      .option("--follow", "print its output until it ends; the exit code is then the script's"),
  ).action(
    (
      batch: string,
      { data, param, dueAt = null, note, follow }: Asked & { param: Record<string, string>; dueAt?: number | null },
    ) =>
      act(data, (operate, deps) =>
        operate.trigger(batch, { params: param, dueAt, note: note ?? null, follow: follow === true }, deps),
      ),
  );
  operating(
    program
      .command("cancel")
      .description("end an execution, a run, or all open executions of a batch; prints their ids")
      .argument("<target>", "id of an execution or a run, or name of a batch")
      .option("--note <text>", "why, for the record"),
  ).action((target: string, { data, note }: Asked) =>
    act(data, (operate, deps) => operate.cancel(target, { note: note ?? null }, deps)),
  );
  operating(
    program
      .command("rerun")
      .description("do an execution, or what failed of a run, again; what follows goes on from there")
      .argument("<target>", "id of an execution or a run")
      .option("--note <text>", "why, for the record")
      .option("--follow", "print its output until it ends; the exit code is then the script's"),
  ).action((target: string, { data, note, follow }: Asked) =>
    act(data, (operate, deps) => operate.rerun(target, { note: note ?? null, follow: follow === true }, deps)),
  );
  operating(
    program
      .command("backfill")
      .description("start a batch for each due time of a range, one run after the other")
      .argument("<batch>", "name of the batch")
      .requiredOption("--from <time>", "first due time, ISO 8601, inclusive", dateTime)
      .requiredOption("--to <time>", "end of the range, exclusive", dateTime)
      .option("--note <text>", "why, for the record")
      .option("--dry-run", "only print the due times")
      .option("--again", "also those that have a run that succeeded"),
  ).action((batch: string, options: Asked & { from: number; to: number; dryRun?: boolean; again?: boolean }) =>
    act(options.data, (operate, deps) => {
      const { from, to, note, dryRun = false, again = false } = options;
      return operate.backfill(batch, { from, to, note: note ?? null, dryRun, again }, deps);
    }),
  );
}

/** Collects `--param NAME=VALUE`. */
function parameter(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("it must be NAME=VALUE");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function dateTime(text: string): number {
  const at = /^\d{4}-\d\d-\d\d(T|$)/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError("it must be an ISO 8601 time such as 2026-11-24T02:00:00Z");
  return at;
}

function addStatus(program: Command): void {
  const command = program
    .command("status")
    .description("show how a running agent and its batches are")
    .argument("[batch...]", "only these batches")
    .option("--tag <tag>", "only batches with this tag")
    .option("--group <group>", "only batches of this group and all below it")
    .addOption(
      new Option("--state <state>", "only batches in this state").choices([
        "scheduled",
        "chained",
        "disabled",
        "invalid",
        "removed",
      ]),
    )
    .option("--failed", "only batches whose last execution failed")
    .option("--all", "all of them on a terminal too, where 30 are shown, those that need you first")
    .option(
      "--check",
      "exit code 1 also when the agent is not ready, there is a problem, or a batch's last execution failed",
    )
    .option("--json", "the API's answers in one document: {url, ready, batches, problems}");
  askingOptions(command).action(
    async (
      names: string[],
      options: AskingOptions & {
        tag?: string;
        group?: string;
        state?: string;
        failed?: boolean;
        all?: boolean;
        check?: boolean;
        json?: boolean;
      },
    ) => {
      const { connect } = await import("./cli/connect.ts");
      const { status } = await import("./cli/status.ts");
      const { failed = false, all = false, check = false, json = false } = options;
      process.exitCode = await status(
        await connect(options, process.env, dotEnv),
        { names, tag: options.tag, group: options.group, state: options.state, failed, all, check, json },
        {
          now: Date.now(),
          terminal: process.stdout.isTTY,
          colours: coloured(),
          write: out.text,
        },
      );
    },
  );
}

function addLogs(program: Command): void {
  const command = program
    .command("logs")
    .description("print what an execution wrote, its stdout to stdout and its stderr to stderr")
    .argument("<id>", "id of an execution, or name of a batch for its latest one")
    .option("-f, --follow", "go on until it ends; the exit code is then the script's, as for exec")
    .addOption(new Option("--stream <stream>", "only one of the two").choices(["stdout", "stderr"]))
    .option("--tail <number>", "only the last so many lines of each", positive)
    .option("--raw", "control characters as they are, on a terminal too")
    .addHelpText(
      "after",
      "\nOn a terminal, colours pass and other control characters are shown as ^[ and the like. Anywhere else every byte passes.",
    );
  askingOptions(command).action(
    async (
      target: string,
      options: AskingOptions & { follow?: boolean; stream?: "stdout" | "stderr"; tail?: number; raw?: boolean },
    ) => {
      const { connect } = await import("./cli/connect.ts");
      const { logs } = await import("./cli/logs.ts");
      const { follow = false, stream = null, tail = null, raw = false } = options;
      process.exitCode = await logs(
        await connect(options, process.env, dotEnv),
        target,
        { follow, stream, tail, raw },
        {
          stdout: outputOf(process.stdout),
          stderr: outputOf(process.stderr),
          complain: err.text,
          wait: (ms) => new Promise((done) => setTimeout(done, ms)),
          now: Date.now,
        },
      );
    },
  );
}

function addImport(program: Command): void {
  program
    .command("import-crontab")
    .description(
      "turn a crontab into batch folders; exit code 1 if something of it could not be taken over, which is said with its line",
    )
    .argument("<file>", "the crontab, as written by crontab -l, or /etc/crontab; - for stdin")
    .option("--out <folder>", "folder of batches to write to", "batches.d")
    .addOption(
      new Option(
        "--system",
        "each line names a user before the command, as in /etc/crontab (default: found out)",
      ).conflicts("user"),
    )
    .option("--user", "no line does")
    .option("--dry-run", "show what would be written")
    .addHelpText(
      "after",
      "\nOverwrites nothing: if a folder of one of the names is there already, none is written. Look at the result with validate and next.",
    )
    .action(async (file: string, options: { out: string; system?: boolean; user?: boolean; dryRun?: boolean }) => {
      const { readInput, runImport } = await import("./cli/import-crontab.ts");
      const form = options.system ? "system" : options.user ? "user" : null;
      let bytes: Uint8Array;
      try {
        bytes = await readInput(file);
      } catch (error) {
        throw new StoreError("read", file, error);
      }
      process.exitCode = await runImport(
        file,
        bytes,
        { out: options.out, form, dryRun: options.dryRun ?? false },
        {
          write: out.text,
          complain: err.text,
        },
      );
    });
}

interface AskingOptions {
  url?: string;
  tokenFile?: string;
}

/** Returns what every command takes that asks a running agent. */
function askingOptions(command: Command): Command {
  return command
    .option(
      "--url <url>",
      "where the agent serves (default: $BATCH_AGENT_URL, else $BATCH_AGENT_HOST and $BATCH_AGENT_PORT, else http://127.0.0.1:8080)",
    )
    .option("--token-file <file>", "holds the agent's token (default: $BATCH_AGENT_TOKEN_FILE)");
}

function coloured(): boolean {
  return process.stdout.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}

/** Takes more only as fast as whoever reads it. */
function outputOf(stream: NodeJS.WriteStream) {
  return {
    terminal: stream.isTTY,
    async write(bytes: Uint8Array) {
      if (!stream.write(bytes)) await once(stream, "drain");
    },
  };
}

async function folderDeps(dir: string) {
  const { createSource } = await import("./sources/folder.ts");
  const { createUnpacker } = await import("./sources/archive/unpack.ts");
  return {
    source: createSource(dir, { unpack: createUnpacker(tmpdir(), archiveLimits()) }),
    now: Date.now(),
    write: out.text,
  };
}

/** As `run` takes them from the environment. */
function archiveLimits() {
  const { archiveEntries, archiveBytes } = readConfig({}, process.env, thisMachine(process.env));
  return { entries: archiveEntries, bytes: archiveBytes };
}

function zone(flag: string | undefined): string {
  const { timeZone, timeZoneNote } = readConfig(
    flag === undefined ? {} : { "time-zone": flag },
    process.env,
    thisMachine(process.env),
  );
  if (timeZoneNote !== null) err.text(`note: ${timeZoneNote}\n`);
  return timeZone;
}

function positive(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 100_000)
    throw new InvalidArgumentError("a whole number from 1 to 100000");
  return Number(text);
}

function dashed(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Variables already set, and not to nothing, win over the file. */
function loadDotEnv(): void {
  // Kubernetes tells pods of a Service called batch-agent in a variable of this name: `tcp://10.0.0.1:80`.
  if (process.env["BATCH_AGENT_PORT"]?.startsWith("tcp://") === true) delete process.env["BATCH_AGENT_PORT"];
  dotEnv = readDotEnv(".env", process.env);
  Object.assign(process.env, dotEnv);
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

main().catch((error: unknown) => {
  if (error instanceof ConfigError || error instanceof StoreError || error instanceof AgentError) {
    err.text(`batch-agent: ${error.message}\n`);
    if (error.hint !== null) err.text(`hint: ${error.hint}\n`);
    // A lock that is held or a folder that is not there is the user's to mend, not a bug: no stack.
    process.exit(error instanceof UsageError ? 2 : 1);
  }
  err.text(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
