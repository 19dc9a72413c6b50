// KUBERNETES_DUE=2000 npx vitest run test/kubernetes/speed.test.ts
// How much longer many executions take than the same bare pods, on a real control plane. Needs a build.
import { describe, expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { recordedRows } from "../helpers/ledger.ts";
import { eventually } from "../helpers/tmp.ts";
import type { Stored } from "./support/fake-server.ts";
import { realFault, tryRealCluster } from "./support/real-cluster.ts";
import { useCluster } from "./support/use-cluster.ts";

const fault = realFault("control-plane");
const asked = process.env["KUBERNETES_DUE"];
const count = Number(asked ?? 100);
/** Only where it was asked for: what other work takes of the machine in between is no fault of the agent. */
const maxRatio = asked === undefined ? Infinity : 1.3;
const patienceMs = 60_000 + count * 600;

describe.skipIf(fault !== null)(`${count} batches due at once`, () => {
  const cluster = useCluster(() => tryRealCluster("control-plane"));

  test("each has its row, no request is refused with 429, and they take little longer than bare pods", async () => {
    const place = workplace();
    const due = new Date(Math.ceil((Date.now() + 15_000 + count * 10) / 1_000) * 1_000);
    for (let i = 0; i < count; i++) place.put(`b-${i}`, `cron: "${due.toISOString()}"\n`, "true");
    // A pod that a busy machine lets wait is none that is given up.
    const more = ["--max-parallel", "10000", "--kubernetes-pending", "1h"];
    const agent = await startAgent(place, [...(await cluster().argsFor(place.data)), ...more], { patienceMs });
    let metrics = "";
    await eventually(async () => {
      const { details } = await agent.json<{ details: { running: number; queued: number } }>("/readyz");
      if (details.running + details.queued > 0 || Date.now() < due.getTime()) return false;
      metrics = await (await agent.get("/metrics")).text();
      const ends = metrics.matchAll(/^batch_agent_executions_total\{.*\} (\d+)$/gm);
      return [...ends].reduce((sum, [, number]) => sum + Number(number), 0) === count;
    }, patienceMs);
    expect(metrics).not.toMatch(/code="429"/);
    const requests = [...metrics.matchAll(/^batch_agent_kubernetes_requests_total\{(.*?)\} (\d+)$/gm)];
    console.warn(`requests: ${requests.map(([, labels, number]) => `${labels} ${number}`).join("; ")}`);
    await agent.exit("SIGTERM");
    const rows = recordedRows(place.data);
    expect(new Set(rows.map(({ batch }) => batch)).size).toBe(count);
    expect(rows.filter(({ status }) => status !== "succeeded" || rows.length !== count)).toEqual([]);
    const ownMs = Math.max(...rows.map(({ finishedAt }) => Date.parse(finishedAt ?? ""))) - due.getTime();

    const path = `/api/v1/namespaces/${cluster().namespace}/pods`;
    // All of them may be larger than the client takes.
    const listOne = async () => {
      const listed = await cluster().client.request("GET", `${path}?limit=1`);
      if (listed.kind !== "ok") throw new Error("the pods cannot be listed");
      return listed.body as { metadata: { resourceVersion: string }; items: Stored[] };
    };
    const [pod] = (await listOne()).items;
    const spec = { ...pod?.spec, nodeName: undefined };
    const [container] = pod?.spec?.["containers"] as object[];
    // The same pods, their script aside: no volume is shared, nothing is claimed.
    const bare = (i: number) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `bare-${i}`, labels: { bare: "yes" } },
      spec: { ...spec, containers: [{ ...container, command: ["bash", "-c", "true"], args: [] }] },
    });
    // What is left of the agent's own pods is no load of the others. A request of 30 s does not delete thousands.
    await eventually(async () => {
      await cluster().client.request("DELETE", `${path}?labelSelector=bare%21%3Dyes`);
      return (await listOne()).items.length === 0;
    }, patienceMs);
    const { resourceVersion } = (await listOne()).metadata;
    const over = new Set<string>();
    const watching = cluster().client.watch(
      `${path}?watch=1&labelSelector=bare%3Dyes&resourceVersion=${resourceVersion}&timeoutSeconds=3000`,
      (line) => {
        const { object } = JSON.parse(line) as { object: Stored };
        if (object.status?.["phase"] === "Succeeded") over.add(object.metadata.name);
      },
      () => undefined,
    );
    const since = Date.now();
    await Promise.all(Array.from({ length: count }, (_, i) => cluster().client.request("POST", path, bare(i))));
    await eventually(() => over.size === count, patienceMs);
    const bareMs = Date.now() - since;
    watching.abort();
    console.warn(
      `${count} due at once: ${ownMs} ms; the same bare pods: ${bareMs} ms (${(ownMs / bareMs).toFixed(2)} times)`,
    );
    expect(ownMs / bareMs).toBeLessThan(maxRatio);
  }, 3_000_000);
});
