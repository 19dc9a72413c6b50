// Describes what every command gets of the process it runs in: only main.ts touches the process itself.
import { once } from "node:events";
import { tmpdir } from "node:os";
import { readConfig } from "../../config.ts";
import { allowListOf } from "../../runners/kubernetes/options.ts";
import { thisMachine } from "../machine.ts";
import type { Output, Printer } from "../output.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface CommandContext {
  env: Env;
  /** Variables of `env` that stand in the `.env` of the working directory. */
  dotEnv: Env;
  version: string;
  out: Printer;
  err: Printer;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** Calls `listener` at each such signal, which then no longer ends the process. */
  onSignal: (signal: NodeJS.Signals, listener: () => void) => void;
  /** Sets the exit code; the process ends by itself once nothing is left to do. */
  finish: (exitCode: number) => void;
  /** Ends the process at once. */
  exit: (exitCode: number) => never;
}

/** Limits of archives, as `run` takes them from the environment. */
export function archiveLimits({ env }: CommandContext): { entries: number; bytes: number } {
  const { archiveEntries, archiveBytes } = readConfig({}, env, thisMachine(env));
  return { entries: archiveEntries, bytes: archiveBytes };
}

/** Returns the zone of batches that name none, and says where it is not what the user may expect. */
export function timeZoneOf({ env, err }: CommandContext, flag: string | undefined): string {
  const { timeZone, timeZoneNote } = readConfig(flag === undefined ? {} : { "time-zone": flag }, env, thisMachine(env));
  if (timeZoneNote !== null) err.text(`note: ${timeZoneNote}\n`);
  return timeZone;
}

/** Returns what batches may name of a cluster; null where scripts run on one machine. */
export function allowedBy({ env }: CommandContext, flags: Readonly<Record<string, string | undefined>>) {
  const { kubernetes } = readConfig(flags, env, thisMachine(env));
  return kubernetes === null ? null : allowListOf(kubernetes);
}

/** Returns what a command that reads a folder of batches works with; loads the readers only then. */
export async function folderDeps(context: CommandContext, dir: string) {
  const { createSource } = await import("../../sources/folder.ts");
  const { createUnpacker } = await import("../../sources/archive/unpack.ts");
  return {
    source: createSource(dir, { unpack: createUnpacker(tmpdir(), archiveLimits(context)) }),
    now: Date.now(),
    write: context.out.text,
  };
}

/** https://no-color.org and the FORCE_COLOR of Node: an empty variable is none, `FORCE_COLOR=0` is no. */
export function usesColours({ env, stdout }: { env: Env; stdout: { isTTY: boolean } }): boolean {
  if (env["NO_COLOR"]) return false;
  const forced = env["FORCE_COLOR"];
  if (forced) return forced !== "0" && forced !== "false";
  return stdout.isTTY && env["TERM"] !== "dumb";
}

const defaultWidth = 80;

/** Columns that a table may take: those of the terminal, any number elsewhere. */
export function tableWidth({ env, stdout }: CommandContext): number {
  return stdout.isTTY ? stdout.columns || Number(env["COLUMNS"]) || defaultWidth : Infinity;
}

/** Takes more only as fast as it is read at the other end. */
export function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    terminal: stream.isTTY,
    async write(bytes: Uint8Array) {
      if (!stream.write(bytes)) await once(stream, "drain");
    },
  };
}
