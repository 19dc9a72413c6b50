import { chmod, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { openHistory } from "../../agent/history/store.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { createIds, systemClock } from "../../agent/platform/clock.ts";
import { block, canMount, smallDisk } from "../helpers/disk.ts";
import { execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const report = "report" as BatchName;

/** Folders that were asked of the disk; the real thing does it. */
const synced = vi.hoisted(() => [] as string[]);
vi.mock(import("../../agent/platform/durable.ts"), async (original) => {
  const real = await original();
  return { ...real, syncFolder: (path) => (synced.push(path), real.syncFolder(path)) };
});

async function open(data: string) {
  const log = quietLog();
  return { log, history: await openHistory(data, { clock: systemClock, log }) };
}

describe("history", () => {
  test("what was saved is there after it is opened again", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    await history.amend(report, { schedule: { key: "k", coveredUntil: "2026-01-01T00:00:00.000Z" } }, t0);
    history.cover(report, "2026-01-02T00:00:00.000Z");
    const row = execution({ status: "succeeded" });
    await history.save(row);

    const again = (await open(data)).history;
    expect(again.find(row.id)).toEqual(row);
    expect(again.document("report")).toMatchObject({
      firstSeenAt: new Date(t0).toISOString(),
      schedule: { coveredUntil: "2026-01-02T00:00:00.000Z" },
    });
    expect(again.newestId()).toBe(row.id);
  });

  test("the document is JSON with a line for each execution", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const rows = [execution(), execution()];
    for (const row of rows) await history.save(row);
    const text = await readFile(join(data, "batches/report/history.json"), "utf8");
    expect(JSON.parse(text)).toMatchObject({ name: "report", executions: rows });
    expect(text.split("\n").filter((line) => line.startsWith('{"id"'))).toHaveLength(2);
  });

  test("200 saves at once are all there, and written in few writes", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const rows = Array.from({ length: 200 }, () => execution({ status: "succeeded" }));
    await Promise.all(rows.map((row) => history.save(row)));
    expect((await open(data)).history.document("report")?.executions).toEqual(rows);
  });

  test("dropped executions leave the record, the index and the disk", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const [old, fresh] = [execution({ status: "succeeded" }), execution({ status: "succeeded" })] as [
      Execution,
      Execution,
    ];
    await history.save(old);
    const folder = join(data, "batches/report/executions", old.id);
    await mkdir(folder, { recursive: true });
    await history.save(fresh, [old.id]);
    expect(history.find(old.id)).toBeUndefined();
    expect(history.run(old.run)).toEqual([]);
    expect((await open(data)).history.document("report")?.executions).toEqual([fresh]);
    await expect(stat(folder)).rejects.toThrow(/ENOENT/);
  });

  const torn: { name: string; damage: (path: string) => Promise<void> }[] = [
    { name: "empty", damage: (path) => truncate(path, 0) },
    { name: "truncated", damage: (path) => truncate(path, 50) },
    { name: "NUL bytes", damage: (path) => writeFile(path, Buffer.alloc(300)) },
    { name: "another shape", damage: (path) => writeFile(path, "[]") },
    { name: "a folder", damage: async (path) => (await rm(path), void (await mkdir(path))) },
    {
      name: "a row without its run",
      damage: async (path) => writeFile(path, (await readFile(path, "utf8")).replace('"run"', '"ran"')),
    },
    {
      name: "a row with a time that is none",
      damage: async (path) =>
        writeFile(path, (await readFile(path, "utf8")).replace(/"dueAt":"[^"]*"/, '"dueAt":"soon"')),
    },
    {
      name: "a row with a status there is none of",
      damage: async (path) =>
        writeFile(path, (await readFile(path, "utf8")).replace(/"status":"[^"]*"/, '"status":"done"')),
    },
    {
      name: "a row whose id is none",
      damage: async (path) => writeFile(path, (await readFile(path, "utf8")).replace(/"id":"[^"]*"/, '"id":"zzz"')),
    },
    {
      name: "another batch's",
      damage: (path) => writeFile(path, '{"name":"other","firstSeenAt":"x","executions":[]}'),
    },
  ];
  test.each(torn)("a document that is $name is set aside, said, and the rest goes on", async ({ damage }) => {
    const data = temporaryFolder();
    const { history } = await open(data);
    await history.save(execution());
    const other = execution({ batch: "other" as BatchName });
    await history.save(other);
    await damage(join(data, "batches/report/history.json"));

    const { history: again, log } = await open(data);
    expect(again.document("report")).toBeUndefined();
    expect(again.find(other.id)).toBeDefined();
    expect(await readdir(join(data, "batches/report"))).toEqual([expect.stringMatching(/^history\.json\.corrupt-2/)]);
    expect(log.said).toContainEqual(expect.objectContaining({ level: "error" }));
    expect(again.problems()).toMatchObject([
      { batch: "report", code: "history-corrupt", file: expect.stringContaining("history.json.corrupt-") as string },
    ]);
    await again.save(execution());
    expect((await open(data)).history.problems()).toMatchObject([
      { code: "history-corrupt", message: "the history of report could not be read; it was set aside" },
    ]);
    for (const { file } of again.problems()) await rm(file ?? "", { recursive: true });
    expect(again.problems()).toEqual([]);
  });

  test("all that were set aside are told, of many the newest, each until it is deleted", async () => {
    const data = temporaryFolder();
    const folder = join(data, "batches/report");
    await mkdir(folder, { recursive: true });
    const names = Array.from({ length: 12 }, (_, i) => `history.json.corrupt-2026-01-${10 + i}T00-00-00.000Z`);
    for (const name of names) await writeFile(join(folder, name), "");
    const { history } = await open(data);
    const told = () => history.problems().map(({ file }) => file);
    expect(told()).toEqual(names.slice(-10).map((name) => join(folder, name)));
    await rm(join(folder, names.at(-1) ?? ""));
    expect(told()).toEqual(names.slice(-10, -1).map((name) => join(folder, name)));
  });

  test("the folder of all is on disk once a batch's folder has come into it, and asked for no more than that", async () => {
    const data = temporaryFolder();
    const home = join(data, "batches");
    const syncedIn = async (work: () => Promise<unknown>) => (await work(), synced.splice(0));
    synced.length = 0;
    const { history } = await open(data);
    expect(synced.splice(0)).toEqual([data, home]); // what an earlier agent made may not be there yet
    expect(await syncedIn(() => history.save(execution()))).toEqual([home]);
    expect(await syncedIn(() => history.save(execution()))).toEqual([]);
    await rm(join(home, "report"), { recursive: true });
    expect(await syncedIn(() => history.save(execution()))).toEqual([home]);
  });

  test("a leftover of a write that was cut short is no harm", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const row = execution();
    await history.save(row);
    await writeFile(join(data, "batches/report/history.json.tmp"), '{"na');
    expect((await open(data)).history.find(row.id)).toEqual(row);
  });

  test("a write that fails is told and done again by itself once it can be", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    await history.save(execution());
    // A folder in the way of the temporary file fails for root too.
    const unblock = await block(data, "report");
    const row = execution();
    await expect(history.save(row)).rejects.toThrow(/cannot write .*history\.json/);
    expect(history.trouble()?.message).toMatch(/cannot write/);
    expect(history.find(row.id)).toEqual(row);
    await unblock();
    await eventually(() => history.trouble() === null);
    expect((await open(data)).history.find(row.id)).toEqual(row);
  });

  test.skipIf(!canMount)("one that is too large for what room is left holds up no other", async () => {
    const disk = smallDisk("2m");
    const { history } = await open(disk.path);
    const small = "small" as BatchName;
    const large = { ...execution(), message: "x".repeat(500_000) };
    await history.save(large);
    await history.save({ ...execution(), batch: small });
    disk.fill();
    const row = { ...execution(), batch: small };
    await expect(history.save({ ...large, exitCode: 3 })).rejects.toThrow(/cannot write/);
    await expect(history.save(row)).rejects.toThrow(/cannot write/);
    disk.leave(100_000);
    await history.written(small);
    expect(await readFile(join(disk.path, "batches/small/history.json"), "utf8")).toContain(row.id);
    expect(history.trouble()?.message).toContain("report");
    disk.empty();
    await history.written(report);
  });

  test("folders that no record names are cleared away, unless somebody may want to look at them", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const kept = await history.save(execution()).then(() => history.document("report")?.executions[0]?.id ?? "");
    for (const id of [kept, "01JSTRAY"]) await mkdir(join(data, "batches/report/executions", id), { recursive: true });
    await writeFile(join(data, "batches/report/history.json.corrupt-2026"), "");
    expect(await history.dropStrays("report" as BatchName)).toBe(0);
    await rm(join(data, "batches/report/history.json.corrupt-2026"));
    expect(await history.dropStrays("report" as BatchName)).toBe(1);
    expect(await readdir(join(data, "batches/report/executions"))).toEqual([kept]);
  });

  test("a batch that was being forgotten when the agent died stays forgotten", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    await history.save(execution());
    await rename(join(data, "batches/report"), join(data, "batches/.trash-report"));
    expect((await open(data)).history.names()).toEqual([]);
    expect(await readdir(join(data, "batches"))).toEqual([]);
  });

  test("pages neither skip nor repeat while rows are added and dropped", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const rows = Array.from({ length: 30 }, () => execution({ status: "succeeded" }));
    await Promise.all(rows.map((row) => history.save(row)));
    const seen: string[] = [];
    let before: string | undefined;
    for (;;) {
      const page = history.page({ limit: 7, ...(before === undefined ? {} : { before }) });
      seen.push(...page.items.map((row) => row.id));
      if (!page.more) break;
      before = seen.at(-1) as string;
      await history.save(execution({ status: "succeeded" }));
    }
    expect(seen).toEqual(rows.map((row) => row.id).reverse());
  });

  test("what changes in one turn is in one write: no crash comes between a mark and its rows", async () => {
    const home = temporaryFolder();
    const { history } = await open(home);
    const [ended, started] = [execution({ status: "aborted" }), execution()];
    const saved = history.save(ended);
    history.show(started);
    await saved;
    expect(await readFile(join(home, "batches/report/history.json"), "utf8")).toContain(started.id);
  });

  test("pages by batch, status, run and time", async () => {
    const { history } = await open(temporaryFolder());
    const failed = execution({ status: "failed", at: t0 + 5_000 });
    const other = execution({ batch: "other" as BatchName, at: t0 + 9_000 });
    for (const row of [execution({ status: "succeeded" }), failed, other]) await history.save(row);
    const ids = (query: object) => history.page({ limit: 50, ...query }).items.map((row) => row.id);
    expect(ids({ batch: "other" })).toEqual([other.id]);
    expect(ids({ batch: "nobody" })).toEqual([]);
    expect(ids({ statuses: ["failed", "queued"] })).toEqual([other.id, failed.id]);
    expect(ids({ run: failed.run })).toEqual([failed.id]);
    expect(ids({ since: t0 + 5_000 })).toEqual([other.id, failed.id]);
  });

  test("a data folder that cannot be made is said with a hint", async () => {
    const data = temporaryFolder();
    await writeFile(join(data, "file"), "");
    await expect(open(join(data, "file"))).rejects.toMatchObject({
      name: "StoreError",
      hint: expect.stringContaining("--data") as string,
    });
    await chmod(data, 0o755);
  });
});

test("ids only grow, also over a restart with the clock set back", () => {
  const first = createIds(null);
  const ids = [first(t0), first(t0), first(t0 - 3_600_000)];
  const second = createIds(ids.at(-1) as string);
  ids.push(second(t0 - 7_200_000), second(t0 - 7_200_000), second(t0 + 60_000));
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
