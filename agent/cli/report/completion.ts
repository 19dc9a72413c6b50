// Completion scripts for bash, zsh and fish out of the commands there are. Pure. Names of batches are read by the
// script itself from the folder of batches and the data folder: starting the program for them would take too long.

/** What a value is; "none": the option takes none. */
export type ValueKind = "none" | "batch" | "folder" | "file" | "other";

export interface CompletedCommand {
  name: string;
  description: string;
  options: readonly {
    long: string;
    short: string | null;
    description: string;
    value: ValueKind;
    choices: readonly string[];
  }[];
  arguments: readonly { kind: ValueKind; choices: readonly string[]; isMany: boolean }[];
}

/**
 * A shell function that prints names of batches, one a line: folders and archives of batches.d, and what is on record.
 * Names that no batch can have are left out: a shell would run what stands in some of them.
 */
const names = `_batch_agent_batches() {
  {
    find -L batches.d -mindepth 2 -maxdepth 10 -name 'batch.y*ml' 2>/dev/null | sed 's|/[^/]*$||; s|.*/||'
    find -L batches.d -maxdepth 9 -type f 2>/dev/null | sed -n -E 's/.*\\/([^/]*)\\.(zip|tar|tar\\.gz|tgz)$/\\1/p'
    ls -1 "\${BATCH_AGENT_DATA:-data}/batches" 2>/dev/null
  } | grep -E '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' | sort -u
}`;

export function bashScript(commands: readonly CompletedCommand[]): string {
  const cases = commands.map((command) => {
    const { name, options } = command;
    const flags = options.flatMap(({ long, short }) => [long, ...(short === null ? [] : [short])]);
    const values = options
      .filter(({ value }) => value !== "none")
      .map(({ long, short, value, choices }) => {
        const either = short === null ? long : `${long}|${short}`;
        return `        ${either}) ${bashValue(value, choices)}; return ;;`;
      });
    const taking = options.flatMap(({ long, short, value }) =>
      value === "none" ? [] : [long, ...(short === null ? [] : [short])],
    );
    return `    ${name})
      options="${flags.join(" ")}" taking=" ${taking.join(" ")} "
      case "$previous" in
${values.join("\n")}
      esac
      _batch_agent_position
      case "$position" in
${bashArguments(command).join("\n")}
      esac ;;`;
  });
  return `# bash completion for batch-agent: source <(batch-agent completion bash)
${names}
_batch_agent_add() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done
}
_batch_agent_words() { _batch_agent_add < <(compgen -W "$1" -- "$current"); }
_batch_agent_files() {
  compopt -o filenames 2>/dev/null
  _batch_agent_add < <(compgen "$1" -- "$current")
}
# Counts the arguments before the one that is typed, without options and their values.
_batch_agent_position() {
  local at word
  position=0
  for ((at = start + 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    if [[ $taking == *" $word "* ]]; then at=$((at + 1)); [[ \${COMP_WORDS[at]} == "=" ]] && at=$((at + 1))
    elif [[ $word != -* ]]; then position=$((position + 1)); fi
  done
}
_batch_agent() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="" start=1 position=0 options="" taking=""
  ((COMP_CWORD > 0)) && previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  [[ $current == "=" ]] && current=""
  [[ $previous == "=" ]] && previous="\${COMP_WORDS[COMP_CWORD - 2]}"
  COMPREPLY=()
  if ((COMP_CWORD == start)); then
    _batch_agent_words "${commands.map(({ name }) => name).join(" ")} --help --version"
    return
  fi
  case "\${COMP_WORDS[start]}" in
${cases.join("\n")}
  esac
  if [[ $current == -* ]]; then COMPREPLY=(); _batch_agent_words "$options"; fi
}
complete -F _batch_agent batch-agent
`;
}

function bashValue(kind: ValueKind, choices: readonly string[]): string {
  if (choices.length > 0) return `_batch_agent_words "${choices.join(" ")}"`;
  if (kind === "batch") return `_batch_agent_words "$(_batch_agent_batches)"`;
  if (kind === "folder") return "_batch_agent_files -d";
  return kind === "file" ? "_batch_agent_files -f" : ":";
}

