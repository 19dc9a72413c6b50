// `batch-agent validate`, its options.
import { Option, type Command } from "commander";
import { folderDeps, timeZoneOf, type CommandContext } from "./context.ts";

export function addValidate(program: Command, context: CommandContext): void {
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
      const { validate } = await import("../validate.ts");
      const deps = await folderDeps(context, dir);
      context.finish(
        await validate(dir, { format: options.format, timeZone: timeZoneOf(context, options.timeZone) }, deps),
      );
    });
}
