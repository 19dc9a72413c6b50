// `batch-agent status`, its options.
import { Option, type Command } from "commander";
import { tableWidth, usesColours, type CommandContext } from "./context.ts";
import { connectionOptions, type ConnectionOptions } from "./options.ts";

export function addStatus(program: Command, context: CommandContext): void {
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
  connectionOptions(command).action(
    async (
      names: string[],
      options: ConnectionOptions & {
        tag?: string;
        group?: string;
        state?: string;
        failed?: boolean;
        all?: boolean;
        check?: boolean;
        json?: boolean;
      },
    ) => {
      const { connect } = await import("../connect.ts");
      const { withAnswers } = await import("../agent-client.ts");
      const { status } = await import("../status.ts");
      const { failed = false, all = false, check = false, json = false } = options;
      const client = await connect(options, context.env, context.dotEnv);
      const shown = () =>
        status(
          client,
          { names, tag: options.tag, group: options.group, state: options.state, failed, all, check, json },
          {
            now: Date.now(),
            terminal: context.stdout.isTTY,
            colours: usesColours(context),
            width: tableWidth(context),
            write: context.out.text,
          },
        );
      context.finish(await withAnswers(client, shown));
    },
  );
}
