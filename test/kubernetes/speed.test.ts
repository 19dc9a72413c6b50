// How much longer many executions take than the same bare pods, on a real control plane. Needs a build.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";
import type { Stored } from "./support/fake-server.ts";
import { realFault, tryRealCluster, type RealCluster } from "./support/real-cluster.ts";

const fault = realFault("control-plane");
const count = Number(process.env["KUBERNETES_DUE"] ?? 100);
/** Both share two cores with the cluster: a slow moment of the machine is no fault of the agent. */
const maxRatio = 2;

describe.skipIf(fault !== null)(`${count} batches due at once`, () => {
  let cluster: RealCluster;
  let missing: string | null = null;
  beforeAll(async () => {
    const opened = await tryRealCluster("control-plane");
    if (typeof opened === "string") console.warn(`passed over: ${(missing = opened)}`);
    else cluster = opened;
  }, 420_000);
  beforeEach(({ skip }) => skip(missing !== null, missing ?? ""));
  afterAll(() => (missing === null ? cluster.stop() : undefined), 60_000);

  test("each has its row, no request is refused with 429, and they take little longer than bare pods", async () => {
    const place = workplace();
    const due = new Date(Math.ceil((Date.now() + 15_000 + count * 10) / 1_000) * 1_000);
    for (let i = 0; i < count; i++) place.put(`b-${i}`, `cron: "${due.toISOString()}"\n`, "true");
    const agent = await startAgent(place, [...(await cluster.argsFor(place.data)), "--max-parallel", "10000"], {
      patienceMs: 60_000,
    });
    const rows = await eventually(async () => {
      const items = await agent.executions("?limit=500&status=succeeded");
      return items.length >= Math.min(500, count) ? items : null;
    }, 300_000);
    await eventually(
      async () =>
        (await agent.executions("?status=queued")).length + (await agent.executions("?status=running")).length === 0,
      300_000,
    );
    const ownMs = Date.now() - due.getTime();
    expect(new Set(rows.map(({ batch }) => batch)).size).toBe(rows.length);
    const metrics = await (await agent.get("/metrics")).text();
    expect(metrics).not.toMatch(/code="429"/);
    await agent.exit("SIGTERM");

    const path = `/api/v1/namespaces/${cluster.namespace}/pods`;
    const [pod] = (await cluster.pods()).filter(({ metadata }) => metadata.name.startsWith("b-"));
    const spec = { ...pod?.spec, nodeName: undefined };
    const [container] = pod?.spec?.["containers"] as object[];
    // The same pods, their script aside: no volume is shared, nothing is claimed.
    const bare = (i: number) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `bare-${i}` },
      spec: { ...spec, containers: [{ ...container, command: ["bash", "-c", "true"], args: [] }] },
    });
    const since = Date.now();
    await Promise.all(Array.from({ length: count }, (_, i) => cluster.client.request("POST", path, bare(i))));
    await eventually(async () => {
      const all: Stored[] = await cluster.pods();
      return (
        all.filter(({ metadata, status }) => metadata.name.startsWith("bare-") && status?.["phase"] === "Succeeded")
          .length === count
      );
    }, 300_000);
    const bareMs = Date.now() - since;
    console.warn(
      `${count} due at once: ${ownMs} ms; the same bare pods: ${bareMs} ms (${(ownMs / bareMs).toFixed(2)} times)`,
    );
    expect(ownMs / bareMs).toBeLessThan(maxRatio);
  }, 700_000);
});
