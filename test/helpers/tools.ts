// Programs of others that some tests need: promtool, kubectl. `.ci/run` installs them and sets CI, so there promtool
// is never passed over; kubectl may be older there than deploy/kubernetes needs.
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** True where a test that needs it must be passed over. */
export function isMissing(command: string): boolean {
  if (process.env["CI"] !== undefined) return false;
  return !(process.env["PATH"] ?? "").split(":").some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why the kubectl here cannot make what lies in deploy/kubernetes; null where it can. */
export function kubectlFault(): string | null {
  const { error, stdout } = spawnSync("kubectl", ["version", "--client", "--output=json"], { encoding: "utf8" });
  if (error !== undefined) return "there is no kubectl";
  const version = /"gitVersion":\s*"(v(\d+)\.(\d+)[^"]*)"/.exec(stdout);
  if (version === null) return "kubectl does not tell its version";
  const [, name, major, minor] = version;
  return Number(major) > 1 || Number(minor) >= 22
    ? null
    : `kubectl ${name} is too old for components and labels, v1.22 is needed`;
}
