// `batch-agent exec`, its options.
import type { Command } from "commander";
import { archiveLimits, timeZoneOf, type CommandContext } from "./context.ts";
import { named, paramOption } from "./options.ts";

export function addExec(program: Command, context: CommandContext): void {
  program
    .command("exec")
    .description("run one batch here and now, in the foreground; the exit code is the script's")
    .argument("<batch>", "name of the batch", named)
    .argument("[dir]", "folder of batches", "batches.d")
    .option("--chain", "run what follows it too; exit code 1 if only a follower failed")
    .addOption(paramOption())
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .addHelpText(
      "after",
      "\nNeeds no agent and leaves no history; $BATCH_STATE_DIR is empty and thrown away. Without --chain " +
        "there is one attempt only.",
    )
    .action(
      async (
        batch: string,
        dir: string,
        options: { chain?: boolean; param?: Record<string, string>; timeZone?: string },
      ) => {
        const { exec } = await import("../exec.ts");
        context.finish(
          await exec(
            batch,
            dir,
            { chain: options.chain ?? false, params: options.param ?? {} },
            {
              env: context.env,
              timeZone: timeZoneOf(context, options.timeZone),
              archives: archiveLimits(context),
              stdout: context.out.bytes,
              stderr: context.err.bytes,
              onStart(stop) {
                for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
                  context.onSignal(signal, () => stop(signal));
                for (const stream of [context.stdout, context.stderr]) stream.on("error", () => stop("SIGPIPE"));
              },
            },
          ),
        );
        for (const printer of [context.out, context.err]) printer.end();
      },
    );
}
