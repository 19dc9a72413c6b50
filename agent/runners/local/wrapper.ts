// Texts of the small shell beside each script, the keeper of its record: it writes the script's pid and then how it
// ended. It lives in a session of its own, so that nothing the script signals meets it, and it outlives the agent.
//
// Descriptors: 3 is the file `exit`, 4 the file `pid`; both are opened before the script runs, so that a script that
// puts something else in their place cannot hold the shell up. The script gets neither.
//
// `$?` is 137 both for `exit 137` and for a SIGKILL; only the list of jobs tells them apart, as it holds the number of
// an exit and the words of a signal. For that the script runs as a job in the background, where a shell makes it ignore
// SIGINT and SIGQUIT; `env --default-signal` takes that back.
//
// Where the shell is the script's alone, no variable is set until the script is started: the shell's variables are the
// script's environment.

/** Marks the shell's own processes, copiers included, so that they are not ended with what the script started. */
export const wrapperVariable = "BATCH_AGENT_KEEPER";

/** Ends the shell when it could not even fork: nothing else tells that from a script that ended with 2. */
export const cannotFork = "SIGVTALRM";

export interface WrapperTools {
  /** A shell of the ash family (dash, busybox): twice as fast to start as bash; null where there is none. */
  sh: string | null;
  env: string | null;
  setsid: string | null;
  cat: string;
}

const traps = "trap : HUP INT QUIT USR1 USR2 PIPE ALRM TERM";

/** For the usual case. Its arguments are the command; its descriptors 0 to 2 are the script's. */
export function plainWrapper(tools: { env: string; setsid: string }): string {
  return `${traps}
trap 'kill -${cannotFork.slice(3)} $$' EXIT
exec 5<&0
${launch(tools)} <&5 3>&- 4>&- 5<&- &
trap - EXIT
echo $! >&4
exec </dev/null >/dev/null 2>&1 4>&- 5<&-
${awaitScript}
${writeEnding}
exit $1`;
}

/** Variables that a shell of the ash family sets, reads or refuses itself: `OPTIND=x` ends dash. */
const shellsOwn = /^(?:OPTIND|LINENO|PPID|RANDOM|SECONDS|EPOCHSECONDS|EPOCHREALTIME)$/;
/** Maximum size of an order's environment: one that the system refuses must not come this way. */
const maxOrderBytes = 100_000;

/**
 * Returns whether a shell of the ash family hands on an environment as it stands: dash drops `spring.datasource.url`.
 */
export function isShellEnvironment(env: Readonly<Record<string, string>>): boolean {
  return Object.keys(env).every((name) => /^[A-Za-z_]\w*$/.test(name) && !shellsOwn.test(name));
}

/** Returns whether an order can set an environment, to the letter. */
export function isSettable(env: Readonly<Record<string, string>>): boolean {
  let bytes = 0;
  for (const [name, value] of Object.entries(env)) {
    bytes += name.length + Buffer.byteLength(value);
    if (value.includes("\0")) return false;
  }
  return bytes <= maxOrderBytes && isShellEnvironment(env);
}

/** One script for a shell that serves many. Descriptors are the caller's, which has them open until `s` is said. */
export interface ReusableOrder {
  tools: { env: string; setsid: string };
  cwd: string;
  env: Readonly<Record<string, string>>;
  command: readonly string[];
  /** Process that must still be there for the script to be started. */
  agent: number;
  /** Process whose descriptors they are. */
  owner: number;
  input: number | null;
  stdout: number;
  stderr: number;
  exit: number;
  pid: number;
}

