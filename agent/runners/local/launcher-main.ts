// The launcher: a small process of its own that spawns scripts for the agent, as a fork of the agent would cost more
// the larger the agent is. It reads orders from stdin and answers on stdout, holds nothing but the shells it has
// started, and ends when both the agent and the last of them have. Nothing but Node's own child_process and fs is
// loaded.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { createShellPool, type ShellOutcome } from "./shell-pool.ts";
import {
  bashWrapper,
  isSettable,
  isShellEnvironment,
  plainWrapper,
  reusableWrapper,
  wrapperVariable,
  type WrapperTools,
} from "./wrapper.ts";
import { createLineReader, type LaunchAnswer, type LaunchOrder } from "./protocol.ts";

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW, O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_TRUNC, X_OK } = constants;
const tools = findTools();
const plain =
  tools.sh !== null && tools.env !== null && tools.setsid !== null
    ? { sh: tools.sh, env: tools.env, setsid: tools.setsid }
    : null;
const shells = plain === null || !existsSync("/proc/self/fd") ? null : createShellPool(plain.sh);
/** O_CLOEXEC as Linux writes it in fdinfo. */
const closeOnExec = 0o2000000;
let agentIsThere = true;
const agent = process.ppid;
closeInherited();

// A stop of the whole control group, or Ctrl-C, is the agent's business: what runs may have its grace.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2"] as const)
  process.on(signal, () => undefined);
process.stdout.on("error", () => undefined); // the agent is gone
process.stdin.setEncoding("utf8");
process.stdin.on(
  "data",
  createLineReader((line) => launch(JSON.parse(line) as LaunchOrder)),
);
// Nothing but its children keeps the process alive from here on.
process.stdin.on("error", leave);
process.stdin.on("end", leave);
process.stdout.write('{"kind":"ready"}\n');

function leave(): void {
  agentIsThere = false;
  shells?.close();
}

function answer(told: LaunchAnswer): void {
  if (agentIsThere) process.stdout.write(`${JSON.stringify(told)}\n`);
}

/** `mayReuse` false: by a shell of its own. */
function launch(order: LaunchOrder, mayReuse = true): void {
  const { id } = order;
  // The next agent may already have taken it for lost: what is not started by now never is.
  if (process.ppid !== agent) return;
  const opened: number[] = [];
  const closeOpened = () => {
    for (const file of opened.splice(0)) closeSync(file);
  };
  try {
    const files = openFiles(order, opened);
    const isHandedOver =
      mayReuse &&
      isPlain(order, files) &&
      submit(order, files, closeOpened, (outcome) => {
        // As where there is no room for another process: a shell of its own tells why.
        if (outcome.kind === "refused") launch(order, false);
        else answer({ id, ...outcome, at: Date.now() });
      });
    if (isHandedOver) return;
    spawnWrapper(order, files);
  } catch (error) {
    answer({ id, kind: "failed", message: explain(error) });
  }
  closeOpened();
}

/** Returns why the system did not start a process, in words where its own are few; never a value of the environment. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch ("code" in error ? error.code : "") {
    case "E2BIG":
      return `${error.message}: its environment is larger than the system takes`;
    case "EAGAIN":
      return `${error.message}: the system has no room for another process`;
    case "ERR_INVALID_ARG_VALUE":
      return "a variable or an argument holds a NUL character"; // the message would show its value
    default:
      return error.message;
  }
}

/** Descriptors of an order's files; `inputs` are those that are left for a shell to read one after the other. */
interface OpenedFiles {
  stdout: number;
  stderr: number;
  exit: number;
  pid: number;
  input: number | null;
  inputs: readonly string[];
}

/** Opens what an order names, and makes what is missing; `opened` is what there is to close, whatever comes of it. */
function openFiles({ folder, cwd, stateDir, ...order }: LaunchOrder, opened: number[]): OpenedFiles {
  const open = (path: string, flags: number) => {
    const file = openSync(path, flags, 0o600);
    opened.push(file);
    return file;
  };
  mkdirSync(folder, { recursive: true });
  // There from the first moment on: what follows may read them whatever comes of it.
  const [stdout, stderr] = [openRecord(join(folder, "stdout.log"), open), openRecord(join(folder, "stderr.log"), open)];
  if (statSync(stateDir, { throwIfNoEntry: false }) === undefined) mkdirSync(stateDir, { recursive: true });
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) throw new Error(`the revision ${cwd} is gone`);
  const inputs = order.inputs.filter(isFilled);
  const input = inputs.length === 1 ? openInput(inputs[0] as string, open) : null;
  const exit = openRecord(join(folder, "exit"), open, O_TRUNC);
  const pid = openRecord(join(folder, "pid"), open, O_TRUNC);
  return { stdout, stderr, exit, pid, input, inputs: inputs.length > 1 ? inputs : [] };
}

/** Returns whether a shell of the ash family does, which passes an environment on only in names that are some to it. */
function isPlain({ env, output }: LaunchOrder, { inputs }: OpenedFiles): boolean {
  return plain !== null && output === "file" && inputs.length === 0 && isShellEnvironment(env);
}

