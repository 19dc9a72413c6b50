// `batch-agent completion`: a completion script for a shell, made of the commands and options as they are declared.
import { Argument, type Command, type Option } from "commander";
import type { CommandContext } from "./context.ts";
import { bashScript, fishScript, zshScript, type CompletedCommand, type ValueKind } from "../report/completion.ts";

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };

export function addCompletion(program: Command, context: CommandContext): void {
  program
    .command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(scripts)))
    .addHelpText(
      "after",
      `
  bash   source <(batch-agent completion bash), in ~/.bashrc
  zsh    batch-agent completion zsh > "\${fpath[1]}/_batch-agent"; or source <(…) after compinit
  fish   batch-agent completion fish > ~/.config/fish/completions/batch-agent.fish`,
    )
    .action((shell: keyof typeof scripts) => context.out.text(scripts[shell](program.commands.map(described))));
}

function described(command: Command): CompletedCommand {
  return {
    name: command.name(),
    description: command.description(),
    options: [
      ...command.options.map((option) => ({
        long: option.long ?? "",
        short: option.short ?? null,
        description: option.description,
        value: kindOf(option),
        choices: option.argChoices ?? [],
      })),
      { long: "--help", short: "-h", description: "show help", value: "none" as const, choices: [] },
    ],
    arguments: command.registeredArguments.map((argument) => ({
      kind: argumentKinds[argument.name()] ?? "other",
      choices: argument.argChoices ?? [],
      isMany: argument.variadic,
    })),
  };
}

const argumentKinds: Record<string, ValueKind> = {
  batch: "batch",
  target: "batch",
  id: "batch",
  dir: "folder",
  file: "file",
};

/** Returns what the value of an option is, by the name it has in the help. */
function kindOf({ flags, required, optional, argChoices }: Option): ValueKind {
  if (!required && !optional) return "none";
  if (argChoices !== undefined) return "other";
  const name = /[<[]([^>\]]*)[>\]]/.exec(flags)?.[1] ?? "";
  if (/folder|dir/.test(name)) return "folder";
  return /file|path/.test(name) ? "file" : "other";
}
