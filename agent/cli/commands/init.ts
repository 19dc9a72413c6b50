// `batch-agent init`, its options.
import type { Command } from "commander";
import type { CommandContext } from "./context.ts";

export function addInit(program: Command, context: CommandContext): void {
  program
    .command("init")
    .description("make a first folder of batches: two that form a chain, a group's settings, .gitignore, a CI workflow")
    .argument("[dir]", "folder of batches to make", "batches.d")
    .addHelpText(
      "after",
      "\nOverwrites nothing; where [dir] holds batches already, none are added. The workflow and .gitignore " +
        "lie at the top\nof the git work tree, without one beside [dir].",
    )
    .action(async (dir: string) => {
      const { init } = await import("../init.ts");
      await init(dir, context.out.text);
    });
}
