// The journal's lines and files: what is read back after a death at any byte or a flipped bit.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeLine, encodeLine, isEvent, numbered, type Change } from "../../agent/history/change.ts";
import { parseSegment } from "../../agent/history/journal-segments.ts";
import { readRecord } from "../../agent/history/offline.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { BatchName, ExecutionId, RunId } from "../../agent/model/ids.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { openTestHistory } from "../helpers/history.ts";
import { execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const report = "report" as BatchName;
const changes: Change[] = [
  { kind: "put", execution: execution({ status: "failed", message: 'a "quoted"\nline, ü and \u2028' }) },
  { kind: "put", execution: execution(), silent: true },
  { kind: "head", batch: report, fields: { lastDueAt: new Date(t0).toISOString(), removedAt: null } },
  { kind: "delete", batch: report, ids: ["01JSTRAY" as ExecutionId] },
  { kind: "forget", batch: "gone" as BatchName },
  { kind: "touch", batch: "other" },
];

describe("a line", () => {
  test("is read as it was written", () => {
    for (const repeated of [undefined, true as const]) {
      const line = { seq: 1_700_000_000_000_000, changes, ...(repeated === undefined ? {} : { repeated }) };
      const text = encodeLine(line);
      expect(text.endsWith("\n") && text.indexOf("\n") === text.length - 1).toBe(true);
      expect(decodeLine(text.slice(0, -1))).toMatchObject(line);
    }
  });

  test("with any byte changed, or any bytes missing, is no line", () => {
    const bytes = Buffer.from(encodeLine({ seq: 7, changes: changes.slice(0, 3) }).trimEnd());
    for (let at = 0; at < bytes.length; at++) {
      expect(decodeLine(bytes.toString("utf8", 0, at))).toBeNull();
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect(decodeLine(flipped.toString("utf8"))).toBeNull();
    }
  });

  test.each([
    ["no shape", `{"seq":1,"changes":"x"}`],
    ["no execution", `{"seq":1,"changes":[{"kind":"put","execution":{"id":"x"}}]}`],
    ["no JSON", "{"],
    ["nothing", ""],
  ])("of %s is no line", (_what, text) => expect(decodeLine(text)).toBeNull());

  test("numbers what readers are told of, and nothing else", () => {
    expect(numbered(changes, 5).map(({ number }) => number)).toEqual([5, null, null, null, null, 6]);
    expect(changes.filter(isEvent)).toHaveLength(2);
  });
});

describe("a segment", () => {
  const lines = [1, 2, 3].map((seq) => encodeLine({ seq, changes: [{ kind: "touch", batch: `b${seq}` }] }));
  const seqs = (text: string, isLast: boolean) => {
    const { lines: found, torn, corrupt } = parseSegment(Buffer.from(text), isLast);
    return { seqs: found.map(({ seq }) => seq), torn: torn !== null, corrupt: corrupt.length };
  };
  const [a = "", b = "", c = ""] = lines;
  test.each<[string, string, boolean, { seqs: number[]; torn: boolean; corrupt: number }]>([
    ["empty", "", true, { seqs: [], torn: false, corrupt: 0 }],
    ["whole", a + b + c, true, { seqs: [1, 2, 3], torn: false, corrupt: 0 }],
    ["its last line unfinished", a + b + c.slice(0, 9), true, { seqs: [1, 2], torn: true, corrupt: 0 }],
    ["but for its last newline", a + b.trimEnd(), true, { seqs: [1], torn: true, corrupt: 0 }],
    ["zeros at its end", a + b + "\0\0\0\n", true, { seqs: [1, 2], torn: true, corrupt: 0 }],
    ["a line in its middle spoiled", a + "x" + b + c, true, { seqs: [1, 3], torn: false, corrupt: 1 }],
    ["an empty line in its middle", `${a}\n${c}`, true, { seqs: [1, 3], torn: false, corrupt: 1 }],
    ["sealed, and its last line unfinished", a + b.slice(0, 9), false, { seqs: [1], torn: false, corrupt: 1 }],
  ])("%s", (_what, text, isLast, want) => expect(seqs(text, isLast)).toEqual(want));
});

const open = async (data: string) => {
  const log = quietLog();
  return { log, ...(await openTestHistory(data, { clock: systemClock, log })) };
};

test("an agent killed at any byte of a commit over several batches finds all of it or nothing", async () => {
  const data = temporaryFolder();
  const history = await open(data);
  const [first, second] = [execution({ status: "running" }), execution({ batch: "next" as BatchName })];
  await history.save(first);
  const path = join(data, "journal/1.jsonl");
  const before = readFileSync(path).length;
  const ended: Execution = { ...first, status: "succeeded", exitCode: 0, finishedAt: new Date(t0 + 5).toISOString() };
  await history.recorder.commit([
    { kind: "put", execution: ended },
    { kind: "put", execution: second },
    { kind: "head", batch: report, fields: { lastDueAt: new Date(t0).toISOString() } },
  ]);
  const whole = readFileSync(path);
  const newest = history.reader.events.newest();
  for (let length = before; length <= whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length));
    const all = length === whole.length;
    const { batches, unreadable } = readRecord(data);
    expect([...(batches.get("report")?.rows.values() ?? [])]).toEqual([all ? ended : first]);
    expect(batches.get("next")?.rows.size ?? 0).toBe(all ? 1 : 0);
    expect(batches.get("report")?.head.lastDueAt).toBe(all ? new Date(t0).toISOString() : undefined);
    expect(unreadable).toEqual([]);
    if (length % 97 !== 0 && length < whole.length - 1) continue; // opening costs some syncs
    const again = await open(data);
    expect(again.rows()).toEqual([all ? ended : first]);
    expect(again.log.said.filter(({ level }) => level === "error")).toEqual([]);
    expect(again.problems()).toEqual([]);
    const row = execution({ batch: "later" as BatchName });
    await again.save(row); // goes on where the unfinished line began
    const later = await open(data);
    expect(await later.reader.find(row.id)).toEqual(row);
    expect(await later.reader.document("report")).toEqual([all ? ended : first]);
    if (all) expect(later.reader.events.newest()).toBeGreaterThan(newest);
  }
});

