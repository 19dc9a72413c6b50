// Runs `bash script.sh` so that the agent's death does not touch it: its output goes straight to its log files, it leads
// a process group of its own, and a small `sh` beside it leaves `pid` and then `exit` in the execution's folder.
import { spawn } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants as fsConstants,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants as osConstants } from "node:os";
import { delimiter, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../async/clock.ts";
import type { Execution, FinishedBy, ProcessEnding } from "../../model/execution.ts";
import type { ExecutionId, BatchName } from "../../model/ids.ts";
import { errorCode, readPlainBytes } from "../../platform/files.ts";
import { parseEnvFile } from "../../text/env-file.ts";
import type { Runner, Process, StartOrder } from "../port.ts";

/**
 * $1: the execution's folder; $2: bash; the rest: files that are the script's stdin one after the other. The shell outlives a SIGTERM to the group to write `exit`: a code
 * (`3`), or `signal 9`. Which of the two it was, `$?` does not tell (137 is either), but a shell says a word on its
 * stderr when a child was killed; that word is caught in `exit` and overwritten. In a subshell, as dash would else
 * speak through the redirected stderr.
 */
const wrapper = `d=$1 bash=$2; shift 2
trap : TERM INT HUP
echo $$ >"$d/pid"
if true >"$d/exit"; then exec 3>&2 2>"$d/exit"; else exec 3>&2; fi
if [ $# -gt 0 ]; then cat -- "$@" 2>/dev/null | (exec "$bash" script.sh 2>&3 3>&-)
else (exec "$bash" script.sh 2>&3 3>&-)
fi
code=$?
said=$code
if [ $code -gt 128 ] && [ -s "$d/exit" ]; then said="signal $((code - 128))"; fi
echo "$said" >"$d/exit"
exit $code`;

const pollMs = 250;
/** A process whose shell has not yet written its pid is looked for this long. */
const pidPatienceMs = 2_000;

/** `Omit` keeps a union a union only when it is asked to. */
type Ending = ProcessEnding extends infer E
  ? E extends ProcessEnding
    ? Omit<E, "stdoutBytes" | "stderrBytes">
    : never
  : never;

/** Where a number has two names, the first: SIGABRT, not SIGIOT. */
const signalNames = new Map(
  Object.entries(osConstants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** Runs scripts as local processes; folders lie below `dataDir`, an absolute path. */
export function createRunner(dataDir: string, clock: Clock): Runner {
  const boot = readBootId();
  let lastTurn = Promise.resolve();

  function turn(): Promise<void> {
    return (lastTurn = lastTurn.then(() => setImmediate()));
  }

  function folderOf(execution: { batch: BatchName; id: ExecutionId }): string {
    return join(dataDir, "batches", execution.batch, "executions", execution.id);
  }

  function start(order: StartOrder): Process {
    const folder = folderOf(order.execution);
    const logs: number[] = [];
    try {
      mkdirSync(folder, { recursive: true });
      const [out, err] = openLogs(folder);
      logs.push(out, err);
      if (order.fault != null) throw new Error(order.fault);
      const state = join(dataDir, "batches", order.execution.batch, "state");
      if (statSync(state, { throwIfNoEntry: false }) === undefined) mkdirSync(state, { recursive: true });
      const fromFiles = readEnvFiles(order.envFiles);
      const env = { ...order.baseEnv, ...fromFiles, ...order.ownEnv };
      const bash = findBash(env["PATH"] ?? "", whosePath(order.ownEnv, fromFiles));
      if (!statSync(order.cwd, { throwIfNoEntry: false })?.isDirectory())
        throw new Error(`the revision ${order.cwd} is gone`);
      const inputs = order.stdin.filter((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0);
      return launch(folder, bash, order.cwd, env, inputs, [out, err]);
    } catch (error) {
      return notStarted(error, folder);
    } finally {
      logs.forEach(closeSync);
    }
  }

  function notStarted(error: unknown, folder: string): Process {
    const message = error instanceof Error ? error.message : String(error);
    return {
      pid: null,
      ended: Promise.resolve({ kind: "spawn", message, finishedAt: clock.now(), ...sizes(folder) }),
      signal: () => undefined,
      sayWhy: () => undefined,
      saidWhy: null,
      lingers: () => false,
    };
  }

  /** One input is the script's stdin itself; several come through a `cat` beside it, never through the agent. */
  function launch(
    folder: string,
    bash: string,
    cwd: string,
    env: Record<string, string>,
    inputs: readonly string[],
    logs: [number, number],
  ): Process {
    const input = inputs.length === 1 ? openSync(inputs[0] as string, "r") : null;
    try {
      const several = inputs.length > 1 ? inputs : [];
      const child = spawn("/bin/sh", ["-c", wrapper, "batch-agent", folder, bash, ...several], {
        cwd,
        env,
        detached: true,
        stdio: [input ?? "ignore", ...logs],
      });
      const { pid } = child;
      let over = false;
      let lingering = false;
      const ended = new Promise<Ending>((done) => {
        child.once("error", (error) => done({ kind: "spawn", message: error.message, finishedAt: clock.now() }));
        child.once("exit", (code, signal) => {
          over = true;
          const told = readExit(folder);
          const finishedAt = clock.now();
          if (told !== null) done({ ...told.how, finishedAt });
          else if (signal !== null) done({ kind: "signal", signal, finishedAt });
          else done({ kind: "exit", exitCode: code ?? 0, finishedAt });
        });
      });
      return {
        pid: pid ?? null,
        ended: ended.then((ending) => ({ ...ending, ...sizes(folder) })),
        signal: (name) => {
          if (pid !== undefined && (!over || lingering)) signalGroup(pid, name);
        },
        sayWhy: (reason) => sayWhy(folder, reason),
        saidWhy: null,
        lingers: () => (lingering = pid !== undefined && groupExists(pid)),
      };
    } finally {
      if (input !== null) closeSync(input);
    }
  }

  function adopt(execution: Execution): Process {
    const folder = folderOf(execution);
    const since = clock.now();
    let lingering = false;
    let pid = execution.pid ?? readPid(folder);
    const ours = () => pid !== null && execution.boot === boot && isOurs(pid, execution.id);
    const ended = new Promise<Ending>((done) => {
      const look = () => {
        const told = readExit(folder);
        if (told !== null) return done({ ...told.how, finishedAt: told.at });
        pid ??= readPid(folder);
        const starting = pid === null && statSync(folder, { throwIfNoEntry: false }) !== undefined;
        if (ours() || (starting && execution.boot === boot && clock.now() - since < pidPatienceMs)) {
          clock.after(pollMs, look);
          return;
        }
        // Between the two looks above it may have written its last word and gone.
        const last = readExit(folder);
        if (last === null) leaveLogs(folder);
        done(last === null ? { kind: "lost", finishedAt: clock.now() } : { ...last.how, finishedAt: last.at });
      };
      look();
    });
    return {
      pid,
      ended: ended.then((ending) => ({ ...ending, ...sizes(folder) })),
      signal: (name) => {
        if (pid !== null && (ours() || lingering)) signalGroup(pid, name);
      },
      sayWhy: (reason) => sayWhy(folder, reason),
      saidWhy: readWhy(folder),
      lingers: () => (lingering = pid !== null && groupExists(pid)),
    };
  }

  return { turn, start, adopt, boot };
}

/** Whether scripts with this environment find bash. */
export function hasBash(env: Readonly<Record<string, string>>): boolean {
  try {
    return findBash(env["PATH"] ?? "") !== "";
  } catch {
    return false;
  }
}

/** Where it was found last, and on which PATH. */
let found = { path: "", bash: "" };

/** Who set the PATH that counts, for a message. */
function whosePath(ownEnv: Readonly<Record<string, string>>, fromFiles: Readonly<Record<string, string>>): string {
  if (ownEnv["PATH"] !== undefined) return "the PATH that the batch's env sets";
  return fromFiles["PATH"] === undefined ? "the agent's PATH" : "the PATH that the batch's envFile sets";
}

function findBash(path: string, whose = "the agent's PATH"): string {
  if (found.path === path && isExecutable(found.bash)) return found.bash;
  for (const folder of path.split(delimiter)) {
    const bash = join(folder, "bash");
    if (!isExecutable(bash)) continue;
    found = { path, bash };
    return bash;
  }
  const literal = path.includes("$") ? ": a $ in it is taken as it stands, no variable is replaced" : "";
  throw new Error(`bash is not on ${whose}${literal}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, fsConstants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const mostEnvBytes = 1024 * 1024;

function readEnvFiles(paths: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const path of paths) {
    try {
      const parsed = parseEnvFile(readPlainBytes(path, mostEnvBytes));
      if ("line" in parsed) throw new Error(`its line ${parsed.line} ${parsed.why}`);
      Object.assign(env, parsed.env);
    } catch (error) {
      throw new Error(`envFile ${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  return env;
}

const reasons: readonly FinishedBy[] = ["timeout", "log-limit", "replaced", "shutdown"];

/** At once and unsynced: it is to outlive the agent, and nothing that is ended outlives the machine. */
function sayWhy(folder: string, reason: FinishedBy): void {
  try {
    writeFileSync(join(folder, "ending"), `${reason}\n`);
  } catch {
    // A full disk must not keep anything from being ended.
  }
}

function readWhy(folder: string): FinishedBy | null {
  try {
    const word = readFileSync(join(folder, "ending"), "utf8").trim();
    return reasons.find((reason) => reason === word) ?? null;
  } catch {
    return null;
  }
}

/** The shell's last word, if it is whole, and when it was written. */
function readExit(
  folder: string,
): { how: { kind: "exit"; exitCode: number } | { kind: "signal"; signal: string }; at: number } | null {
  try {
    const path = join(folder, "exit");
    const match = /^(signal )?(\d{1,3})\n$/.exec(readFileSync(path, "utf8"));
    if (match === null) return null;
    const number = Number(match[2]);
    const at = Math.round(statSync(path).mtimeMs);
    if (match[1] === undefined) return { how: { kind: "exit", exitCode: number }, at };
    return { how: { kind: "signal", signal: signalNames.get(number) ?? `signal ${number}` }, at };
  } catch {
    return null;
  }
}

function readPid(folder: string): number | null {
  try {
    const match = /^(\d+)\n$/.exec(readFileSync(join(folder, "pid"), "utf8"));
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}

/**
 * Whether a process is the one that was started for this execution: its environment names it, which no other process
 * with a reused pid does. Where /proc cannot tell, it is not taken for ours.
 */
function isOurs(pid: number, id: ExecutionId): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`BATCH_EXECUTION_ID=${id}`);
  } catch {
    return false;
  }
}

/** There from the first moment on: what follows may read them whatever comes of it. */
function openLogs(folder: string): [stdout: number, stderr: number] {
  const out = openSync(join(folder, "stdout.log"), "a", 0o600);
  try {
    return [out, openSync(join(folder, "stderr.log"), "a", 0o600)];
  } catch (error) {
    closeSync(out);
    throw error;
  }
}

/** Of one that was lost before it had any. */
function leaveLogs(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    openLogs(folder).forEach(closeSync);
  } catch {
    // what follows finds no logs, and says so
  }
}

function signalGroup(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    // Gone, or (EPERM) all that is left of it belongs to another user, whom we may not signal.
    if (!["ESRCH", "EPERM"].includes(errorCode(error))) throw error;
  }
}

function groupExists(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

function sizes(folder: string): { stdoutBytes: number; stderrBytes: number } {
  const size = (name: string) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  return { stdoutBytes: size("stdout.log"), stderrBytes: size("stderr.log") };
}

function readBootId(): string | null {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return null;
  }
}
