// `batch-agent plan`, its options.
import { Option, type Command } from "commander";
import { folderDeps, timeZoneOf, usesColours, type CommandContext } from "./context.ts";

export function addPlan(program: Command, context: CommandContext): void {
  program
    .command("plan")
    .description(
      "say what a folder would change: batches added, removed and changed, their next starts, broken chains; " +
        "exit code 1 if it has problems",
    )
    .argument("[dir]", "folder of batches", "batches.d")
    .option(
      "--against <url-or-folder>",
      "a running agent, or another folder such as a checkout of the base branch (default: the agent that " +
        "status asks; if none answers, all is new)",
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
        const { connect } = await import("../connect.ts");
        const { withAnswers } = await import("../agent-client.ts");
        const { plan } = await import("../plan.ts");
        const { against: base, format, tokenFile } = options;
        const folder = base !== undefined && !/^https?:/.test(base);
        const against = folder
          ? ({ kind: "folder", dir: base, source: (await folderDeps(context, base)).source } as const)
          : ({
              kind: "agent",
              client: await connect({ url: base, tokenFile }, context.env, context.dotEnv),
              optional: base === undefined,
            } as const);
        const agentZone = options.timeZone === undefined && !context.env["BATCH_AGENT_TIME_ZONE"];
        const deps = { ...(await folderDeps(context, dir)), complain: context.err.text };
        const planned = () =>
          plan(
            dir,
            against,
            { format, timeZone: timeZoneOf(context, options.timeZone), agentZone, colours: usesColours(context) },
            deps,
          );
        context.finish(against.kind === "folder" ? await planned() : await withAnswers(against.client, planned));
      },
    );
}
