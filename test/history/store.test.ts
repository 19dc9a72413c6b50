import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Execution, ExecutionStatus } from "../../agent/model/execution.ts";
import type { BatchName, RunId } from "../../agent/model/ids.ts";
import { createIds, systemClock } from "../../agent/platform/clock.ts";
import { block, blockDocument } from "../helpers/disk.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { openTestHistory } from "../helpers/history.ts";
import { execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const report = "report" as BatchName;

async function open(data: string) {
  const log = quietLog();
  return { log, history: await openTestHistory(data, { clock: systemClock, log }) };
}

describe("history", () => {
  test("what was saved is there after it is opened again", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    await history.amend(report, { schedule: { key: "k", coveredUntil: "2026-01-01T00:00:00.000Z" } });
    const { firstSeenAt } = history.recorder.head(report) ?? {};
    const row = execution({ status: "succeeded" });
    await history.save(row);

    const again = (await open(data)).history;
    expect(await again.reader.find(row.id)).toEqual(row);
    expect(again.recorder.head("report")).toMatchObject({
      firstSeenAt,
      schedule: { coveredUntil: "2026-01-01T00:00:00.000Z" },
    });
    expect(again.newestId()).toBe(row.id);
  });

  test("the document is JSON, a line an execution; after a clean stop it is whole and the journal empty", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const rows = [execution(), execution()];
    for (const row of rows) await history.save(row);
    await history.close();
    const text = await readFile(join(data, "batches/report/history.json"), "utf8");
    expect(JSON.parse(text)).toMatchObject({ name: "report", executions: rows });
    expect(text.split("\n").filter((line) => line.startsWith('{"id"'))).toHaveLength(2);
    expect(await readdir(join(data, "journal"))).toEqual([]);
    expect(await (await open(data)).history.reader.document("report")).toEqual(rows);
  });

  test("a data folder of documents alone opens as it is, however they are written", async () => {
    const data = temporaryFolder();
    const rows = [execution({ status: "succeeded" }), execution({ status: "running" })];
    const head = {
      name: "report",
      firstSeenAt: new Date(t0).toISOString(),
      removedAt: null,
      revision: null,
      commit: null,
    };
    await mkdir(join(data, "batches/report"), { recursive: true });
    for (const space of [0, 2]) {
      const text = JSON.stringify({ ...head, schedule: null, executions: rows }, null, space);
      await writeFile(join(data, "batches/report/history.json"), text);
      const { history } = await open(data);
      expect(await history.reader.document("report")).toEqual(rows);
      expect(history.recorder.open()).toEqual([rows[1]]);
      await history.close();
      expect(await (await open(data)).history.reader.document("report")).toEqual(rows);
    }
  });

  test("200 commits at once are all there, and written in few lines", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const rows = Array.from({ length: 200 }, () => execution({ status: "succeeded" }));
    await Promise.all(rows.map((row) => history.save(row)));
    const lines = (await readFile(join(data, "journal/1.jsonl"), "utf8")).trim().split("\n");
    expect(lines.length).toBeLessThan(5);
    expect(await (await open(data)).history.reader.document("report")).toEqual(rows);
  });

  test("who asks for what is durable right after its own commit is answered at once", async () => {
    const { history } = await open(temporaryFolder());
    for (let i = 0; i < 20; i++) {
      await history.save(execution({ status: "succeeded" }));
      await history.recorder.durable(); // no later commit is needed
    }
    await history.close();
  });

  test("deleted executions leave the record, the index and the disk", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const [old, fresh] = [execution({ status: "succeeded" }), execution({ status: "succeeded" })];
    await history.save(old);
    const folder = join(data, "batches/report/executions", old.id);
    await mkdir(folder, { recursive: true });
    await Promise.all([history.save(fresh), history.drop("report", [old.id])]);
    expect(await history.reader.find(old.id)).toBeUndefined();
    expect(await history.reader.run(old.run)).toEqual([]);
    expect(await (await open(data)).history.reader.document("report")).toEqual([fresh]);
    await eventually(() => !existsSync(folder));
    await history.close();
    expect(await (await open(data)).history.reader.document("report")).toEqual([fresh]);
  });

  const torn: { name: string; damage: (path: string) => Promise<void> }[] = [
    { name: "empty", damage: (path) => truncate(path, 0) },
    { name: "truncated", damage: (path) => truncate(path, 50) },
    { name: "NUL bytes", damage: (path) => writeFile(path, Buffer.alloc(300)) },
    { name: "another shape", damage: (path) => writeFile(path, "[]") },
    { name: "a folder", damage: async (path) => (await rm(path), await mkdir(path), undefined) },
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
    await history.close();
    await damage(join(data, "batches/report/history.json"));

    const { history: again, log } = await open(data);
    expect(again.recorder.head("report")).toBeUndefined();
    expect(await again.reader.find(other.id)).toEqual(other);
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

  test("a leftover of a write that was cut short is no harm", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const row = execution();
    await history.save(row);
    await history.close();
    await writeFile(join(data, "batches/report/history.json.tmp"), '{"na');
    expect(await (await open(data)).history.reader.find(row.id)).toEqual(row);
  });

  test("a commit that fails is told, seen by decisions only, and written by itself once it can be", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    await history.save(execution());
    const unblock = await block(data);
    const row = execution();
    await expect(history.save(row)).rejects.toThrow(/cannot write .*journal/);
    expect(history.trouble()?.message).toMatch(/cannot write/);
    expect(history.recorder.current(row.id)).toEqual(row);
    expect(await history.reader.find(row.id)).toBeUndefined();
    await unblock();
    await history.recorder.durable();
    expect(history.trouble()).toBeNull();
    expect(await history.reader.find(row.id)).toEqual(row);
    expect(await (await open(data)).history.reader.find(row.id)).toEqual(row);
  });

  test("a document that cannot be written is said at a stop, and loses nothing", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const row = execution();
    await history.save(row, execution({ batch: "other" as BatchName }));
    const unblock = await blockDocument(data, "report");
    await history.close();
    expect(history.trouble()?.message).toMatch(/cannot write .*report.history\.json/);
    expect(await readdir(join(data, "journal"))).not.toEqual([]);
    await unblock();
    const again = (await open(data)).history;
    expect(await again.reader.find(row.id)).toEqual(row);
    await again.close();
    expect(await readdir(join(data, "journal"))).toEqual([]);
  });

  test("a document that could not be written once is tried again, also of a batch that never rests", async () => {
    const data = temporaryFolder();
    const clock = fakeClock(t0);
    const history = await openTestHistory(data, { clock, log: quietLog() });
    await history.save(execution());
    const unblock = await blockDocument(data, "report");
    // What only the segment said is to be written to the documents at once.
    for (const name of await readdir(join(data, "journal"))) await rm(join(data, "journal", name));
    await history.save(execution());
    await eventually(() => history.trouble()?.message.includes("history.json"));
    await unblock();
    for (let i = 0; i < 15; i++) {
      await history.save(execution());
      await clock.advance(1_000);
    }
    await eventually(() => history.trouble() === null);
    expect(JSON.parse(await readFile(join(data, "batches/report/history.json"), "utf8"))).toHaveProperty("executions");
    await history.close();
  });

  test("the journal keeps within its bounds, also while a document cannot be written", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const names = ["blocked", "a", "b", "c"] as BatchName[];
    const kept = execution({ batch: "blocked" as BatchName, message: "x".repeat(10_000) });
    await history.save(kept);
    const unblock = await blockDocument(data, "blocked");
    const message = "x".repeat(100_000);
    let [bytes, files] = [0, 0];
    for (let i = 0; i < 300; i++) {
      await history.save({ ...kept, batch: names[1 + (i % 3)] as BatchName, id: execution().id, message });
      const sizes = await Promise.all(
        (await readdir(join(data, "journal"))).map(async (name) =>
          stat(join(data, "journal", name)).then(
            ({ size }) => size,
            () => 0,
          ),
        ),
      );
      bytes = Math.max(
        bytes,
        sizes.reduce((sum, size) => sum + size, 0),
      );
      files = Math.max(files, sizes.length);
    }
    expect(bytes).toBeLessThanOrEqual(16 * 1024 * 1024);
    expect(files).toBeLessThanOrEqual(16);
    await unblock();
    const again = (await open(data)).history;
    expect(await again.reader.find(kept.id)).toEqual(kept);
    for (const [at, name] of names.slice(1).entries())
      expect(await again.reader.document(name)).toHaveLength(at < 3 ? 100 : 0);
    expect(again.reader.events.newest()).toBe(history.reader.events.newest());
  });

  test("folders that no record names are cleared away, unless somebody may want to look at them", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const row = execution();
    await history.save(row);
    for (const id of [row.id, "01JSTRAY"])
      await mkdir(join(data, "batches/report/executions", id), { recursive: true });
    await writeFile(join(data, "batches/report/history.json.corrupt-2026"), "");
    expect(await history.recorder.deleteOrphans()).toBe(0);
    await rm(join(data, "batches/report/history.json.corrupt-2026"));
    expect(await history.recorder.deleteOrphans()).toBe(1);
    expect(await readdir(join(data, "batches/report/executions"))).toEqual([row.id]);
  });

  test("a batch that is forgotten is gone from the disk, and one of its name is new", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const [old, fresh] = [execution(), execution()];
    await history.save(old);
    await history.recorder.commit([{ kind: "forget", batch: report }]);
    await history.save(fresh);
    expect(await (await open(data)).history.reader.document("report")).toEqual([fresh]);
    await history.close();
    const again = (await open(data)).history;
    expect(await again.reader.document("report")).toEqual([fresh]);
    await again.recorder.commit([{ kind: "forget", batch: report }]);
    await eventually(async () => (await readdir(join(data, "batches"))).length === 0);
    expect((await open(data)).history.recorder.names()).toEqual([]);
  });

  test("a batch that was being forgotten when the agent died stays forgotten", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    await history.save(execution());
    await history.close();
    await rename(join(data, "batches/report"), join(data, "batches/.trash-report"));
    expect((await open(data)).history.recorder.names()).toEqual([]);
    expect(await readdir(join(data, "batches"))).toEqual([]);
  });

  test("pages neither skip nor repeat while rows are added", async () => {
    const { history } = await open(temporaryFolder());
    const rows = Array.from({ length: 30 }, () => execution({ status: "succeeded" }));
    await history.save(...rows);
    const seen: string[] = [];
    let before: string | undefined;
    for (;;) {
      const page = await history.reader.page({ limit: 7, ...(before === undefined ? {} : { before }) });
      seen.push(...page.items.map((row) => row.id));
      if (!page.more) break;
      before = seen.at(-1);
      await history.save(execution({ status: "succeeded" }));
    }
    expect(seen).toEqual(rows.map((row) => row.id).reverse());
  });

  test("what a note changes is shown at once, and goes with the next commit about its batch", async () => {
    const data = temporaryFolder();
    const { history } = await open(data);
    const row = execution();
    await history.save(row);
    const noted = { ...row, pid: 7 };
    history.recorder.note([{ kind: "put", execution: noted }]);
    expect(await history.reader.find(row.id)).toEqual(noted);
    await history.save(execution({ batch: "other" as BatchName }));
    expect(await (await open(data)).history.reader.find(row.id)).toEqual(row);
    await history.save(execution());
    expect(await (await open(data)).history.reader.find(row.id)).toEqual(noted);
    history.recorder.note([{ kind: "put", execution: row }]);
    await history.close();
    expect(await (await open(data)).history.reader.find(row.id)).toEqual(row);
  });

  test.each([false, true])("pages by batch, status, reason, run and time; read from the disk: %s", async (fromDisk) => {
    const data = temporaryFolder();
    let { history } = await open(data);
    const run = execution().id as string as RunId;
    const other = "other" as BatchName;
    const rows = Array.from({ length: 40 }, (_, i) =>
      execution({
        status: (["queued", "succeeded", "failed", "aborted", "running"] as const)[i % 5] as ExecutionStatus,
        batch: i % 3 === 0 ? other : report,
        at: t0 + i * 1_000,
        ...(i % 7 === 0 ? { run } : {}),
      }),
    );
    await history.save(...rows);
    if (fromDisk) {
      await history.close();
      ({ history } = await open(data));
    }
    const ids = async (query: object) => (await history.reader.page({ limit: 50, ...query })).items.map(({ id }) => id);
    const want = (is: (row: Execution) => boolean) =>
      rows
        .filter(is)
        .map(({ id }) => id)
        .reverse();
    const createdAt = (row: Execution) => Date.parse(row.createdAt);
    expect(await ids({})).toEqual(want(() => true));
    expect(await ids({ batch: "other" })).toEqual(want(({ batch }) => batch === other));
    expect(await ids({ batches: new Set(["other", "nobody"]) })).toEqual(want(({ batch }) => batch === other));
    expect(await ids({ batch: "nobody" })).toEqual([]);
    expect(await ids({ statuses: ["failed", "queued"] })).toEqual(
      want(({ status }) => status === "failed" || status === "queued"),
    );
    expect(await ids({ statuses: ["running"] })).toEqual(want(({ status }) => status === "running"));
    expect(await ids({ reasons: ["overlap"] })).toEqual(want(({ reason }) => reason === "overlap"));
    expect(await ids({ run })).toEqual(want((row) => row.run === run));
    expect(await ids({ run, batch: "other", statuses: ["queued"] })).toEqual(
      want((row) => row.run === run && row.batch === other && row.status === "queued"),
    );
    expect(await ids({ since: t0 + 5_000, until: t0 + 20_000 })).toEqual(
      want((row) => createdAt(row) >= t0 + 5_000 && createdAt(row) <= t0 + 20_000),
    );
    expect(await ids({ before: rows[10]?.id, limit: 3 })).toEqual(want(() => true).slice(-10, -7));
    expect(await history.reader.run(run)).toEqual(rows.filter((row) => row.run === run));
    expect(await history.reader.document("report")).toEqual(rows.filter(({ batch }) => batch === report));
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
