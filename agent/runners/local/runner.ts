// Runs `bash ./script.sh` on this machine so that the agent's death does not touch it: a small shell beside the script
// leaves `pid` and then `exit` in the execution's folder, and its output goes to its log files without the agent.
import { accessSync, constants as fsConstants, lstatSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Clock } from "../../async/clock.ts";
import { sleep } from "../../async/sleep.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import type { Execution } from "../../model/execution.ts";
import type { BatchName, ExecutionId } from "../../model/ids.ts";
import { failureCount, shortageCount } from "../../platform/files.ts";
import { makeFolders, type EnsureFolder } from "../../platform/folders.ts";
import { readEnvFiles } from "../env-files.ts";
import { batchEnvironment } from "../environment.ts";
import type { Runner, Running, StartOrder } from "../port.ts";
import { makeLogs, readExit, readPid, readStopReason } from "./execution-folder.ts";
import { cannotFork } from "./wrapper.ts";
import { createLauncher, type LaunchOutcome } from "./launcher.ts";
import { LocalRunning, type Ending, type LocalDeps } from "./local-running.ts";
import { createOrphanSearch, createProcessTable, isOurs, recordOf, wrappersOf } from "./process-table.ts";
import type { LaunchOrder } from "./protocol.ts";

const pollMs = 250;
/** Reads of how a script ended on a disk that fails, in all half a minute; then it is lost. */
const maxFailedReads = 120;
/** Time for a shell that nobody has seen yet to write a pid. */
const pidPatienceMs = 2_000;

export interface RunnerDeps {
  clock: Clock;
  log: Logger;
  /** The agent's share of a script's environment. */
  baseEnv: Readonly<Record<string, string>>;
  /** Longest log of a stream. */
  logLimitBytes: number;
  /** Puts folders right that something else has taken the place of. */
  ensure?: EnsureFolder;
  /** File of the launcher's program, where it does not lie beside this one. */
  launcher?: string;
}