test("what the journal brought back is found in its document, row by row, with the index and without it", async () => {
  const data = temporaryFolder();
  const history = await open(data);
  const rows = [execution({ status: "running" }), execution({ status: "succeeded" }), execution()];
  await history.save(...rows);
  for (const indexed of [true, false, true]) {
    const again = await open(data);
    expect(await again.reader.document("report")).toEqual(rows);
    expect(again.recorder.open()).toEqual([rows[0], rows[2]]);
    await again.close();
    const text = readFileSync(join(data, "batches/report/history.json"), "utf8");
    expect(text.split("\n").filter((line) => line.startsWith('{"id":"'))).toHaveLength(3);
    if (!indexed) rmSync(join(data, "history.index"));
  }
});

test("a document that was edited, or an index that is damaged, is read anew", async () => {
  const data = temporaryFolder();
  const [kept, edited] = [
    execution({ status: "succeeded", batch: "kept" as BatchName }),
    execution({ status: "succeeded" }),
  ];
  let history = await open(data);
  await history.save(kept, edited);
  await history.close();
  const path = join(data, "batches/report/history.json");
  writeFileSync(path, readFileSync(path, "utf8").replace('"exitCode":0', '"exitCode":7'));
  const want = { ...edited, exitCode: 7 };
  const index = readFileSync(join(data, "history.index"));
  for (let at = 0; at < index.length; at += 41) {
    const spoilt = Buffer.from(index);
    spoilt[at] = (spoilt[at] ?? 0) ^ 0x55;
    writeFileSync(join(data, "history.index"), at % 2 === 0 ? spoilt : index.subarray(0, at));
    history = await open(data);
    expect(await history.reader.document("report")).toEqual([want]);
    expect(await history.reader.document("kept")).toEqual([kept]);
    expect(history.recorder.count("report")).toBe(1);
  }
});

test("lines in the middle that cannot be read are quarantined and said; all others count", async () => {
  const data = temporaryFolder();
  const history = await open(data);
  const rows = Array.from({ length: 5 }, () => execution({ status: "succeeded" }));
  for (const row of rows) await history.save(row);
  const path = join(data, "journal/1.jsonl");
  const lines = readFileSync(path, "utf8").split("\n");
  const spoilt = [lines[1] ?? "", lines[3]?.replace('"succeeded"', '"failed"') ?? ""];
  [lines[1], lines[3]] = [`~${spoilt[0]?.slice(1) ?? ""}`, spoilt[1] ?? ""];
  writeFileSync(path, lines.join("\n"));
  expect(readRecord(data).unreadable).toEqual([{ file: path, reason: "lines cannot be read" }]);
  for (let start = 0; start < 2; start++) {
    const again = await open(data);
    expect(await again.reader.document("report")).toEqual([rows[0], rows[2], rows[4]]);
    expect(again.log.said.filter(({ level }) => level === "error")).toHaveLength(start === 0 ? 1 : 0);
    const [problem] = again.problems();
    expect(problem).toMatchObject({ batch: "", code: "history-corrupt" });
    expect(problem?.file).toMatch(/journal\/1\.jsonl\.corrupt-2.*Z$/);
    expect(readFileSync(problem?.file ?? "", "utf8")).toBe(`${lines[1]}\n${lines[3]}\n`);
    if (start === 0) continue;
    await again.close();
    rmSync(problem?.file ?? "");
    expect(again.problems()).toEqual([]);
    expect(readdirSync(join(data, "journal"))).toEqual([]);
  }
});

