// `batch-agent run`: its options, and what signals do to it.
import { Option, type Command } from "commander";
import { runOptions } from "../../config.ts";
import { environmentName } from "../../option-reader.ts";
import { thisMachine } from "../machine.ts";
import type { Starting } from "../run.ts";
import type { CommandContext } from "./context.ts";
import { joined } from "./options.ts";

/** How long the log's last lines are waited for. */
const lastLinesMs = 500;

export function addRun(program: Command, context: CommandContext): void {
  const command = program
    .command("run")
    .description("run the batches of a folder, until stopped")
    .argument("[dir]", "folder of batches (default: batches.d); not with --git-url")
    .addHelpText(
      "after",
      `
Each option is also an environment variable, --max-parallel is ${environmentName("max-parallel")}; a .env file in the
working directory is read first. Signals: SIGTERM or SIGINT ends in order, a second one at once; SIGHUP looks over the
folder now, and asks the repository of --git-url first.`,
    );
  for (const { name, value, description, fallback, repeatable } of runOptions(thisMachine(context.env))) {
    const option = new Option(
      value === null ? `--${name}` : `--${name} <${value}>`,
      fallback === "" ? description : `${description} (default: ${fallback})`,
    );
    if (repeatable === true) option.argParser(joined);
    command.addOption(option);
  }
  command.action(async (dir: string | undefined, options: Record<string, string | boolean | undefined>) => {
    const { run } = await import("../run.ts"); // all of the agent; the other commands need little of it
    const flags = Object.fromEntries(Object.entries(options).map(([key, value]) => [dashed(key), value]));
    let own = null as Starting | null;
    /** Writes the last line, for whoever asks later why the agent is gone. */
    const leave = async (code: number) => {
      own?.log.info("batch-agent has ended", { code });
      await own?.log.flush(lastLinesMs);
      context.exit(code);
    };
    // Signals are heard from the first moment on: as process 1 of a container the agent would else be deaf to them
    // while it starts.
    let asked = false;
    const started = run(dir, flags, {
      env: context.env,
      people: context.stdout.isTTY,
      version: context.version,
      onStarting(starting) {
        own = starting;
        if (asked) own.lifecycle.drain();
      },
      onLockLost: () => void leave(1),
    });
    const stop = (signal: "SIGTERM" | "SIGINT") => {
      if (asked) {
        own?.log.warn(`${signal} again: leaving at once`, { signal });
        void leave(signal === "SIGTERM" ? 143 : 130);
        return;
      }
      asked = true;
      own?.log.info(`${signal}: no new starts; a second signal leaves at once`, { signal });
      own?.lifecycle.drain();
      const end = async () => {
        if (own === null) return;
        const { graceMs } = own.config;
        own.log.info(`running executions get ${graceMs / 1000} s to end`, { graceMs });
        await leave((await own.lifecycle.stop()) ? 0 : 1);
      };
      void started.then(end, () => undefined);
    };
    context.onSignal("SIGTERM", () => stop("SIGTERM"));
    context.onSignal("SIGINT", () => stop("SIGINT"));
    context.onSignal("SIGHUP", () => {
      own?.log.info("SIGHUP: looking over the folder", { signal: "SIGHUP" });
      void started.then(
        (agent) => agent.resync(),
        () => undefined,
      );
    });
    await started;
  });
}

function dashed(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
