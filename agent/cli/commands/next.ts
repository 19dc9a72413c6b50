// `batch-agent next`, its options.
import type { Command } from "commander";
import { folderDeps, tableWidth, timeZoneOf, type CommandContext } from "./context.ts";
import { positive } from "./options.ts";

export function addNext(program: Command, context: CommandContext): void {
  program
    .command("next")
    .description("show the coming starts of a folder; needs no agent")
    .argument("[dir]", "folder of batches", "batches.d")
    .argument("[batch...]", "only these; without [dir] where it is no folder's name too")
    .option("-n, --count <number>", "how many starts", positive, 10)
    .option("--json", "as JSON")
    .option("--time-zone <name>", "zone of batches that name none (default: this machine's)")
    .action(async (given: string, named: string[], options: { count: number; json?: boolean; timeZone?: string }) => {
      const { next, placeAndNames } = await import("../next.ts");
      const { dir, names } = await placeAndNames(given, named);
      const deps = await folderDeps(context, dir);
      const settings = {
        names,
        count: options.count,
        json: options.json ?? false,
        timeZone: timeZoneOf(context, options.timeZone),
      };
      context.finish(await next(dir, settings, { ...deps, width: tableWidth(context) }));
    });
}