test("events are numbered without a gap, and the last 1,000 outlive clean stops and deaths", async () => {
  const data = temporaryFolder();
  let history = await open(data);
  const first = history.reader.events.newest();
  const told: { id: number }[] = [];
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 50; i++) await history.save(execution({ status: "succeeded" }));
    await history.recorder.commit([{ kind: "touch", batch: "report" }]);
    told.push(...(history.reader.events.since(told.at(-1)?.id ?? first) ?? []));
    if (round % 2 === 0) await history.close();
    history = await open(data);
    expect(history.reader.events.newest()).toBe(told.at(-1)?.id);
    expect(history.reader.events.since(told.at(-1)?.id ?? 0)).toEqual([]);
    expect(history.reader.events.since(first)).toEqual(told);
    expect(history.reader.events.since((told.at(-1)?.id ?? 0) + 1)).toBeNull();
  }
  expect(told.map(({ id }) => id)).toEqual(told.map((_, at) => first + 1 + at));
  await history.save(...Array.from({ length: 1_200 }, () => execution()));
  const newest = history.reader.events.newest();
  await history.close();
  history = await open(data);
  expect(history.reader.events.newest()).toBe(newest);
  expect(history.reader.events.since(newest - 1_000)).toHaveLength(1_000);
  expect(history.reader.events.since(newest - 1_001)).toBeNull();
});

test("events of a folder's first life outlive its death, however much later the next begins", async () => {
  const data = temporaryFolder();
  let life = 0;
  const later = () => {
    const ms = 3_600_000 * life++;
    return openTestHistory(data, { clock: { ...systemClock, now: () => Date.now() + ms }, log: quietLog() });
  };
  let history = await later();
  const first = history.reader.events.newest();
  const told: { id: number }[] = [];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 20; i++) await history.save(execution({ status: "succeeded" }));
    told.push(...(history.reader.events.since(told.at(-1)?.id ?? first) ?? []));
    history = await later(); // the one before is dead: nothing but its journal is there
    expect(history.reader.events.since(first)).toEqual(told);
    expect(history.reader.events.since(first - 1)).toBeNull();
    expect(history.reader.events.newest()).toBe(told.at(-1)?.id);
  }
  expect(told.length).toBeGreaterThanOrEqual(60);
  expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
});

test("what is not written to documents in time at the end stays in the journal, and is found", async () => {
  const data = temporaryFolder();
  let elapsed = 0;
  const clock = { ...systemClock, monotonic: () => (elapsed += 60_000) };
  const log = quietLog();
  const first = await openTestHistory(data, { clock, log });
  const rows = ["a", "b", "c"].map((name) => execution({ batch: name as BatchName, status: "succeeded" }));
  await first.save(...rows);
  await first.close();
  expect(log.said.map(({ message }) => message).join()).toContain("the journal keeps the rest");
  const segments = () => readdirSync(join(data, "journal")).filter((name) => name.endsWith(".jsonl"));
  expect(segments()).not.toEqual([]);
  const second = await open(data);
  for (const row of rows) expect(await second.reader.find(row.id)).toEqual(row);
  await second.close();
  expect(segments()).toEqual([]);
});

test("a run that goes on is known in full after a restart, wherever its rows stand", async () => {
  const data = temporaryFolder();
  const run = execution().id as string as RunId;
  const rows = ["a", "b", "c"].map((name, i) =>
    execution({ batch: name as BatchName, run, status: i < 2 ? "succeeded" : "running" }),
  );
  const other = execution({ batch: "a" as BatchName, status: "succeeded" });
  let history = await open(data);
  await history.save(...rows, other);
  await history.close();
  history = await open(data);
  expect([...history.recorder.openRun(run).values()]).toEqual(expect.arrayContaining(rows));
  expect(history.recorder.openRun(run).size).toBe(3);
  expect(history.recorder.openRun(other.run).size).toBe(0);
  expect(history.recorder.current(other.id)).toBeUndefined();
});

test("what was acknowledged is in the files at that moment, whatever comes after", async () => {
  const data = temporaryFolder();
  const history = await open(data);
  const copies: { folder: string; acknowledged: Execution[] }[] = [];
  const acknowledged: Execution[] = [];
  for (let i = 0; i < 12; i++) {
    const row = execution({ batch: `b${i % 3}` as BatchName, status: "succeeded" });
    await history.save(row);
    acknowledged.push(row);
    const folder = temporaryFolder();
    await cp(data, folder, { recursive: true });
    copies.push({ folder, acknowledged: [...acknowledged] });
  }
  for (const { folder, acknowledged: rows } of copies) {
    const again = await open(folder);
    for (const row of rows) expect(await again.reader.find(row.id)).toEqual(row);
  }
});
