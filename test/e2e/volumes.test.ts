// Kubernetes volumes under the built program, swapped as the kubelet swaps them.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { canMount } from "../helpers/disk.ts";
import { eventually } from "../helpers/tmp.ts";
import { bindMount, volume } from "../helpers/volume.ts";

const noResync = ["--resync", "1h"]; // what is seen is seen by events

/** Both files carry the number of their generation, in what they print too. */
function generation(n: number, below = ""): Record<string, string> {
  return {
    [`${below}batch.yaml`]: `cron: "* * * * * *"\nenv: { YAML: generation-${n} }\n`,
    [`${below}script.sh`]: `echo "$YAML generation-${n}"\n`,
  };
}

/** The first execution that prints generation `n`, and how long after `since` it began, in ms. */
async function firstOf(agent: RunningAgent, n: number, batch: string, since: number): Promise<number> {
  return eventually(async () => {
    for (const row of (await agent.executions(`?batch=${batch}&status=succeeded`)).reverse()) {
      if ((await (await agent.get(`/api/executions/${row.id}/stdout`)).text()) !== `generation-${n} generation-${n}\n`)
        continue;
      return Math.max(1, Date.parse(row.startedAt ?? "") - since);
    }
    return null;
  }, 30_000);
}

/** Generations of each revision that was ever stored, as its two files name them. */
function storedGenerations(data: string): string[][] {
  const home = join(data, "revisions");
  return readdirSync(home)
    .filter((name) => !name.startsWith("."))
    .map((name) =>
      ["batch.yaml", "script.sh"].map(
        (file) => /generation-\d+/.exec(readFileSync(join(home, name, file), "utf8"))?.[0] ?? "",
      ),
    );
}

async function expectWhole(agent: RunningAgent, data: string): Promise<void> {
  for (const [yaml, script] of storedGenerations(data)) expect(yaml).toBe(script);
  expect(storedGenerations(data).flat()).toContain("generation-1");
  for (const row of await agent.executions("?status=succeeded&limit=500")) {
    const [yaml, script] = (await (await agent.get(`/api/executions/${row.id}/stdout`)).text()).trim().split(" ");
    expect(yaml).toBe(script);
  }
  expect((await agent.json<{ items: unknown[] }>("/api/problems")).items).toEqual([]);
}

describe("a volume on one batch's folder", () => {
  test("each swap is seen by events, no generation is ever mixed with another, keys come and go", async () => {
    const place = workplace();
    const mount = volume(join(place.batches, "report"));
    mount.write(generation(1));
    const agent = await startAgent(place, noResync);
    await firstOf(agent, 1, "report", 0);
    const delays: number[] = [];
    for (const n of [2, 3, 4]) {
      mount.write(generation(n));
      delays.push(await firstOf(agent, n, "report", Date.now()));
    }
    for (let n = 5; n <= 80; n++) {
      mount.write(generation(n));
      await new Promise((done) => setTimeout(done, n % 7 === 0 ? 300 : 40));
    }
    mount.write({ ...generation(81), "rates.csv": "1\n" });
    delays.push(await firstOf(agent, 81, "report", Date.now()));
    const { revision } = await agent.batch("report");
    expect(readdirSync(join(place.data, "revisions", revision ?? "")).sort()).toEqual([
      "batch.yaml",
      "rates.csv",
      "script.sh",
    ]);
    mount.write(generation(82));
    delays.push(await firstOf(agent, 82, "report", Date.now()));
    expect(Math.min(...delays)).toBeLessThan(5_000); // about half a second on a machine with nothing else to do
    await expectWhole(agent, place.data);
    // script.sh goes: a problem, and the last valid revision stays in force
    mount.write({ "batch.yaml": generation(83)["batch.yaml"] as string });
    const broken = await eventually(async () => ((b) => b.problems.length > 0 && b)(await agent.batch("report")));
    expect(broken).toMatchObject({ state: "scheduled", problems: [{ code: "no-script" }] });
    mount.write(generation(84));
    await firstOf(agent, 84, "report", Date.now());
    await expectWhole(agent, place.data);
  }, 120_000);
});

describe("a projected volume over the whole folder", () => {
  test("batches come, change together and go", async () => {
    const place = workplace();
    const mount = volume(place.batches);
    mount.write({ ...generation(1, "one/"), ...generation(1, "two/"), "README.md": "ignored" });
    const agent = await startAgent(place, noResync);
    await firstOf(agent, 1, "two", 0);
    for (let n = 2; n <= 40; n++) {
      mount.write({ ...generation(n, "one/"), ...generation(n, "two/") });
      await new Promise((done) => setTimeout(done, n % 7 === 0 ? 300 : 40));
    }
    mount.write({ ...generation(41, "one/"), ...generation(41, "two/"), ...generation(41, "three/") });
    for (const name of ["one", "two", "three"]) await firstOf(agent, 41, name, Date.now());
    mount.write(generation(41, "two/"));
    await eventually(
      async () => (await agent.batch("one")).state === "removed" && (await agent.batch("three")).state === "removed",
    );
    expect((await agent.batch("two")).state).toBe("scheduled");
    mount.write({ ...generation(42, "one/"), ...generation(42, "two/") });
    for (const name of ["one", "two"]) await firstOf(agent, 42, name, Date.now());
    await expectWhole(agent, place.data);
    expect(agent.log()).toContain('"batch":"one","msg":"batch removed"');
    expect(agent.log()).not.toContain('"batch":"two","msg":"batch removed"');
  }, 120_000);

  test.skipIf(!canMount)(
    "mounted read-only, as into a container",
    async () => {
      const place = workplace();
      const mount = volume(join(place.home, "kubelet"));
      mount.write(generation(1, "report/"));
      bindMount(mount.path, place.batches, { readOnly: true });
      expect(() => writeFileSync(join(place.batches, "x"), "")).toThrow("EROFS");
      const agent = await startAgent(place, noResync);
      await firstOf(agent, 1, "report", 0);
      for (const n of [2, 3]) {
        mount.write(generation(n, "report/"), 0o444);
        await firstOf(agent, n, "report", Date.now());
      }
      await expectWhole(agent, place.data);
    },
    60_000,
  );

  test.skipIf(!canMount)(
    "keys mounted one by one with subPath stay as they were, and that is no problem",
    async () => {
      const place = workplace();
      const mount = volume(join(place.home, "kubelet"));
      mount.write(generation(1));
      mkdirSync(join(place.batches, "fixed"));
      for (const key of ["batch.yaml", "script.sh"]) {
        writeFileSync(join(place.batches, "fixed", key), "");
        bindMount(join(mount.path, key), join(place.batches, "fixed", key), { readOnly: true });
      }
      const agent = await startAgent(place, ["--resync", "1s"]);
      await firstOf(agent, 1, "fixed", 0);
      mount.write(generation(2));
      rmSync(mount.path, { recursive: true });
      const since = Date.now();
      await eventually(
        async () => (await agent.executions(`?since=${new Date(since + 3_000).toISOString()}&status=succeeded`))[0],
      );
      expect(new Set(storedGenerations(place.data).flat())).toEqual(new Set(["generation-1"]));
      await expectWhole(agent, place.data);
    },
    60_000,
  );
});