/** Hands an order to a shell that serves many; false where none is free. */
function submit(
  { cwd, env, bash, options }: LaunchOrder,
  files: OpenedFiles,
  onStarted: () => void,
  onEnded: (outcome: ShellOutcome) => void,
): boolean {
  if (plain === null || shells === null || !isSettable(env)) return false;
  const command = [bash, ...options, "./script.sh"];
  const order = { ...files, tools: plain, cwd, env, command, agent, owner: process.pid };
  return shells.submit(reusableWrapper.order(order), onStarted, onEnded);
}

/** Spawns a shell for this order alone. */
function spawnWrapper(order: LaunchOrder, files: OpenedFiles): void {
  const { id, cwd, bash, options } = order;
  const { stdout, stderr, exit, pid, input, inputs } = files;
  const command = [bash, ...options, "./script.sh"];
  const env = { ...order.env, [wrapperVariable]: id };
  const how = { cwd, env, detached: true };
  let child: ChildProcess;
  if (plain !== null && isPlain(order, files)) {
    const stdio = [input ?? "ignore", stdout, stderr, exit, pid] as const;
    child = spawn(plain.sh, ["-c", plainWrapper(plain), "batch-agent", ...command], { ...how, stdio: [...stdio] });
  } else {
    const text = bashWrapper(isShellEnvironment(env) ? tools : { ...tools, sh: null }, order.output === "pipe");
    // -p: neither BASH_ENV nor functions of the environment are this shell's business.
    const args = ["-p", "-c", text, "batch-agent", String(inputs.length), ...inputs, ...command];
    child = spawn(bash, args, { ...how, stdio: [input ?? "ignore", "ignore", "ignore", exit, pid, stdout, stderr] });
  }
  let settled = false;
  const settle = (told: LaunchAnswer) => {
    if (settled) return;
    settled = true;
    answer(told);
  };
  child.once("error", (error) => settle({ id, kind: "failed", message: explain(error) }));
  child.once("exit", (code, signal) => settle({ id, kind: "ended", code, signal, at: Date.now() }));
}

/** Returns whether it is a plain file that holds something. */
function isFilled(path: string): boolean {
  try {
    const info = lstatSync(path);
    return info.isFile() && info.size > 0;
  } catch {
    return false;
  }
}

/**
 * Returns a descriptor of a plain file, opened without waiting should something else have taken its place; null else.
 */
function openInput(path: string, open: (path: string, flags: number) => number): number | null {
  const checked = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  return fstatSync(checked).isFile() ? openedAnew(checked, O_RDONLY, open) : null;
}

/** Returns the same file without O_NONBLOCK, which the script would inherit; as it is where there is no /proc. */
function openedAnew(file: number, flags: number, open: (path: string, flags: number) => number): number {
  try {
    return open(`/proc/self/fd/${file}`, flags);
  } catch {
    return file;
  }
}

/**
 * Returns a descriptor of a file of the execution's folder, made if need be. Throws where something else lies there: an
 * execution that waits has an id that scripts can read, and a FIFO in its folder would be waited for with all others.
 */
function openRecord(path: string, open: (path: string, flags: number) => number, more = 0): number {
  const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | more;
  try {
    return open(path, flags | O_EXCL);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  // As for inputs: looked at first, as to open a device may be to use it, and then opened anew without the flag.
  const isFile = lstatSync(path).isFile();
  const checked = isFile ? open(path, flags | O_NONBLOCK) : null;
  if (checked === null || !fstatSync(checked).isFile())
    throw new Error(`${path} is not a file: something else lies there`);
  return openedAnew(checked, O_WRONLY | O_APPEND, open);
}

/** Closes what whoever started the agent has left open for its children: scripts get nothing of it. */
function closeInherited(): void {
  try {
    for (const fd of readdirSync("/proc/self/fd")) {
      if (!existsSync(`/proc/self/fdinfo/${fd}`)) continue; // the descriptor that listed them
      const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
      if (Number(fd) > 2 && (parseInt(flags, 8) & closeOnExec) === 0) closeSync(Number(fd));
    }
  } catch {
    // no /proc
  }
}

function findTools(): WrapperTools {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin", "/bin"];
  const find = (name: string) => folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
  const env = find("env");
  return {
    sh: find("dash") ?? ashShell(),
    env: env !== null && succeeds(env, ["--default-signal=INT", "true"]) ? env : null,
    setsid: find("setsid"),
    cat: find("cat") ?? "cat",
  };
}

/** `/bin/sh` where it is of the ash family; null where it is bash, or something that is not known. */
function ashShell(): string | null {
  return succeeds("/bin/sh", ["-c", '[ -z "${BASH_VERSION-}${KSH_VERSION-}${ZSH_VERSION-}" ]']) ? "/bin/sh" : null;
}

function succeeds(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore", timeout: 5_000 }).status === 0;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, X_OK);
    return true;
  } catch {
    return false;
  }
}
