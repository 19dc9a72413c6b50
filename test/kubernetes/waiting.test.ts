// Starts that the cluster cannot carry out yet, or never will: each says why in the cluster's own words, nothing starts
// twice, and all goes on once it is put right. On a real control plane, whose scheduler and admission speak. Needs a
// build.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";
import { realFault, tryRealCluster } from "./support/real-cluster.ts";
import { useCluster } from "./support/use-cluster.ts";

const fault = realFault("control-plane");
if (fault !== null) console.warn(`passed over, no scheduler says why a pod waits: ${fault}`);

describe.skipIf(fault !== null)("what a pod waits for", { timeout: 240_000 }, () => {
  const cluster = useCluster(() => tryRealCluster("control-plane"));

  /** Batches by name with their `kubernetes`, started by hand. */
  async function setUp(batches: Record<string, string>, more: string[] = []) {
    const place = workplace();
    const put = (name: string, kubernetes: string) =>
      place.put(
        name,
        `cron: "@yearly"\n${kubernetes === "" ? "" : `kubernetes: ${kubernetes}\n`}`,
        'echo "$BATCH_NAME" >>"$BATCH_STATE_DIR/ran"',
      );
    for (const [name, kubernetes] of Object.entries(batches)) put(name, kubernetes);
    const agent = await startAgent(place, [...(await cluster().argsFor(place.data)), ...more]);
    const ran = (name: string) => {
      try {
        return readFileSync(join(place.data, "batches", name, "state/ran"), "utf8")
          .trim()
          .split("\n").length;
      } catch {
        return 0;
      }
    };
    const trigger = (name: string) =>
      execFileSync(process.execPath, [main, "trigger", name, "--data", place.data], { encoding: "utf8" }).trim();
    return { place, agent, put, ran, trigger };
  }
  const row = (agent: RunningAgent, id: string) => agent.json<Execution>(`/api/executions/${id}`);
  const waits = (agent: RunningAgent, id: string, words: RegExp) =>
    eventually(async () => {
      const one = await row(agent, id);
      return words.test(one.waitingFor ?? "") ? one : null;
    }, 60_000);
  const ends = (agent: RunningAgent, id: string) =>
    eventually(async () => ((one) => one.finishedAt !== null && one)(await row(agent, id)), 120_000);
  const podsOf = async (id: string) =>
    (await cluster().pods()).filter(
      ({ metadata }) => (metadata["labels"] as Record<string, string>)["batch-agent/execution"] === id,
    );
  const problemOf = async (agent: RunningAgent) =>
    (await agent.json<{ details: { runner: { problem: string | null } } }>("/readyz")).details.runner.problem;

  test("a claim that is not there, then one that cannot be bound, then a volume for it", async () => {
    const place = workplace();
    place.put("one", 'cron: "@yearly"\n', `echo run >>"$BATCH_STATE_DIR/ran"`);
    const args = await cluster().argsFor(place.data);
    const agent = await startAgent(place, args.with(args.indexOf("--kubernetes-claim") + 1, "nowhere"));
    const id = execFileSync(process.execPath, [main, "trigger", "one", "--data", place.data]).toString().trim();
    const waiting = await waits(agent, id, /persistentvolumeclaim "nowhere" not found/);
    expect(waiting).toMatchObject({ status: "queued", startedAt: null, place: null });
    const claims = `/api/v1/namespaces/${cluster().namespace}/persistentvolumeclaims`;
    const claim = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "nowhere" },
      spec: { accessModes: ["ReadWriteMany"], storageClassName: "", resources: { requests: { storage: "1Gi" } } },
    };
    expect(await cluster().client.request("POST", claims, claim)).toMatchObject({ kind: "ok" });
    await waits(agent, id, /unbound immediate PersistentVolumeClaims/);
    expect(await problemOf(agent)).toBeNull();
    await cluster().makeVolume(cluster().namespace, "nowhere", place.data);
    expect(await ends(agent, id)).toMatchObject({ status: "succeeded", waitingFor: null });
    expect(readFileSync(join(place.data, "batches/one/state/ran"), "utf8")).toBe("run\n");
    expect(await podsOf(id)).toHaveLength(1);
  });

  test("requests beyond every node, and a nodeSelector that fits none: a failed start once they waited too long", async () => {
    const { agent, put, ran, trigger } = await setUp(
      { large: "{resources: {requests: {cpu: '5000'}}}", picky: "{nodeSelector: {disk: tape}}" },
      ["--kubernetes-pending", "5s"],
    );
    const asked = { large: trigger("large"), picky: trigger("picky") };
    for (const [name, words] of [
      ["large", /0\/1 nodes are available: 1 Insufficient cpu/],
      ["picky", /0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity\/selector/],
    ] as const) {
      const end = await ends(agent, asked[name]);
      expect(end).toMatchObject({ status: "failed", reason: "spawn", startedAt: null, place: null });
      expect(end.message).toMatch(words);
      expect(end.message).toMatch(/\(not started within 5 s\)$/);
      await eventually(async () => (await podsOf(asked[name])).length === 0, 60_000);
      expect(ran(name)).toBe(0);
      put(name, "");
      await eventually(async () => {
        const { definition } = await agent.batch(name);
        return definition?.["kubernetes"] === undefined || definition["kubernetes"] === null;
      }, 60_000);
      expect(await ends(agent, trigger(name))).toMatchObject({ status: "succeeded" });
      expect(ran(name)).toBe(1);
    }
  });

  test("a nodeSelector that a node comes to fit while the pod waits", async () => {
    const { agent, ran, trigger } = await setUp({ picky: "{nodeSelector: {disk: ssd}}" });
    const id = trigger("picky");
    expect(await waits(agent, id, /didn't match Pod's node affinity\/selector/)).toMatchObject({ place: null });
    cluster().kubectl("label", "node", "n1", "disk=ssd");
    expect(await ends(agent, id)).toMatchObject({ status: "succeeded", place: { node: "n1" } });
    expect(ran("picky")).toBe(1);
    expect(await podsOf(id)).toHaveLength(1);
  });

  test("a priority class that is not there is refused at once, and known once it is", async () => {
    const { agent, ran, trigger } = await setUp({ urgent: "{priorityClass: at-night}" });
    const words = "no PriorityClass with name at-night was found";
    const end = await ends(agent, trigger("urgent"));
    expect(end).toMatchObject({ status: "failed", reason: "spawn", startedAt: null });
    expect(end.message).toContain(words);
    expect(await problemOf(agent)).toContain(words);
    expect(await podsOf(end.id)).toEqual([]);
    cluster().kubectl("create", "priorityclass", "at-night", "--value=1000");
    // The server's admission reads its classes a moment later.
    const again = await eventually(async () => {
      const next = await ends(agent, trigger("urgent"));
      return next.status === "succeeded" && next;
    }, 60_000);
    expect(again.status).toBe("succeeded");
    expect(await problemOf(agent)).toBeNull();
    expect(ran("urgent")).toBe(1);
  });

  test("a full quota that somebody raises, and one that wants what the batch does not say", async () => {
    const { agent, ran, trigger } = await setUp({ one: "", two: "" });
    await cluster().setQuota(0);
    const ids = [trigger("one"), trigger("two")];
    for (const id of ids) {
      const waiting = await waits(agent, id, /exceeded quota: rq, requested: pods=1, used: pods=0, limited: pods=0/);
      expect(waiting).toMatchObject({ status: "queued", startedAt: null, place: null });
      expect(await podsOf(id)).toEqual([]);
    }
    const patch = (spec: string) =>
      cluster().kubectl("-n", cluster().namespace, "patch", "resourcequota", "rq", "-p", `{"spec": ${spec}}`);
    patch('{"hard": {"pods": "1"}}'); // room for one at a time
    for (const id of ids) expect(await ends(agent, id)).toMatchObject({ status: "succeeded" });
    expect([ran("one"), ran("two")]).toEqual([1, 1]);
    patch('{"hard": {"pods": null, "requests.cpu": "4"}}');
    const refused = await eventually(async () => {
      const end = await ends(agent, trigger("one"));
      return end.status === "failed" && end; // the server reads its quotas a moment later
    }, 60_000);
    expect(refused.reason).toBe("spawn");
    expect(refused.message).toContain("must specify requests.cpu");
    expect(await problemOf(agent)).toContain("must specify requests.cpu");
    cluster().kubectl("-n", cluster().namespace, "delete", "resourcequota", "rq");
    await eventually(async () => (await ends(agent, trigger("two"))).status === "succeeded", 60_000);
    expect(await problemOf(agent)).toBeNull();
  });
});
