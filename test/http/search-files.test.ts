import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BatchStatus } from "../../agent/model/batch.ts";
import type { Revision } from "../../agent/model/ids.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution } from "../helpers/make.ts";

interface Answer {
  items: { stream: string; line: number; offset: number; text: string }[];
  more: boolean;
}

async function search(logs: { stdout?: string | Uint8Array; stderr?: string }, q: string): Promise<Answer> {
  const { add, json } = await serve();
  const { id } = await add(execution({ status: "failed" }), logs);
  return json<Answer>(`/api/executions/${id}/search?q=${encodeURIComponent(q)}`);
}

describe("search", () => {
  const stdout = "Error: one\nall is well\nan error and an Error\n\nÄrger über alles\nlast error";
  const stderr = "x\nERROR\n";
  test.each<[string, string[]]>([
    ["error", ["stdout 1 0", "stdout 3 23", "stdout 6 65", "stderr 2 2"]],
    ["Error", ["stdout 1 0", "stdout 3 23"]],
    ["ERROR", ["stderr 2 2"]],
    ["ärger", ["stdout 5 46"]],
    ["Ärger", ["stdout 5 46"]],
    ["ÜBER", []],
    ["über a", ["stdout 5 46"]],
    [".*", []],
    ["l.i", []],
    ["is w", ["stdout 2 11"]],
    ["nothing", []],
    ["ü", ["stdout 5 46"]],
  ])("%s", async (q, want) => {
    const { items, more } = await search({ stdout, stderr }, q);
    expect(items.map(({ stream, line, offset }) => `${stream} ${line} ${offset}`)).toEqual(want);
    expect(more).toBe(false);
    for (const { stream, line, text } of items)
      expect(text).toBe((stream === "stdout" ? stdout : stderr).split("\n")[line - 1]);
  });

  const folding = "ΟΔΟΣ\nÜBER Straße\nПРИВЕТ мир\n日本語 (x)\nnaïve \u00b5m\n\u0178 \ud801\udc00\n";
  test.each<[string, number[]]>([
    ["οδος", [1]],
    ["οδοσ", [1]],
    ["über straße", [2]],
    ["Über", []],
    ["привет", [3]],
    ["МИР", []],
    ["本語 (", [4]],
    ["\u03bcm", [5]],
    ["ÿ", [6]],
    ["\ud801\udc28", [6]],
    ["ï", [5]],
  ])("case is ignored beyond ASCII too: %s", async (q, lines) => {
    expect((await search({ stdout: folding }, q)).items.map(({ line }) => line)).toEqual(lines);
  });

  test.each(["über", "本語", "привет", "\ufffd"])("64 MiB of other texts are searched for %s", async (q) => {
    const { add, app, data } = await serve();
    const { id, batch: name } = await add(execution({ status: "failed" }), { stdout: "" });
    const line = "2026-11-24 Übung für Zürich, Ärger mit ß: Привед медвед, 日本 と 中国語\n".repeat(9_000);
    const path = join(data, "batches", name, "executions", id, "stdout.log");
    for (let written = 0; written < 64 * 1024 ** 2; written += Buffer.byteLength(line))
      writeFileSync(path, line, { flag: "a" });
    writeFileSync(path, "ÜBER 本語 ПРИВЕТ \ufffd\n", { flag: "a" });
    const { items } = (await (
      await app.request(`/api/executions/${id}/search?q=${encodeURIComponent(q)}`)
    ).json()) as Answer;
    expect(items).toHaveLength(1);
  });

  test("the first 200 lines, those of stdout first, and whether there are more", async () => {
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `hit ${i}\n`).join("");
    const exact = await search({ stdout: lines(150), stderr: lines(50) }, "hit");
    expect([exact.items.length, exact.more]).toEqual([200, false]);
    const more = await search({ stdout: lines(150), stderr: lines(51) }, "hit");
    expect([more.items.length, more.more, more.items.at(-1)]).toEqual([
      200,
      true,
      { stream: "stderr", line: 50, offset: 333, text: "hit 49" },
    ]);
  });

  test("lines over the ends of chunks, and a very long one, are found once and at their place", async () => {
    const size = 64 * 1024;
    for (const shift of [-3, -1, 0, 1]) {
      const long = `${"x".repeat(size + shift)}needle${"y".repeat(3 * size)}needle\n`;
      const log = `first\n${long}last needle\n`;
      const { items } = await search({ stdout: log }, "needle");
      expect(items.map(({ line, offset }) => [line, offset])).toEqual([
        [2, 6],
        [3, 6 + long.length],
      ]);
      expect(items[0]?.text).toMatch(/^….*xneedley.*…$/);
      expect(items[0]?.text.length).toBeLessThan(1_100);
      const short = `${"z".repeat(99)}\n`.repeat(1000).slice(0, size + shift) + "\nneedle\n";
      expect((await search({ stdout: short }, "needle")).items).toMatchObject([{ offset: size + shift + 1 }]);
    }
  });

  test("while 200 MiB are searched, others have their turn", { timeout: 90_000 }, async () => {
    const { add, json } = await serve();
    const block = Buffer.from("2026-11-24T12:00:00Z INFO a line of an ordinary log, number 12345\n".repeat(16_000));
    const big = Buffer.concat([...Array.from({ length: 200 }, () => block), Buffer.from("the needle\n")]);
    const { id } = await add(execution({ status: "failed" }), { stdout: big });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const { items } = await json<Answer>(`/api/executions/${id}/search?q=needle`);
    clearInterval(timer);
    expect(items).toMatchObject([{ line: 16_000 * 200 + 1, offset: block.length * 200, text: "the needle" }]);
    expect(turns).toBeGreaterThan(20);
  });

  test("a few at a time; one more is a 503 that says when to come again", async () => {
    const { add, app } = await serve();
    const { id } = await add(execution({ status: "failed" }), { stdout: Buffer.alloc(20_000_000, "x\n") });
    const ask = async () => app.request(`/api/executions/${id}/search?q=y`);
    const answers = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => ask()));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 503, 503, 503, 503]);
    expect(answers.find(({ status }) => status === 503)?.headers.get("retry-after")).toBe("2");
    expect((await ask()).status).toBe(200);
  });

  test.each(["", "?q=", `?q=${"x".repeat(201)}`, "?q=a%0Ab", "?q=a&q=b", "?q=a&x=1"])("%s is a 400", async (query) => {
    const { add, app } = await serve();
    const { id } = await add(execution({ status: "failed" }));
    expect((await app.request(`/api/executions/${id}/search${query}`)).status).toBe(400);
  });
});