/** Runs scripts as local processes; folders lie below `dataDir`, an absolute path. */
export function createRunner(dataDir: string, deps: RunnerDeps): Runner & { launcherPid: () => number | null } {
  const { clock, log, baseEnv, ensure = makeFolders } = deps;
  const boot = readBootId();
  const changed = Object.keys(baseEnv).filter((name) => baseEnv[name]?.includes("\uFFFD"));
  if (changed.length > 0)
    log.warn("variables of the agent hold bytes that are no UTF-8; scripts get U+FFFD in their place", { changed });
  const launcher = createLauncher({
    clock,
    log,
    path: baseEnv["PATH"] ?? "",
    ...(deps.launcher === undefined ? {} : { program: deps.launcher }),
  });
  const local: LocalDeps = {
    clock,
    processes: createProcessTable(),
    hasOrphan: createOrphanSearch(),
    logLimitBytes: deps.logLimitBytes,
  };
  const folderOf = (of: { batch: BatchName; id: ExecutionId }) =>
    join(dataDir, "batches", of.batch, "executions", of.id);

  function start(order: StartOrder): Promise<Running> {
    const { execution, settings } = order;
    const folder = folderOf(execution);
    let script: Promise<Ending>;
    try {
      const launch = launchOrder(order, folder);
      script = launcher.start(launch).then((outcome) => endOf(execution, folder, outcome));
    } catch (error) {
      makeLogs(folder);
      script = Promise.resolve({ kind: "spawn", message: messageOf(error), finishedAt: clock.now() });
    }
    const how = { piped: settings.output === "pipe", pid: null, stopReason: null, script };
    return Promise.resolve(new LocalRunning(execution, folder, how, local));
  }

  /** Throws with the reason where a start is bound to fail. */
  function launchOrder(order: StartOrder, folder: string): LaunchOrder {
    const { execution, settings, previous } = order;
    if (order.fault !== null) throw new Error(order.fault);
    const stateDir = join(dataDir, "batches", execution.batch, "state");
    const log = (of: StartOrder["previous"][number], stream: "stdout" | "stderr") =>
      of.ran ? join(folderOf(of), `${stream}.log`) : "/dev/null";
    const progress = join(folder, "progress");
    for (const path of [dirname(folder), stateDir]) ensure(path);
    // A new one is the launcher's to make.
    if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) ensure(folder);
    const own = batchEnvironment(order, { stateDir, progress, log });
    const fromFiles = readEnvFiles(settings.envFiles);
    const env = { ...baseEnv, ...fromFiles, ...own };
    return {
      id: execution.id,
      folder,
      stateDir,
      cwd: join(dataDir, "revisions", order.revision),
      bash: findBash(env["PATH"] ?? "", whosePath(own, fromFiles)),
      options: settings.shellOptions,
      env,
      inputs: settings.input === "previous" ? previous.filter(({ ran }) => ran).map((of) => log(of, "stdout")) : [],
      output: settings.output,
    };
  }

  async function endOf(execution: Execution, folder: string, outcome: LaunchOutcome): Promise<Ending> {
    switch (outcome.kind) {
      case "failed":
        makeLogs(folder);
        return { kind: "spawn", message: outcome.message, finishedAt: clock.now() };
      case "orphaned":
        return pollEnd(execution, folder);
      case "ended": {
        const { code, signal, at } = outcome;
        const told = await readExitSurely(folder, clock);
        if (told !== null) return { ...told.end, finishedAt: at };
        if (signal === cannotFork)
          return { kind: "spawn", message: "the system has no room for another process", finishedAt: at };
        if (code === null) return pollEnd(execution, folder); // somebody has killed the shell; the script may live on
        // The disk is full, or the script has put something else in the file's place.
        return { kind: "exit", exitCode: code, finishedAt: at };
      }
      default: {
        const never: never = outcome;
        return never;
      }
    }
  }

  /**
   * Follows a script that is no child of a launcher that we know: by its pid, the shell beside it and its last word.
   */
  async function pollEnd(
    execution: Execution,
    folder: string,
    onRunning: () => void = () => undefined,
  ): Promise<Ending> {
    const since = clock.monotonic();
    for (;;) {
      const told = await readExitSurely(folder, clock, maxFailedReads, onRunning);
      if (told !== null) return { ...told.end, finishedAt: told.at };
      if (execution.boot !== boot) break;
      const before = shortageCount();
      const pid = execution.pid ?? readPid(folder);
      const mayBeStarting = pid === null && clock.monotonic() - since < pidPatienceMs;
      if (!mayBeStarting && (pid === null || !isOurs(pid, execution.id)) && !(await hasWrapper(execution.id)))
        if (shortageCount() === before) break; // else it may be there and not be seen
      onRunning();
      await sleep(clock, pollMs);
    }
    // Between the two looks above it may have written its last word and gone.
    const last = await readExitSurely(folder, clock);
    if (last !== null) return { ...last.end, finishedAt: last.at };
    makeLogs(folder);
    return { kind: "lost", finishedAt: clock.now() };
  }

  async function hasWrapper(id: ExecutionId): Promise<boolean> {
    return wrappersOf(await local.processes.scan(), id).some(({ pid }) => recordOf(pid) === id);
  }

  /** Resolves once each has been looked at: what has ended meanwhile must not meet a timeout first. */
  async function adopt(executions: readonly Execution[]): Promise<Map<ExecutionId, Running>> {
    const adopted = executions.map(async (execution): Promise<[ExecutionId, Running]> => {
      const folder = folderOf(execution);
      const pid = execution.boot === boot ? (execution.pid ?? readPid(folder)) : null;
      let script = Promise.resolve<Ending>({ kind: "lost", finishedAt: clock.now() });
      await new Promise<void>((looked) => {
        script = pollEnd(execution, folder, looked);
        void script.then(() => looked());
      });
      const how = { piped: null, pid, stopReason: readStopReason(folder), script };
      return [execution.id, new LocalRunning(execution, folder, how, local)];
    });
    return new Map(await Promise.all(adopted));
  }

  return {
    boot,
    start,
    adopt,
    close() {
      launcher.close();
      return Promise.resolve();
    },
    launcherPid: launcher.pid,
  };
}

/**
 * Reads how a script ended; waits while there are no descriptors to read it with. `maxFailed`: so often it waits for a
 * disk that fails; `onWait`: called before each wait.
 */
async function readExitSurely(
  folder: string,
  clock: Clock,
  maxFailed = 0,
  onWait: () => void = () => undefined,
): Promise<ReturnType<typeof readExit>> {
  for (let failed = 0; ;) {
    const [shortages, failures] = [shortageCount(), failureCount()];
    const told = readExit(folder);
    if (told !== null) return told;
    if (failureCount() > failures) failed += 1;
    if (shortageCount() === shortages && (failureCount() === failures || failed > maxFailed)) return null;
    onWait();
    await sleep(clock, pollMs);
  }
}

/** Returns whether scripts with this environment find bash. */
export function hasBash(env: Readonly<Record<string, string>>): boolean {
  try {
    return findBash(env["PATH"] ?? "") !== "";
  } catch {
    return false;
  }
}

/** Tells where it was found last, and on which PATH. */
let found = { path: "", bash: "" };

/** Returns who set the PATH that counts, for a message. */
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

/** Names this boot of the machine; null where the system does not tell. */
export function readBootId(): string | null {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return null;
  }
}
