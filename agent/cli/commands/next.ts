// `batch-agent next`, its options.
import type { Command } from "commander";
import { folderDeps, timeZoneOf, type CommandContext } from "./context.ts";
import { positive } from "./options.ts";

export function addNext(program: Command, context: CommandContext): void {
  program
    .command("next")
    .description("show the coming starts of a folder; needs no agent")
    .argument("[dir]", "folder of batches", "batches.d")
    .option("-n, --count <number>", "how many starts", positive, 10)
    .option("--json", "as JSON")
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .action(async (dir: string, options: { count: number; json?: boolean; timeZone?: string }) => {
      const { next } = await import("../next.ts");
      const deps = await folderDeps(context, dir);
      const settings = {
        count: options.count,
        json: options.json ?? false,
        timeZone: timeZoneOf(context, options.timeZone),
      };
      context.finish(await next(dir, settings, deps));
    });
}
