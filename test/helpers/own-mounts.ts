// An agent that sees its data folder by a mount of its own, as on a machine of its own: what is done to that reaches
// neither other agents nor scripts. Needs root.
import { execFileSync } from "node:child_process";
import type { StartedBy } from "./agent.ts";
import { eventually } from "./tmp.ts";

/** How it is started; the folder must be there. */
export function ownMounts(data: string): StartedBy {
  const mount = 'mount --bind "$0" "$0" && exec "$@"';
  return { before: ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, data] };
}

/** Makes the folder read-only, for this agent alone, or writable again. What is being written ends first. */
export async function remount(pid: number | undefined, data: string, mode: "ro" | "rw"): Promise<void> {
  const words = ["-t", String(pid), "-m", "mount", "-o", `remount,bind,${mode}`, data];
  await eventually(() => {
    execFileSync("nsenter", words, { stdio: "pipe" });
    return true;
  }, 30_000);
}
