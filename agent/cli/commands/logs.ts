// `batch-agent logs`, its options.
import { Option, type Command } from "commander";
import type { LogsOptions } from "../logs.ts";
import { outputOf, type CommandContext } from "./context.ts";
import { connectionOptions, named, positive, type ConnectionOptions } from "./options.ts";

export function addLogs(program: Command, context: CommandContext): void {
  const command = program
    .command("logs")
    .description("print what an execution wrote, in the order written: its stdout to stdout, its stderr to stderr")
    .argument("<id>", "id of an execution, or name of a batch for its latest one", named)
    .option("-f, --follow", "go on until it ends; the exit code is then the script's, as for exec")
    .option("-t, --timestamps", "the time of each line before it, in UTC")
    .addOption(new Option("--stream <stream>", "only one of the two").choices(["stdout", "stderr"]))
    .option("-n, --tail <number>", "only the last so many lines", positive)
    .option("--raw", "control characters as they are, on a terminal too")
    .addHelpText(
      "after",
      "\nOn a terminal, colours pass and other control characters are shown as ^[ and the like. Anywhere else " +
        "every byte passes.",
    );
  connectionOptions(command).action(async (target: string, options: ConnectionOptions & Partial<LogsOptions>) => {
    const { connect } = await import("../connect.ts");
    const { withAnswers } = await import("../agent-client.ts");
    const { logs } = await import("../logs.ts");
    const { follow = false, stream = null, tail = null, timestamps = false, raw = false } = options;
    const client = await connect(options, context.env, context.dotEnv);
    const copied = () =>
      logs(
        client,
        target,
        { follow, stream, tail, timestamps, raw },
        {
          stdout: outputOf(context.stdout),
          stderr: outputOf(context.stderr),
          complain: context.err.text,
          wait: (ms) => new Promise((done) => setTimeout(done, ms)),
          monotonic: () => performance.now(),
        },
      );
    context.finish(await withAnswers(client, copied));
  });
}
