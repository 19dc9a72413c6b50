// The pages as they leave the server: text stays text, forms are checked, everything bounded. How they behave in a
// browser: test/browser.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BatchFile, BatchStatus } from "../../agent/model/batch.ts";
import type { BatchName, Revision } from "../../agent/model/ids.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution, schedule } from "../helpers/make.ts";

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`;
const status = (fields: Partial<BatchStatus> = {}): BatchStatus => ({
  name: "report",
  state: "scheduled",
  batch: batch({ file: { tags: [], env: {} } as unknown as BatchFile }),
  revision: null,
  commit: null,
  problems: [],
  blockedBy: [],
  ...fields,
});
const page = async (app: Awaited<ReturnType<typeof serve>>["app"], path: string) => {
  const response = await app.request(path, { headers: { Accept: "text/html" } });
  return { response, text: await response.text() };
};

test("a page is whole HTML, without a script or a style of its own", async () => {
  const { app } = await serve({ batches: [status()] });
  const { text } = await page(app, "/");
  expect(text).toMatch(/^<!doctype html><html lang="en">/);
  expect(text).not.toMatch(/\sstyle=|<style|\son[a-z]+=|<script>|javascript:/);
});

test("texts of others are text", async () => {
  const file = { tags: [hostile], description: hostile, env: {} } as unknown as BatchFile;
  const { app, add } = await serve({
    batches: [status({ batch: batch({ file }) }), status({ name: hostile, state: "invalid", batch: null })],
  });
  await add({ ...execution({ status: "failed" }), message: hostile });
  const { text } = await page(app, `/?q=${encodeURIComponent(hostile)}`);
  expect((await page(app, "/")).text).toContain("&lt;img src=x");
  for (const html of [text, (await page(app, "/")).text])
    expect(html).not.toMatch(/<img|<script>|onerror=alert\(2\)>[^&]*</);
});

test("what is shown while there is nothing yet gives way to what comes", async () => {
  const empty = await serve({ batches: [] });
  expect((await page(empty.app, "/")).text).toMatch(
    /<div class="empty" id="list" data-live[^>]*><p>There are no batches yet/,
  );
  const { app, add } = await serve({ batches: [status()] });
  const { id } = await add({ ...execution({ status: "queued" }), batch: "report" as BatchName });
  expect((await page(app, `/executions/${id}`)).text).toContain('data-growing="true"');
});

describe("the list", () => {
  const many = Array.from({ length: 600 }, (_, i) => status({ name: `job-${String(i).padStart(3, "0")}` }));

  test("comes in pages, and is searched whole", async () => {
    const { app } = await serve({ batches: many });
    const first = (await page(app, "/")).text;
    expect(first.match(/<tr id="b-/g)).toHaveLength(100);
    expect(first).toContain("page 1 of 6");
    expect((await page(app, "/?page=6")).text).toContain("b-job-599");
    expect((await page(app, "/?page=99")).text).toContain("b-job-599");
    expect((await page(app, "/?q=job-599")).text.match(/<tr id="b-/g)).toHaveLength(1);
  });

  test("gives single lines when asked for them", async () => {
    const { app } = await serve({ batches: many });
    expect((await page(app, "/?page=2&only=job-001,job-400,nothing")).text.match(/<tr id="b-[^"]+/g)).toEqual([
      '<tr id="b-job-001',
      '<tr id="b-job-400',
    ]);
  });

  test.each(["?state=nonsense", "?last=nonsense", "?sort=nonsense", "?page=0", "?page=x", "?q=a&q=b"])(
    "%s is not understood, and says so on a page",
    async (query) => {
      const { app } = await serve();
      const { response, text } = await page(app, `/${query}`);
      expect(response.status).toBe(400);
      expect(text).toMatch(/<h1>Not understood<\/h1>/);
    },
  );

  test("choices left open in a form are none", async () => {
    const { app } = await serve({ batches: many });
    expect((await page(app, "/?q=&tag=&state=&last=&sort=")).response.status).toBe(200);
  });

  test("an empty folder says what to do", async () => {
    const { app } = await serve();
    expect((await page(app, "/")).text).toContain("There are no batches yet.");
  });
});

test.each([
  ["/batches/none", "text/html,*/*;q=0.8", "text/html"],
  ["/no/such/page", "text/html", "text/html"],
  ["/batches/none", "*/*", "application/problem+json"],
  ["/api/batches/none", "text/html", "application/problem+json"],
])("what is not there: %s for %s is %s", async (path, accept, type) => {
  const { app } = await serve();
  const response = await app.request(path, { headers: { Accept: accept } });
  expect(response.status).toBe(404);
  expect(response.headers.get("content-type")).toContain(type);
});

test("styles come with an ETag and are answered with 304 once known", async () => {
  const { app } = await serve();
  const response = await app.request("/style.css");
  expect(response.headers.get("content-type")).toBe("text/css; charset=utf-8");
  const again = await app.request("/style.css", { headers: { "If-None-Match": response.headers.get("etag") ?? "" } });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  expect((await app.request("/assets/../main.js")).status).toBe(404);
  expect((await app.request("/assets/http/app.js")).status).toBe(404);
});

describe("the page of an execution", () => {
  const hostileLog = `<script>alert(1)</script>\n\u001b[31m<img src=x onerror=alert(2)>\u001b[0m\n\u202egnp.exe\nhalf \u00e9: `;

  test("its log is text whatever it holds", async () => {
    const { app, add } = await serve({ batches: [status()] });
    const row = await add(execution({ status: "failed" }), {
      stdout: Buffer.concat([Buffer.from(hostileLog), Buffer.from([0xc3, 0x0a, 0x00, 0xff])]),
      stderr: "",
    });
    const { response, text } = await page(app, `/executions/${row.id}`);
    expect(response.status).toBe(200);
    expect(text).toContain('</a><span class="fg1">&lt;img src=x onerror=alert(2)&gt;</span></div>');
    expect(text).toContain("</a>&lt;script&gt;alert(1)&lt;/script&gt;</div>");
    expect(text).toContain("</a>\ufffdgnp.exe</div>");
    expect(text).not.toMatch(/<img|<script>|\u0000|\u202e/);
  });

  test("a large log comes as its tail, and backwards from there without a gap or a repeat", async () => {
    const { app, add } = await serve({ batches: [status()] });
    const lines = Array.from({ length: 30_000 }, (_, i) => `line ${i}`);
    const row = await add(execution({ status: "succeeded" }), { stdout: `${lines.join("\n")}\n` });
    const seen: string[] = [];
    let path: string | undefined = `/executions/${row.id}`;
    for (let i = 0; i < 100 && path !== undefined; i++) {
      const { text } = await page(app, path);
      expect(text.length).toBeLessThan(200_000);
      const rows = [...text.matchAll(/<div id="L(\d+)"[^>]*><a[^>]*><\/a>(line (\d+))<\/div>/g)];
      for (const [, number, , line] of rows) expect(number).toBe(String(Number(line) + 1));
      seen.unshift(...rows.map((match) => match[2] as string));
      path = /class="more earlier" href="([^"]+)#log"(?! hidden)/.exec(text)?.[1]?.replaceAll("&amp;", "&");
    }
    expect(seen).toEqual(lines);
  });

  test.each([
    ["one endless line", "x".repeat(200_000)],
    ["nothing but line breaks", "\n".repeat(200_000)],
    ["wide characters without an end", "\u20ac".repeat(60_000)],
  ])("%s is shown within bounds", async (_name, stdout) => {
    const { app, add } = await serve({ batches: [status()] });
    const row = await add(execution({ status: "succeeded" }), { stdout });
    const { response, text } = await page(app, `/executions/${row.id}`);
    expect(response.status).toBe(200);
    expect(text.length).toBeLessThan(300_000);
    expect(text).not.toContain("\ufffd");
  });

  test.each(["?log=nonsense", "?before=-1", "?before=x"])("%s is not understood", async (query) => {
    const { app, add } = await serve({ batches: [status()] });
    const row = await add(execution({ status: "succeeded" }));
    expect((await page(app, `/executions/${row.id}${query}`)).response.status).toBe(400);
  });
});

test("every other page is there, in HTML", async () => {
  const { app, add } = await serve({
    batches: [status()],
    problems: [
      {
        batch: "x",
        file: "batches.d/x/batch.yaml",
        line: 1,
        column: 1,
        path: null,
        code: "yaml-syntax",
        message: hostile,
        hint: hostile,
      },
    ],
  });
  const row = await add({ ...execution({ status: "failed" }), message: hostile });
  for (const path of [
    "/timeline",
    "/problems",
    "/batches/report",
    `/runs/${row.run}`,
    `/executions/${row.id}?log=stderr&before=10`,
  ]) {
    const { response, text } = await page(app, path);
    expect([path, response.status, response.headers.get("content-type")]).toEqual([
      path,
      200,
      "text/html; charset=utf-8",
    ]);
    expect(text).not.toMatch(/<img|<script>|\sstyle=/);
  }
});

test("the page of a batch tells where settings come from, and times of its own zone beside those in UTC", async () => {
  const zoned = batch({
    schedule: schedule("0 7 * * *", "Asia/Tokyo"),
    file: { tags: [], env: { A: "secret", B: "secret" }, timeout: "2h" } as unknown as BatchFile,
    inherited: { timeout: "finance", "env.B": "" },
  });
  const { app, add } = await serve({ batches: [status({ batch: zoned })] });
  const { text } = await page(app, "/batches/report");
  expect(text).toContain("(from finance/_group.yaml)");
  expect(text).toContain("(B from the top&#39;s _group.yaml)");
  expect(text).not.toContain("secret");
  expect(text).toMatch(/2026-11-24 12:01:00 UTC \(21:01 Asia\/Tokyo\)/);
  const { id } = await add(execution({ status: "succeeded" }));
  expect((await page(app, `/executions/${id}`)).text).toContain("2026-11-24 12:00:00 UTC (21:00 Asia/Tokyo)");
});

test("while the agent reads its folder, the list does not say that there are no batches", async () => {
  const { app } = await serve({ notReady: ["the first reconcile is not done yet"] });
  const { text } = await page(app, "/");
  expect(text).not.toContain("There are no batches");
  expect(text).not.toContain("batch-agent init");
  expect(text).toContain("The agent is not ready: the first reconcile is not done yet.");
});

test("the list shows pools with their use, and while nothing has run how to try a batch", async () => {
  const finance = { name: "finance", description: null, defaults: {}, pools: { db: 3 }, calendars: new Map() };
  const { app, add } = await serve({ batches: [status()], groups: [finance] });
  const first = (await page(app, "/")).text;
  expect(first).toContain("Pool finance/db: 0 of 3 in use");
  expect(first).toContain("batch-agent trigger report --follow");
  await add(execution({ status: "succeeded" }));
  expect((await page(app, "/")).text).not.toContain("batch-agent trigger");
});

test("many pools do not push the batches off the first screen", async () => {
  const groups = ["a", "b", "c", "d"].map((name) => ({
    name,
    description: null,
    defaults: {},
    pools: { db: 3 },
    calendars: new Map(),
  }));
  const { app } = await serve({ batches: [status()], groups });
  const { text } = await page(app, "/");
  const [shown = "", folded = ""] = text.slice(text.indexOf('id="pools"')).split("<details");
  expect(shown).not.toContain("Pool ");
  expect(folded).toContain("4 pools, none in use");
  expect(folded).toContain('href="/executions?status=queued,running&amp;group=d"');
});

test("a batch's files are listed, and one of them is shown, its values of env hidden", async () => {
  const revision = "aaaaaaaaaaaa" as Revision;
  const { app, data } = await serve({ batches: [status({ revision })] });
  const folder = join(data, "revisions", revision);
  mkdirSync(join(folder, "lib"), { recursive: true });
  writeFileSync(join(folder, "batch.yaml"), 'cron: "@daily"\nenv: {TOKEN: hunter2}\n');
  writeFileSync(join(folder, "script.sh"), 'echo "<b>$HOME</b>" # why\n');
  writeFileSync(join(folder, "lib/data.bin"), Buffer.from([0, 1, 2]));
  const { text } = await page(app, "/batches/report");
  expect(text).toContain('<span class="t-string">&quot;&lt;b&gt;$HOME&lt;/b&gt;&quot;</span>');
  expect(text).toContain('<span class="t-comment"># why</span>');
  expect(text).toContain("file=lib%2Fdata.bin#source");
  const settings = (await page(app, "/batches/report?file=batch.yaml")).text;
  expect(settings).toContain('<span class="t-key">TOKEN</span>: ***');
  expect(settings).not.toContain("hunter2");
  expect((await page(app, "/batches/report?file=lib/data.bin")).text).toContain("lib/data.bin is not text.");
  expect((await page(app, "/batches/report?file=../../x")).response.status).toBe(404);
  const none = await serve({ batches: [status({ revision: null })] });
  expect((await page(none.app, "/batches/report")).text).not.toContain("source-title");
});

test("an execution's page and its batch's say that it was late, once, where it ran, and which commit", async () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const info = {
    subject: `Load <rates>`,
    author: "Kim",
    at: "2026-11-24T01:00:00.000Z",
    url: "https://git.example.org/kim/batches/commit/0123456",
  };
  const commits = { known: () => info, info: () => Promise.resolve(info) };
  const { app, add } = await serve({ batches: [status({ commit })], commits });
  const place = { node: "node-7", pod: "report-01jd" };
  const one = await add({ ...execution({ status: "succeeded", late: true, place }), commit });
  const { text } = await page(app, `/executions/${one.id}`);
  expect(text.match(/<dt>Late<\/dt>/g)).toHaveLength(1);
  expect(text).toContain("node-7 / report-01jd");
  expect((await page(app, "/")).text).toMatch(/<span class="badge odd">late<\/span>/);
  for (const html of [text, (await page(app, "/batches/report")).text]) {
    expect(html).toContain(`<a href="${info.url}" rel="noreferrer">0123456789</a>`);
    expect(html).toContain("Load &lt;rates&gt;");
    expect(html).toMatch(/by Kim,/);
  }
  const plain = await add(execution({ status: "succeeded" }));
  expect((await page(app, `/executions/${plain.id}`)).text).not.toMatch(/<dt>(Late|Place|Commit)<\/dt>/);
});
