// `batch-agent validate`, its options.
import { Option, type Command } from "commander";
import { allowedBy, folderDeps, timeZoneOf, type CommandContext } from "./context.ts";
import { joined } from "./options.ts";

interface ValidateOptions {
  format: "text" | "json" | "github";
  timeZone?: string;
  runner?: string;
  kubernetesImage?: string;
  kubernetesImages?: string;
  kubernetesSecrets?: string;
  kubernetesConfigMaps?: string;
}

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
    .option(
      "--runner <local|kubernetes>",
      "hold batches against what --kubernetes-* allow (default: $BATCH_AGENT_RUNNER)",
    )
    .option("--kubernetes-image <image>", "as for run")
    .option("--kubernetes-images <globs>", "as for run", joined)
    .option("--kubernetes-secrets <globs>", "as for run", joined)
    .option("--kubernetes-config-maps <globs>", "as for run", joined)
    .action(async (dir: string, options: ValidateOptions) => {
      const { validate } = await import("../validate.ts");
      const deps = await folderDeps(context, dir);
      context.finish(
        await validate(
          dir,
          {
            format: options.format,
            timeZone: timeZoneOf(context, options.timeZone),
            kubernetes: allowedBy(context, {
              runner: options.runner,
              "kubernetes-image": options.kubernetesImage,
              "kubernetes-images": options.kubernetesImages,
              "kubernetes-secrets": options.kubernetesSecrets,
              "kubernetes-config-maps": options.kubernetesConfigMaps,
            }),
          },
          deps,
        ),
      );
    });
}