function bashArguments(command: CompletedCommand): string[] {
  return command.arguments.map(
    ({ kind, choices, isMany }, i) => `        ${isMany ? "*" : i}) ${bashValue(kind, choices)} ;;`,
  );
}

export function zshScript(commands: readonly CompletedCommand[]): string {
  const action = (kind: ValueKind, choices: readonly string[]) => {
    if (choices.length > 0) return `(${choices.join(" ")})`;
    if (kind === "batch") return "_batch_agent_complete_batches";
    return kind === "folder" ? "_files -/" : kind === "file" ? "_files" : " ";
  };
  const cases = commands.map(({ name, options, arguments: all }) => {
    const specs = [
      ...options.map(({ long, short, description, value, choices }) => {
        const tail = `[${zshText(description)}]${value === "none" ? "" : `:value:${action(value, choices)}`}`;
        return short === null ? zshQuoted(`*${long}${tail}`) : `'*'{${short},${long}}${zshQuoted(tail)}`;
      }),
      ...all.map(({ kind, choices, isMany }, i) =>
        zshQuoted(`${isMany ? "*" : i + 1}:argument:${action(kind, choices)}`),
      ),
    ];
    return `    ${name})
      _arguments -s ${specs.join(" \\\n        ")} ;;`;
  });
  return `#compdef batch-agent
# zsh completion for batch-agent: batch-agent completion zsh > "\${fpath[1]}/_batch-agent"
${names}
_batch_agent_complete_batches() {
  local -a found
  found=(\${(f)"$(_batch_agent_batches)"})
  compadd -a found
}
_batch_agent() {
  local -a commands
  commands=(
${commands.map(({ name, description }) => `    ${zshQuoted(`${name}:${description}`)}`).join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  ((CURRENT--))
  case "$command" in
${cases.join("\n")}
  esac
}
if [[ "\${funcstack[1]}" == "_batch-agent" || "\${funcstack[1]}" == "_batch_agent" ]]; then
  _batch_agent "$@"
else
  compdef _batch_agent batch-agent
fi
`;
}

function zshText(text: string): string {
  return text.replace(/[\\[\]:]/g, "\\$&");
}

function zshQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, description, options, arguments: all }) => {
    const seen = `-n '__fish_seen_subcommand_from ${name}'`;
    const value = (kind: ValueKind, choices: readonly string[]) => {
      if (choices.length > 0) return ` -a '${choices.join(" ")}'`;
      if (kind === "batch") return " -a '(__batch_agent_batches)'";
      if (kind === "folder") return " -a '(__fish_complete_directories)'";
      return kind === "file" ? " -F" : "";
    };
    return [
      `complete -c batch-agent -n __fish_use_subcommand -a ${name} -d ${fishQuoted(description)}`,
      ...options.map((option) => {
        const short = option.short === null ? "" : ` -s ${option.short.slice(1)}`;
        const taken = option.value === "none" ? "" : ` -r${value(option.value, option.choices)}`;
        return (
          `complete -c batch-agent ${seen} -l ${option.long.slice(2)}${short}${taken} -d ` +
          fishQuoted(option.description)
        );
      }),
      ...all.map(({ kind, choices }) => `complete -c batch-agent ${seen}${value(kind, choices)}`),
    ];
  });
  return `# fish completion for batch-agent: batch-agent completion fish > ~/.config/fish/completions/batch-agent.fish
function __batch_agent_batches
  set -l data data
  test -n "$BATCH_AGENT_DATA"; and set data $BATCH_AGENT_DATA
  begin
    find -L batches.d -mindepth 2 -maxdepth 10 -name 'batch.y*ml' 2>/dev/null | sed 's|/[^/]*$||; s|.*/||'
    find -L batches.d -maxdepth 9 -type f 2>/dev/null | sed -n -E 's/.*\\/([^/]*)\\.(zip|tar|tar\\.gz|tgz)$/\\1/p'
    ls -1 "$data/batches" 2>/dev/null
  end | grep -E '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' | sort -u
end
complete -c batch-agent -f
${lines.join("\n")}
`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
