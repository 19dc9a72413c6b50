// What the agent knows of its pods, from lists and watches of a server.
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../agent/platform/clock.ts";
import { Pods } from "../../agent/runners/kubernetes/pods.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually } from "../helpers/tmp.ts";
import { fakeCluster, type Cluster } from "./support/clusters.ts";

let cluster: Cluster;
beforeEach(async () => void (cluster = await fakeCluster()));
afterEach(() => cluster.stop());

test("pods that are too large for one answer are listed in smaller pages", async () => {
  const { client, namespace } = cluster;
  const names = Array.from({ length: 120 }, (_, i) => `p-${i}`);
  const annotations = { filling: "x".repeat(1024 * 1024) };
  for (const name of names) {
    const metadata = { name, labels: { of: "this" }, annotations };
    const spec = { nodeSelector: { none: "such" }, containers: [{ name: "script", image: "batch" }] };
    await client.request("POST", `/api/v1/namespaces/${namespace}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec,
    });
  }
  const pods = new Pods({
    ...{ client, namespace, selector: "of=this", clock: systemClock, log: quietLog(), random: () => 0 },
    onChange: () => undefined,
    onListed: () => undefined,
  });
  pods.start();
  await eventually(() => pods.isListed, 60_000);
  expect([...pods.all()].map(({ name }) => name).sort()).toEqual(names.sort());
  pods.close();
}, 120_000);
