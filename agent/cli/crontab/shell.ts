// Decides whether a command means the same to bash as to the shell that cron called. Pure.

/** Words that one of bash, dash and busybox's sh knows otherwise than another, or not at all. */
const differing = new Set(
  (
    "source . function select time let declare typeset local readonly export unset read printf type hash " +
    "ulimit trap kill wait jobs fg bg disown suspend history fc pushd popd dirs shopt enable builtin command " +
    "help mapfile readarray caller complete compgen compopt logout bind alias unalias coproc exec set getopts " +
    "umask eval times [[ ]] == -ot -nt -ef =~"
  ).split(" "),
);
/** Variables that bash sets by itself. */
const bashVariables = new RegExp(
  String.raw`\$\{?(?:${(
    "RANDOM SRANDOM UID EUID GROUPS HOSTNAME HOSTTYPE MACHTYPE OSTYPE SECONDS LINENO SHLVL SHELLOPTS " +
    String.raw`PIPESTATUS FUNCNAME EPOCH\w+ DIRSTACK HISTCMD PPID COLUMNS LINES OPTERR BASH\w* COMP_\w+`
  ).replaceAll(" ", "|")})\b`,
);

/**
 * Returns whether bash surely runs `command` as any POSIX shell does: plain words, quotes, simple variables,
 * redirections, pipes, lists and command substitutions, without a word that the shells know otherwise. False where it
 * is not sure.
 */
export function isSameInBash(command: string): boolean {
  if (!/^[\w\s./:@%+=,'"$()<>|&;*?-]*$/.test(command)) return false; // no \ ` { } [ ] ! ~ ^ # and nothing beyond ASCII
  if (/\(\(|<\(|>\(|<<|<>|&>|>&(?![0-9]|-)|\|&|;;|;&|\$(?![\w(])/.test(command)) return false;
  if (/\$\d/.test(command) || bashVariables.test(command)) return false;
  if (/(^|[\s;|&(])\w+\+=|(^|[\s;|&(])\w+=\(|\w\s*\(\s*\)/.test(command)) return false; // x+=1, x=(1), f()
  if (/\*\*|[?*]\(/.test(command)) return false;
  const words = command.split(/[\s;|&()<>"']+/).filter((word) => word !== "");
  if (words.some((word) => differing.has(word))) return false;
  return !(words.includes("echo") && words.some((word) => /^-[neE]+$/.test(word)));
}
