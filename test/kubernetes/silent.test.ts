// KUBERNETES_SILENT=1 npx vitest run test/kubernetes/silent.test.ts
// A node falls silent while a script runs, and comes back: some 12 minutes on a real control plane, for its own times
// and the agent's. Needs a build.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";
import { realFault, tryRealCluster } from "./support/real-cluster.ts";

const isAsked = process.env["KUBERNETES_SILENT"] !== undefined && realFault("control-plane") === null;
const unreachable = "{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1}";

test.skipIf(!isAsked)(
  "a silent node's execution is lost in time; its retry waits until the pod is gone",
  async () => {
    const cluster = await tryRealCluster("control-plane");
    if (typeof cluster === "string") throw new Error(cluster);
    const { kubelet } = cluster;
    if (kubelet === null) throw new Error("the stand-in is what falls silent");
    try {
      const place = workplace();
      const due = new Date(Date.now() + 10_000).toISOString();
      const yaml = `cron: "${due}"\nretry: {limit: 1, delay: 1s}\nkubernetes: {tolerations: [${unreachable}]}\n`;
      place.put("one", yaml, `echo $BATCH_ATTEMPT >>${place.home}/ran\n[ $BATCH_ATTEMPT = 2 ] || sleep 100000`);
      const agent = await startAgent(place, await cluster.argsFor(place.data));
      await eventually(async () => (await agent.executions("?status=running")).length === 1, 60_000);
      kubelet.isSilent = true;
      const since = performance.now();
      const lost = await eventually(async () => (await agent.executions("?status=failed"))[0] ?? null, 1_200_000);
      console.warn(`recorded after ${Math.round((performance.now() - since) / 1_000)} s`);
      expect(lost).toMatchObject({ reason: "lost" });
      expect(lost.message).toContain("may still be running on n1");
      const retry = await eventually(async () => {
        const [row] = await agent.executions("?status=queued");
        return row?.waitingFor?.includes("last attempt") === true ? row : null;
      }, 60_000);
      expect(retry.waitingFor).toContain("may still be running on n1");
      const ran = () => readFileSync(join(place.home, "ran"), "utf8");
      expect(ran()).toBe("1\n");
      kubelet.isSilent = false;
      await eventually(async () => (await agent.executions("?status=succeeded")).length === 1, 300_000);
      expect(ran()).toBe("1\n2\n");
      expect(await agent.executions()).toHaveLength(2);
    } finally {
      await cluster.stop();
    }
  },
  2_400_000,
);
