// What is deleted when: a real history and real revisions on a temporary folder, the clock alone is fake.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createHousekeeper } from "../agent/housekeeper.ts";
import type { Batch } from "../agent/model/batch.ts";
import type { Execution } from "../agent/model/execution.ts";
import type { Revision, BatchName } from "../agent/model/ids.ts";
import { createSource } from "../agent/sources/folder.ts";
import { createRevisions } from "../agent/sources/revisions.ts";
import { fakeClock } from "./helpers/fakes.ts";
import { openTestHistory } from "./helpers/history.ts";
import { execution, t0 } from "./helpers/make.ts";
import { quietLog } from "./helpers/quiet.ts";
import { eventually, temporaryFolder } from "./helpers/tmp.ts";

const day = 86_400_000;
const report = "report" as BatchName;

async function setUp(keep: Batch["keep"] | undefined = { executions: 3, ageMs: null }) {
  const [data, root] = [temporaryFolder(), temporaryFolder()];
  const clock = fakeClock(t0);
  const log = quietLog();
  const history = await openTestHistory(data, { clock, log });
  const source = createSource(root);
  const revisions = createRevisions(data, root, createSource);
  const housekeeper = createHousekeeper({
    clock,
    log,
    resyncMs: () => 3_600_000,
    resync: () => Promise.resolve(),
    probe: () => Promise.resolve(),
    recorder: history.recorder,
    revisions,
    inUse: () => new Set(),
    isRunRead: () => false,
    keepOf: () => keep,
    keepRemovedMs: 30 * day,
  });
  housekeeper.start();
  const folderOf = (id: string) => join(data, "batches/report/executions", id);
  return {
    data,
    clock,
    history,
    log,
    folderOf,
    stop: () => housekeeper.stop(),
    async add(fields: Parameters<typeof execution>[0]): Promise<Execution> {
      const row = execution(fields);
      await history.save(row);
      mkdirSync(folderOf(row.id), { recursive: true });
      writeFileSync(join(folderOf(row.id), "stdout.log"), "x");
      return row;
    },
    /** A revision of the batch with this script. */
    async revision(script: string): Promise<Revision> {
      mkdirSync(join(root, "report"), { recursive: true });
      writeFileSync(join(root, "report/batch.yaml"), "cron: '@daily'\n");
      writeFileSync(join(root, "report/script.sh"), script);
      const loaded = await source.load("report");
      if (loaded.kind !== "found") throw new Error(loaded.kind);
      expect(await revisions.store(loaded.folder)).toBe(true);
      return loaded.folder.digest;
    },
    revisions: () => readdirSync(join(data, "revisions")),
  };
}

test("keep by count and by age takes rows and their folders; what is queued or running stays", async () => {
  const { clock, history, add, folderOf, stop } = await setUp({ executions: 3, ageMs: 10 * day });
  const running = await add({ status: "running" });
  const rows = await Promise.all([1, 2, 3, 4].map(() => add({ status: "succeeded" })));
  await clock.advance(60_000);
  const kept = () => history.rows(report).map((row) => row.id);
  await eventually(() => kept().length === 4);
  expect(kept()).toEqual([running.id, ...rows.slice(1).map((row) => row.id)]);
  await eventually(() => !existsSync(folderOf(rows[0]?.id ?? "")));
  clock.jump(t0 + 11 * day);
  await eventually(async () => {
    await clock.advance(60_000);
    return kept().length === 1;
  });
  expect(kept()).toEqual([running.id]);
  expect(existsSync(folderOf(running.id))).toBe(true);
  await stop();
});

test("the data of a removed batch is kept for as long as asked; one that came back stays", async () => {
  const { clock, data, history, add, stop } = await setUp();
  await add({ status: "succeeded" });
  await history.amend(report, { removedAt: new Date(t0).toISOString() });
  await history.amend("back", { removedAt: null });
  clock.jump(t0 + 30 * day - 600_000);
  await clock.advance(60_000);
  expect(history.recorder.names()).toContain(report);
  await eventually(async () => {
    await clock.advance(60_000);
    return !existsSync(join(data, "batches/report"));
  });
  expect(history.recorder.names()).toEqual(["back"]);
  await stop();
});

test("revisions that nothing names are collected; one in force or kept by a row is not", async () => {
  const { clock, history, add, revision, revisions, stop } = await setUp();
  const [old, ran, inForce] = [await revision("echo 1\n"), await revision("echo 2\n"), await revision("echo 3\n")];
  await history.amend(report, { revision: inForce });
  await add({ status: "succeeded", revision: ran });
  expect(revisions().sort()).toEqual([old, ran, inForce].sort());
  await clock.advance(60_000);
  await eventually(() => revisions().length === 2);
  expect(revisions().sort()).toEqual([ran, inForce].sort());
  await stop();
});

test("folders that a crash left without their row are cleared away", async () => {
  const { clock, add, folderOf, stop } = await setUp();
  const row = await add({ status: "succeeded" });
  mkdirSync(folderOf("01JSTRAY"));
  await clock.advance(60_000);
  await eventually(() => !existsSync(folderOf("01JSTRAY")));
  expect(existsSync(folderOf(row.id))).toBe(true);
  await stop();
});

test("a clock that leaps ahead during a resync does not put off the next one", async () => {
  const { clock, data, log, history, stop } = await setUp();
  await stop(); // the one below is told of another clock
  let resyncs = 0;
  const resync = () => {
    resyncs += 1;
    if (resyncs === 1) clock.jump(t0 + 365 * day);
    return Promise.resolve();
  };
  const revisions = createRevisions(data, data, createSource);
  const deps = {
    clock,
    log,
    recorder: history.recorder,
    revisions,
    resync,
    resyncMs: () => 60_000,
    probe: () => Promise.resolve(),
    inUse: () => new Set<Revision>(),
    isRunRead: () => false,
    keepOf: () => undefined,
    keepRemovedMs: 30 * day,
  };
  const housekeeper = createHousekeeper(deps);
  housekeeper.start();
  await clock.advance(200_000);
  await housekeeper.stop();
  expect(resyncs).toBe(3);
});