/** For a shell that reads one order after the other on its stdin, as commands. */
export const reusableWrapper = {
  begin: `${traps}\n`,
  order({ tools, cwd, env, command, agent, owner, ...files }: ReusableOrder): string {
    const open = (file: number) => `/proc/${owner}/fd/${file}`;
    // `cd` sets PWD. setsid and env read thirteen files of a locale, unless that is C: a tenth of what a start costs.
    const variables = Object.entries({ ...env, LC_ALL: "C" }).filter(([name]) => name !== "PWD");
    const missing = ["PATH", "OLDPWD"].filter((name) => env[name] === undefined);
    const locale = env["LC_ALL"] === undefined ? ["-u", "LC_ALL"] : [`LC_ALL=${env["LC_ALL"]}`];
    const program = [tools.setsid, tools.env, "--default-signal=INT,QUIT", ...locale, ...command];
    return `kill -0 ${agent} || exit 0
exec 3>>${open(files.exit)} 4>>${open(files.pid)} 5>>${open(files.stdout)} 6>>${open(files.stderr)}
exec 7<${files.input === null ? "/dev/null" : open(files.input)}
{
cd -P ${quote(cwd)} || exit 126
unset ${[wrapperVariable, ...missing].join(" ")}
export ${variables.map(([name, value]) => `${name}=${quote(value)}`).join(" ")}
exec ${program.map(quote).join(" ")}
} <&7 >&5 2>&6 3>&- 4>&- 5>&- 6>&- 7>&- &
echo $! >&4
exec 4>&- 5>&- 6>&- 7>&-
echo s
${awaitScript}
${writeEnding}
exec 3>&-
echo d $1
`;
  },
};

/**
 * For bash, which makes the pipes: output through copiers, and several inputs one after the other. Its first argument
 * is the number of inputs, then come their paths, then the command. 5 and 6 are the logs. Where the machine has what
 * the plain wrapper needs, bash becomes that one; else it keeps the record itself, as well as it can: it may take a
 * death by signal for an exit code above 128.
 */
export function bashWrapper(tools: WrapperTools, piped: boolean): string {
  const { sh, env, setsid } = tools;
  const cat = quote(tools.cat);
  const copiers = `exec 7> >(exec ${cat} >&5 3>&- 4>&- 6>&- 9<&-) 8> >(exec ${cat} >&6 3>&- 4>&- 5>&- 7>&- 9<&-)`;
  const prepare = `unset SHLVL
if [ "$1" -gt 0 ]; then exec 9< <(exec ${cat} -- "\${@:2:$1}" 2>/dev/null 3>&- 4>&- 5>&- 6>&-); else exec 9<&0; fi
shift $(($1 + 1))
${piped ? copiers : "exec 7>&5 8>&6"}
`;
  const script = "<&9 >&7 2>&8 5>&- 6>&- 7>&- 8>&- 9<&-";
  if (sh !== null && env !== null && setsid !== null)
    return `${prepare}exec ${quote(sh)} -c ${quote(plainWrapper({ env, setsid }))} batch-agent "$@" ${script}`;
  const own = env !== null && setsid !== null ? launch({ env, setsid }) : null;
  return `${traps}
trap 'BATCH_AGENT_JOB=$(jobs)' CHLD
${prepare}${own === null ? "set -m\n" : ""}${own ?? `(unset ${wrapperVariable}; exec "$@")`} ${script} 3>&- 4>&- &
echo $! >&4
exec </dev/null >/dev/null 2>&1 4>&- 5>&- 6>&- 7>&- 8>&- 9<&-
while kill -0 $!; do wait $!${own === null ? "; kill -0 $! && sleep 1" : ""}; done
wait $!; set -- $?
${writeEnding}
exit $1`;
}

/** Waits for the script; then `$1` is its code, and the variable what the list of jobs says of a death by signal. */
const awaitScript = `wait $!; set -- $?
while [ $1 -gt 128 ] && kill -0 $!; do wait $!; set -- $?; done
BATCH_AGENT_JOB=
if [ $1 -gt 128 ]; then
  jobs >&3
  read -r BATCH_AGENT_JOB </proc/self/fd/3
  true >/proc/self/fd/3
fi`;

/** Writes the code, or the signal, as one line that ends in a newline. */
const writeEnding = `case $BATCH_AGENT_JOB in
'' | *"$1"*) echo $1 >&3 ;;
*) if [ $1 -gt 128 ]; then echo "signal $(($1 - 128))" >&3; else echo $1 >&3; fi ;;
esac`;

function launch({ env, setsid }: { env: string; setsid: string }): string {
  return `${quote(env)} -u ${wrapperVariable} --default-signal=INT,QUIT ${quote(setsid)} "$@"`;
}

function quote(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