describe("files of a revision", () => {
  async function start() {
    const revision = "bbbbbbbbbbbb" as Revision;
    const status = (name: string, of: Revision | null): BatchStatus => ({
      name,
      state: "scheduled",
      batch: batch(),
      revision: of,
      commit: null,
      problems: [],
      blockedBy: [],
    });
    const served = await serve({ batches: [status("report", revision), status("none", null)] });
    const folder = join(served.data, "revisions", revision);
    mkdirSync(join(folder, "lib"), { recursive: true });
    const settings =
      'cron: "@daily"\nenv:\n  TOKEN: hunter2\nnotify:\n  webhook: [https://h.example.org/hunter2]\n  ping: [https://p.example.org/hunter2]\n';
    writeFileSync(join(folder, "batch.yaml"), settings);
    writeFileSync(join(folder, "_group.yaml"), "env:\n  PASSWORD: hunter2\n");
    writeFileSync(join(folder, "script.sh"), "echo hi\n", { mode: 0o755 });
    writeFileSync(join(folder, "lib", "räte.csv"), "a;b\n");
    writeFileSync(join(folder, "lib", "data.bin"), Buffer.from([0, 1, 2]));
    writeFileSync(join(folder, "lib", "big.txt"), "x".repeat(1024 * 1024 + 1));
    return served;
  }

  test("all of them, by path", async () => {
    const { json } = await start();
    const { items } = await json<{ items: { path: string }[] }>("/api/batches/report/files");
    const paths = ["_group.yaml", "batch.yaml", "lib/big.txt", "lib/data.bin", "lib/räte.csv", "script.sh"];
    expect(items.map(({ path }) => path)).toEqual(paths);
    expect(items.at(-1)).toEqual({ path: "script.sh", size: 8, executable: true });
  });

  test("one as text, and nothing secret in it", async () => {
    const { app } = await start();
    const get = async (path: string) => (await app.request(`/api/batches/report/files/${path}`)).text();
    expect(await get("script.sh")).toBe("echo hi\n");
    expect(await get(encodeURIComponent("lib/räte.csv"))).toBe("a;b\n");
    expect(await get("lib/r%C3%A4te.csv")).toBe("a;b\n");
    const settings = await get("batch.yaml");
    expect(settings).toContain("TOKEN: ***");
    expect(settings).toContain("https://p.example.org/***");
    expect(settings + (await get("_group.yaml"))).not.toContain("hunter2");
    expect(await get("_group.yaml")).toContain("PASSWORD: ***");
  });

  test.each([
    ["report/files/lib/data.bin", 415],
    ["report/files/lib/big.txt", 413],
    ["report/files/lib", 404],
    ["report/files/..%2F..%2Fagent.lock", 404],
    ["none/files", 404],
    ["other/files", 404],
    ["report/files?x=1", 400],
  ])("%s is a %i", async (path, want) => {
    const { app } = await start();
    expect((await app.request(`/api/batches/${path}`)).status).toBe(want);
  });
});
