// Follows a real folder of batches on a real data folder, without a watch: `settled` looks over it again and again.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { InForce } from "../../agent/definitions/in-force.ts";
import { openHistory } from "../../agent/history/open.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { createGroupStore } from "../../agent/sources/group-store.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { unlimited } from "../../agent/sources/tree.ts";
import { createWorkTree } from "../../agent/sources/worktree.ts";
import { quietLog } from "./quiet.ts";
import { eventually } from "./tmp.ts";

/** Makes the folders of `home`; the functions write files and batches below its `batches.d`. */
export function makePlace(home: string) {
  const [root, data] = [join(home, "batches.d"), join(home, "data")];
  mkdirSync(root, { recursive: true });
  mkdirSync(join(data, "revisions"), { recursive: true });
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const batch = (path: string, yaml = 'cron: "0 3 * * *"\n') => {
    put(`${path}/script.sh`, "true\n");
    put(`${path}/batch.yaml`, yaml);
  };
  return { root, data, put, batch };
}

export async function followFolder(
  { root, data }: { root: string; data: string },
  limits: { maxSettingsBytes?: number } = {},
) {
  const log = quietLog();
  const history = await openHistory(data, { clock: systemClock, log });
  const revisions = createRevisions(data, root, (at) => createSource(at, { limits: unlimited }));
  const parts = { source: createSource(root), recorder: history.recorder, clock: systemClock, timeZone: "UTC", log };
  const inForce = new InForce({ ...parts, groupStore: createGroupStore(data, { clock: systemClock, log }) });
  const workTree = createWorkTree(root);
  const reconciler = new Reconciler({ ...parts, ...limits, inForce, workTree, revisions, isWatching: () => true });
  const settled = async (until: () => boolean) => {
    await eventually(async () => {
      await reconciler.resync();
      return until();
    });
  };
  return { history, revisions, inForce, reconciler, settled };
}
