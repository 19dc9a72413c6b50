// Programs of others that some tests need: promtool, kubectl. `.ci/run` installs them, so there they are never passed over.
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
