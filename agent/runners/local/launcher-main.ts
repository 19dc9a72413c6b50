// The launcher: a small process of its own that spawns scripts for the agent, as a fork of the agent would cost more
// the larger the agent is. It reads orders from stdin and answers on stdout, holds nothing but the shells it has
// started, and ends when both the agent and the last of them have. Nothing but Node's own child_process and fs is
// loaded.
import { spawn, spawnSync } from "node:child_process";
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
import { bashWrapper, wrapperVariable, plainWrapper, type WrapperTools } from "./wrapper.ts";
import { createLineReader, type LaunchAnswer, type LaunchOrder } from "./protocol.ts";

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW, O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_TRUNC, X_OK } = constants;
const tools = findTools();
const plain =
  tools.sh !== null && tools.env !== null && tools.setsid !== null
    ? { sh: tools.sh, text: plainWrapper({ env: tools.env, setsid: tools.setsid }) }
    : null;
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
process.stdin.on("error", () => (agentIsThere = false));
process.stdin.on("end", () => (agentIsThere = false));
process.stdout.write('{"kind":"ready"}\n');

function answer(told: LaunchAnswer): void {
  if (agentIsThere) process.stdout.write(`${JSON.stringify(told)}\n`);
}

function launch(order: LaunchOrder): void {
  const { id } = order;
  // The next agent may already have taken it for lost: what is not started by now never is.
  if (process.ppid !== agent) return;
  const opened: number[] = [];
  try {
    const child = startWrapper(order, opened);
    let settled = false;
    const settle = (told: LaunchAnswer) => {
      if (settled) return;
      settled = true;
      answer(told);
    };
    child.once("error", (error) => settle({ id, kind: "failed", message: explain(error) }));
    child.once("exit", (code, signal) => settle({ id, kind: "ended", code, signal, at: Date.now() }));
  } catch (error) {
    answer({ id, kind: "failed", message: explain(error) });
  } finally {
    for (const file of opened) closeSync(file);
  }
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

function startWrapper(order: LaunchOrder, opened: number[]) {
  const { folder, cwd, bash, options } = order;
  const open = (path: string, flags: number) => {
    const file = openSync(path, flags, 0o600);
    opened.push(file);
    return file;
  };
  mkdirSync(folder, { recursive: true });
  // There from the first moment on: what follows may read them whatever comes of it.
  const logs = [openRecord(join(folder, "stdout.log"), open), openRecord(join(folder, "stderr.log"), open)] as const;
  if (statSync(order.stateDir, { throwIfNoEntry: false }) === undefined) mkdirSync(order.stateDir, { recursive: true });
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) throw new Error(`the revision ${cwd} is gone`);
  const inputs = order.inputs.filter(isFilled);
  const single = inputs.length === 1 ? openInput(inputs[0] as string, open) : null;
  const exit = openRecord(join(folder, "exit"), open, O_TRUNC);
  const pid = openRecord(join(folder, "pid"), open, O_TRUNC);
  const command = [bash, ...options, "./script.sh"];
  const env = { ...order.env, [wrapperVariable]: order.id };
  // dash drops variables whose names are none to a shell, such as spring.datasource.url; bash hands them on.
  const isShells = Object.keys(env).every((name) => /^[A-Za-z_]\w*$/.test(name));
  if (plain !== null && isShells && order.output === "file" && inputs.length <= 1) {
    return spawn(plain.sh, ["-c", plain.text, "batch-agent", ...command], {
      cwd,
      env,
      detached: true,
      stdio: [single ?? "ignore", ...logs, exit, pid],
    });
  }
  const several = inputs.length > 1 ? inputs : [];
  const text = bashWrapper(isShells ? tools : { ...tools, sh: null }, order.output === "pipe");
  // -p: neither BASH_ENV nor functions of the environment are this shell's business.
  return spawn(bash, ["-p", "-c", text, "batch-agent", String(several.length), ...several, ...command], {
    cwd,
    env,
    detached: true,
    stdio: [single ?? "ignore", "ignore", "ignore", exit, pid, ...logs],
  });
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
