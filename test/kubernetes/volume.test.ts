// KUBERNETES_CLUSTER=control-plane npx vitest run test/kubernetes/volume.test.ts
// The agent is cut off from its volume, or from its API server, and from nothing else: pods keep both. On the fake
// server unless asked otherwise. Needs a build, and root.
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";
import { canMount } from "../helpers/disk.ts";
import { doubled, ownDueTimes, recordedRows, uncovered } from "../helpers/ledger.ts";
import { isRoot, nobody } from "../helpers/obstacles.ts";
import { ownMounts, remount } from "../helpers/own-mounts.ts";
import { eventually } from "../helpers/tmp.ts";
import { openCluster, type Cluster } from "./support/asked-cluster.ts";
import { startProxy } from "./support/proxy.ts";

vi.setConfig({ testTimeout: 300_000 });

let cluster: Cluster;
beforeEach(async () => (cluster = await openCluster()), 420_000);
afterEach(() => cluster.stop(), 60_000);

interface Ready {
  ready: boolean;
  reasons: string[];
  details: { runner: { watching: boolean; problem: string | null } };
}
const ready = async (agent: RunningAgent) => (await agent.get("/readyz")).json() as Promise<Ready>;
const problems = async (agent: RunningAgent) => (await agent.json<{ items: Problem[] }>("/api/problems")).items;
const command = (data: string, ...words: string[]) =>
  execFileSync(process.execPath, [main, ...words, "--data", data], { encoding: "utf8" });
const latest = async (agent: RunningAgent, batch: string) =>
  (await agent.executions(`?batch=${batch}&limit=1`))[0] ?? null;
const runs = (agent: RunningAgent, batch: string) =>
  eventually(async () => {
    const row = await latest(agent, batch);
    return row?.status === "running" ? row : null;
  }, 60_000);
const ends = (agent: RunningAgent, batch: string) =>
  eventually(async () => {
    const row = await latest(agent, batch);
    return row !== null && row.finishedAt !== null ? row : null;
  }, 120_000);
/** A script that waits for a file in its state folder. */
const waitFor = (file: string) => `until [ -e "$BATCH_STATE_DIR/${file}" ]; do sleep 0.1; done`;

describe("cut off from its volume alone", () => {
  test.skipIf(!canMount)("that takes no writes: nothing starts without its record, and no end is lost", async () => {
    const place = workplace();
    const ran = join(place.home, "ran");
    const note = `echo "$BATCH_EXECUTION_ID" >>${ran}\n`;
    place.put("often", 'cron: "* * * * * *"\nconcurrency: allow\nkeep: {executions: 1000}\n', note);
    place.put("long", 'cron: "@yearly"\n', `${note}${waitFor("go")}; exit 3`);
    const agent = await startAgent(place, await cluster.argsFor(place.data), ownMounts(place.data));
    command(place.data, "trigger", "long");
    const long = await runs(agent, "long");
    await eventually(async () => (await agent.executions("?batch=often&status=succeeded")).length > 1, 60_000);

    await remount(agent.child.pid, place.data, "ro");
    const told = await eventually(async () => ((now) => !now.ready && now)(await ready(agent)), 60_000);
    expect(told.reasons.join()).toContain("EROFS");
    expect(told.details.runner).toMatchObject({ watching: true, problem: null });
    expect(await eventually(async () => ((all) => all.length > 0 && all)(await problems(agent)))).toMatchObject([
      { code: "data-folder" },
    ]);
    writeFileSync(join(place.data, "batches/long/state/go"), "");
    const folder = join(place.data, "batches/long/executions", long.id);
    await eventually(() => readFileSync(join(folder, "exit"), "utf8") === "3\n", 60_000);
    const began = readFileSync(ran, "utf8").length;
    const line = long.id.length + 1;
    await new Promise((done) => setTimeout(done, 3_000)); // three due times come and cannot be recorded
    expect(readFileSync(ran, "utf8").length).toBeLessThanOrEqual(began + line);
    // Nobody is told of an end that is not on record.
    expect(await latest(agent, "long")).toMatchObject({ status: "running", finishedAt: null });

    await remount(agent.child.pid, place.data, "rw");
    expect(await ends(agent, "long")).toMatchObject({ status: "failed", reason: "exit", exitCode: 3 });
    await eventually(async () => (await ready(agent)).ready, 60_000);
    await eventually(async () => (await problems(agent)).length === 0, 60_000);
    const before = (await agent.executions("?batch=often&status=succeeded&limit=500")).length;
    await eventually(
      async () => (await agent.executions("?batch=often&status=succeeded&limit=500")).length > before + 1,
      60_000,
    );
    place.put("often", 'cron: "@yearly"\n', note);
    await eventually(async () => (await agent.batch("often")).next[0]?.includes("-01-01T") === true, 60_000);
    await eventually(async () => (await openOnes(agent)).length === 0, 60_000);
    expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });

    const rows = recordedRows(place.data);
    const own = ownDueTimes(rows, "often");
    expect(doubled(rows, "often")).toEqual([]);
    expect(uncovered(rows, "often", own[0] ?? 0, own.at(-1) ?? 0)).toEqual([]);
    const started = rows.filter(({ startedAt }) => startedAt !== null).map(({ id }) => id);
    expect(readFileSync(ran, "utf8").trim().split("\n").sort()).toEqual(started.sort());
  });

  // Longer than others: a missing end is taken for one only after ten seconds.
  test.skipIf(!isRoot)("that cannot be read: what it does not see there is not taken for missing", async () => {
    const place = workplace();
    const volume = join(place.home, "volume");
    mkdirSync(volume);
    place.data = join(volume, "data");
    const ran = join(place.home, "ran");
    const note = `echo "$BATCH_NAME" >>${ran}\n`;
    place.put("long", 'cron: "@yearly"\n', `${note}echo some output; ${waitFor("go")}; exit 3`);
    place.put("late", 'cron: "@yearly"\n', `${note}${waitFor("go")}; exit 4`);
    const args = [...(await cluster.argsFor(place.data)), "--kubernetes-pending", "15s"];
    execFileSync("chown", ["-R", `${nobody}:${nobody}`, place.data]);
    chownSync(`${place.data}.kubeconfig`, nobody, nobody);
    chmodSync(place.home, 0o755);
    const agent = await startAgent(place, args, { uid: nobody });
    command(place.data, "trigger", "long");
    const long = await runs(agent, "long");
    await eventually(async () => (await latest(agent, "long"))?.stdoutBytes === 12, 60_000);
    // The other one is asked for, and starts when its agent cannot see that.
    const { kubelet } = cluster;
    if (kubelet === null) throw new Error("a stand-in kubelet is needed");
    kubelet.isSilent = true;
    command(place.data, "trigger", "late");
    const late = await eventually(
      async () => ((row) => row?.place != null && row)(await latest(agent, "late")),
      60_000,
    );

    chmodSync(volume, 0o000);
    await eventually(async () => !(await ready(agent)).ready, 60_000);
    kubelet.isSilent = false;
    await eventually(() => existsSync(join(place.data, "batches/late/executions", late.id, "claim")), 60_000);
    writeFileSync(join(place.data, "batches/long/state/go"), "");
    await eventually(
      async () =>
        (await cluster.pods()).find(({ metadata }) => metadata.name === long.place?.pod)?.status?.["phase"] ===
        "Failed",
      60_000,
    );
    await new Promise((done) => setTimeout(done, 17_000)); // beyond every patience, that of a pod that waits too
    expect(await ready(agent)).toMatchObject({ details: { runner: { watching: true, problem: null } } });

    chmodSync(volume, 0o755);
    const [first, second] = [await ends(agent, "long"), await runs(agent, "late")];
    expect(agent.log().match(/cannot check for commands/g)?.length).toBeLessThan(5); // once, not with every look
    expect(first).toMatchObject({ status: "failed", reason: "exit", exitCode: 3, stdoutBytes: 12 });
    expect(first.outputTruncated).toBe(false);
    expect(second.id).toBe(late.id);
    writeFileSync(join(place.data, "batches/late/state/go"), "");
    expect(await ends(agent, "late")).toMatchObject({ status: "failed", reason: "exit", exitCode: 4 });
    await eventually(async () => (await ready(agent)).ready, 60_000);
    expect(readFileSync(ran, "utf8")).toBe("long\nlate\n");
  });
});

