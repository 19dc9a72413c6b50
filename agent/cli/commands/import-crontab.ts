// `batch-agent import-crontab`, its options.
import { Option, type Command } from "commander";
import { StoreError } from "../../errors.ts";
import type { CommandContext } from "./context.ts";

export function addImport(program: Command, context: CommandContext): void {
  program
    .command("import-crontab")
    .description(
      "turn a crontab into batch folders; exit code 1 if something of it could not be taken over, which is " +
        "said with its line",
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
      "\nOverwrites nothing: if a folder of one of the names is there already, none is written. Look at the " +
        "result with validate and next.",
    )
    .action(async (file: string, options: { out: string; system?: boolean; user?: boolean; dryRun?: boolean }) => {
      const { readInput, runImport } = await import("../import-crontab.ts");
      const form = options.system ? "system" : options.user ? "user" : null;
      let bytes: Uint8Array;
      try {
        bytes = await readInput(file);
      } catch (error) {
        throw new StoreError("read", file, error);
      }
      context.finish(
        await runImport(
          file,
          bytes,
          { out: options.out, form, dryRun: options.dryRun ?? false },
          {
            write: context.out.text,
            complain: context.err.text,
          },
        ),
      );
    });
}