async function openOnes(agent: RunningAgent): Promise<Execution[]> {
  const open = ["queued", "running"].map((status) => agent.executions(`?status=${status}&limit=500`));
  return (await Promise.all(open)).flat();
}

test("cut off from its API server alone: ends are recorded, all else waits and is done once it is back", async () => {
  const network = await startProxy(cluster.client.server);
  try {
    const place = workplace();
    const ran = join(place.home, "ran");
    const put = (name: string, yaml: string, script: string) =>
      place.put(name, `cron: "@yearly"\n${yaml}`, `echo "$BATCH_NAME" >>${ran}\n${script}`);
    put("ends", "", `${waitFor("go")}; exit 4`);
    put("cancelled", "", "exec sleep 600");
    put("late", "timeout: 15s\n", "exec sleep 600");
    put("next", "", "true");
    const args = await cluster.argsFor(place.data);
    const at = args.indexOf("--kubeconfig") + 1;
    const text = readFileSync(args[at] ?? "", "utf8").replace(cluster.client.server, network.url);
    writeFileSync((args[at] = join(place.home, "kubeconfig")), text);
    const agent = await startAgent(place, args);
    const names = ["ends", "cancelled", "late"];
    for (const name of names) {
      command(place.data, "trigger", name);
      await runs(agent, name);
    }

    network.drop();
    writeFileSync(join(place.data, "batches/ends/state/go"), "");
    expect(await ends(agent, "ends")).toMatchObject({ status: "failed", reason: "exit", exitCode: 4 });
    command(place.data, "cancel", (await latest(agent, "cancelled"))?.id ?? "");
    command(place.data, "trigger", "next");
    await eventually(
      async () => (await latest(agent, "next"))?.waitingFor?.startsWith("the API server") === true,
      60_000,
    );
    const late = join(place.data, "batches/late/executions", (await latest(agent, "late"))?.id ?? "");
    await eventually(() => readFileSync(join(late, "stop-reason"), "utf8") === "timeout\n", 60_000);
    expect((await agent.get("/readyz")).status).toBe(200);
    expect((await latest(agent, "cancelled"))?.status).toBe("running");

    network.restore();
    expect(await ends(agent, "cancelled")).toMatchObject({ status: "aborted", reason: "cancelled" });
    expect(await ends(agent, "late")).toMatchObject({ status: "failed", reason: "timeout" });
    expect(await ends(agent, "next")).toMatchObject({ status: "succeeded" });
    await eventually(async () => (await ready(agent)).details.runner.watching, 120_000);
    expect(readFileSync(ran, "utf8").trim().split("\n").sort()).toEqual([...names, "next"].sort());
  } finally {
    await network.close();
  }
});
