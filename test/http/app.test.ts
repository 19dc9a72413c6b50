import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BatchFile, BatchStatus } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { Revision } from "../../agent/model/ids.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const problem: Problem = {
  batch: "report",
  file: "batches.d/report/batch.yaml",
  line: 2,
  column: 1,
  path: "timezone",
  code: "unknown-key",
  message: "unknown key",
  hint: "did you mean",
};
const notify = {
  on: ["failure"],
  mail: [],
  webhook: ["https://hooks.example.org/hunter2"],
  ping: ["https://hc.example.org/hunter2"],
};
const report: BatchStatus = {
  name: "report",
  state: "scheduled",
  batch: batch({
    file: {
      cron: "* * * * *",
      enabled: true,
      tags: ["billing"],
      env: { TOKEN: "hunter2" },
      notify,
    } as unknown as BatchFile,
    group: "ops/eu",
    inherited: { timeout: "ops", "env.TOKEN": "ops/eu" },
  }),
  revision: "aaaaaaaaaaaa" as Revision,
  commit: null,
  problems: [problem],
  blockedBy: [],
};
const gone: BatchStatus = {
  name: "gone",
  state: "removed",
  batch: null,
  revision: null,
  commit: null,
  problems: [],
  blockedBy: [],
};

describe("batches", () => {
  test("one, with its definition and nothing secret in it", async () => {
    const { json, add } = await serve({ batches: [report, gone] });
    const rows: Execution[] = [];
    for (const ms of [100, 200, 300, 400])
      rows.push(await add({ ...execution({ status: "succeeded" }), durationMs: ms }));
    rows.push(await add(execution({ status: "aborted", reason: "deadline" })));
    await add(execution({ status: "aborted", reason: "overlap" })); // left out: it would hide how the one before ended
    const view = await json("/api/batches/report");
    expect(view).toMatchObject({
      name: "report",
      group: "ops/eu",
      state: "scheduled",
      definition: {
        cron: "* * * * *",
        env: { TOKEN: "***" },
        notify: { webhook: ["https://hooks.example.org/***"], ping: ["https://hc.example.org/***"] },
      },
      inherited: { timeout: "ops", "env.TOKEN": "ops/eu" },
      failingSince: null,
      revision: "aaaaaaaaaaaa",
      commit: null,
      blockedBy: [],
      lastExecution: { id: rows.at(-1)?.id },
      stats: { counts: { succeeded: 4, aborted: 2, failed: 0, running: 0, queued: 0 }, medianMs: 200, p95Ms: 400 },
      problems: [problem],
    });
    expect((view as { next: string[] }).next).toHaveLength(5);
    expect(JSON.stringify(view)).not.toContain("hunter2");
    expect(await json("/api/batches/gone")).toMatchObject({ state: "removed", definition: null, lastExecution: null });
  });

  test.each([
    ["", ["report", "gone"]],
    ["?state=removed", ["gone"]],
    ["?tag=billing", ["report"]],
    ["?tag=nothing", []],
  ])("list%s", async (query, want) => {
    const { json } = await serve({ batches: [report, gone] });
    expect((await json<{ items: { name: string }[] }>(`/api/batches${query}`)).items.map((item) => item.name)).toEqual(
      want,
    );
  });

  test("problems", async () => {
    const { json } = await serve({ problems: [problem] });
    expect(await json("/api/problems")).toEqual({ items: [problem] });
  });
});

describe("executions", () => {
  test("has the fields of the contract, in its order, and no others", async () => {
    const { json, add } = await serve();
    const { id } = await add(execution({ status: "failed" }));
    expect(Object.keys(await json<object>(`/api/executions/${id}`))).toEqual(
      (
        "id run batch group revision commit trigger params attempt status reason message exitCode signal pid place " +
        "waitingFor createdAt startedAt finishedAt durationMs progress estimatedEndAt stdoutBytes stderrBytes " +
        "outputTruncated unusual late commitInfo"
      ).split(" "),
    );
  });

  test("what its record does not say is empty, and what it says is shown", async () => {
    const { json, add } = await serve();
    const plain = await add(execution({ status: "failed" }));
    const empty = { group: "", params: {}, place: null, waitingFor: null, late: false, commitInfo: null };
    expect(await json(`/api/executions/${plain.id}`)).toMatchObject({
      ...empty,
      trigger: { kind: "cron", by: null, actor: null, note: null },
    });
    const said = { group: "billing/eu", params: { DAY: "1" }, late: true, waitingFor: "pool db" };
    const trigger = { ...plain.trigger, kind: "manual" as const, actor: "ann@ops", note: "again" };
    const { id } = await add({ ...execution({ status: "queued" }), ...said, trigger });
    expect(await json(`/api/executions/${id}`)).toMatchObject({ ...said, trigger });
  });

  test("carries what git knows of its commit", async () => {
    const info = { subject: "Fix it", author: "Ann", at: "2026-11-24T12:00:00.000Z", url: null };
    const asked = new Map<string, typeof info>();
    const commits = {
      known: (commit: string | null) => (commit === null ? null : asked.get(commit)),
      info: (commit: string | null) => Promise.resolve(commit === null ? null : (asked.set(commit, info), info)),
    };
    const commit = "a".repeat(40);
    const { json, add } = await serve({ commits, batches: [{ ...report, commit }] });
    const { id } = await add(execution({ status: "failed", commit }));
    for (let turn = 0; turn < 2; turn++) {
      expect(await json(`/api/executions/${id}`)).toMatchObject({ commit, commitInfo: info });
      expect(await json("/api/executions")).toMatchObject({ items: [{ id, commitInfo: info }] });
    }
    expect(await json("/api/batches/report")).toMatchObject({ commitInfo: info, lastExecution: { commitInfo: info } });
  });

  test("a running one's bytes are those of its logs now", async () => {
    const { json, add } = await serve();
    const { id } = await add(execution({ status: "running" }), { stdout: "12345" });
    expect(await json(`/api/executions/${id}`)).toMatchObject({ stdoutBytes: 5, stderrBytes: 0 });
  });

  test("pages of nextCursor give each once while rows are added", async () => {
    const { json, add } = await serve();
    const rows: string[] = [];
    for (let i = 0; i < 12; i++) rows.unshift((await add(execution({ status: "succeeded" }))).id);
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: { items: Execution[]; nextCursor: string | null } = await json(
        `/api/executions?limit=5${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...page.items.map((row) => row.id));
      cursor = page.nextCursor;
      await add(execution());
    }
    expect(seen).toEqual(rows);
  });

  test("filters", async () => {
    const { json, add } = await serve();
    const failed = await add(execution({ status: "failed", at: t0 + 5_000 }));
    await add(execution({ status: "succeeded" }));
    const ids = async (query: string) =>
      (await json<{ items: Execution[] }>(`/api/executions?${query}`)).items.map((row) => row.id);
    for (const query of [
      "status=failed",
      `run=${failed.run}`,
      "status=failed,running&batch=report",
      `since=${new Date(t0 + 1_000).toISOString()}`,
    ]) {
      expect(await ids(query), query).toEqual([failed.id]);
    }
    expect(await ids("batch=other")).toEqual([]);
  });
});

describe("what is refused", () => {
  const ulid = "01J00000000000000000000000";
  test.each([
    ["/api/executions?limit=0", /limit must be/],
    ["/api/executions?limit=501", /limit must be/],
    ["/api/executions?limit=ten", /limit must be/],
    ["/api/executions?limit=1&limit=2", /more than once/],
    ["/api/executions?cursor=nonsense", /cursor/],
    ["/api/executions?status=done", /status/],
    ["/api/executions?since=yesterday", /since/],
    ["/api/executions?since=2026-13-45", /since/],
    ["/api/executions?run=1", /run/],
    ["/api/executions?batch=No%20Name", /batch/],
    ["/api/batches?state=asleep", /state/],
  ])("%s: 400", async (path, detail) => {
    const { app } = await serve();
    const response = await app.request(path);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({
      status: 400,
      title: "Bad Request",
      detail: expect.stringMatching(detail) as string,
    });
  });

  test.each([
    "/nowhere",
    "/api/batches/nobody",
    `/api/executions/${ulid}`,
    `/api/executions/${ulid}/stdout`,
    "/api/executions/../../etc/passwd",
  ])("%s: 404", async (path) => {
    const { app } = await serve();
    const response = await app.request(path);
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("%s: 405 with Allow", async (method) => {
    const { app } = await serve();
    for (const path of ["/api/executions", "/", "/healthz"]) {
      const response = await app.request(path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, HEAD");
    }
  });

  test("a bug in the agent is a 500 that tells nothing of the inside, and is logged", async () => {
    const { app, history, log } = await serve();
    history.reader.find = () => {
      throw new Error("secret path");
    };
    const response = await app.request("/api/executions/x");
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
    expect(log.said).toHaveLength(1);
  });
});

test("health and readiness", async () => {
  const ready = await serve();
  expect((await ready.app.request("/healthz")).status).toBe(200);
  expect(await ready.json("/readyz")).toMatchObject({
    ready: true,
    details: { watch: { mode: "inotify", missedEvents: 0 } },
  });
  const not = await serve({ notReady: ["the disk is full"] });
  const response = await not.app.request("/readyz");
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ ready: false, reasons: ["the disk is full"] });
});

describe("logs", () => {
  async function withLog(stdout: string | Uint8Array, status: Execution["status"] = "succeeded") {
    const served = await serve();
    const { id } = await served.add(execution({ status }), { stdout });
    const get = (query = "", headers: Record<string, string> = {}, method = "GET") =>
      served.app.request(`/api/executions/${id}/stdout${query}`, { method, headers });
    return { ...served, id, get };
  }

  test("whole, as text that is never taken for anything else", async () => {
    const { get } = await withLog("<script>alert(1)</script>\n");
    const response = await get();
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("<script>alert(1)</script>\n");
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "content-length": "26",
      "accept-ranges": "bytes",
    });
  });

  test.each([
    ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
    ["bytes=4-", 206, "456789", "bytes 4-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=8-99", 206, "89", "bytes 8-9/10"],
    ["bytes=9-9", 206, "9", "bytes 9-9/10"],
    ["bytes=10-", 416, null, "bytes */10"],
    ["bytes=-0", 416, null, "bytes */10"],
    ["bytes=0-1,3-4", 200, "0123456789", null],
    ["bytes=3-1", 200, "0123456789", null],
    ["bytes=-", 200, "0123456789", null],
    ["lines=0-1", 200, "0123456789", null],
    ["nonsense", 200, "0123456789", null],
  ])("Range: %s → %i", async (range, status, body, contentRange) => {
    const { get } = await withLog("0123456789");
    const response = await get("", { Range: range });
    expect(response.status).toBe(status);
    expect(response.headers.get("content-range")).toBe(contentRange);
    if (body !== null) expect(await response.text()).toBe(body);
  });

  test("an ETag that still fits is a 304; If-Range with another gives the whole", async () => {
    const { get } = await withLog("0123456789");
    const etag = (await get()).headers.get("etag") as string;
    expect((await get("", { "If-None-Match": etag })).status).toBe(304);
    expect((await get("", { "If-None-Match": '"other"' })).status).toBe(200);
    expect((await get("", { "If-Range": etag, Range: "bytes=0-1" })).status).toBe(206);
    expect((await get("", { "If-Range": '"other"', Range: "bytes=0-1" })).status).toBe(200);
  });

  test("HEAD has the headers and no body", async () => {
    const { get } = await withLog("0123456789");
    const response = await get("", {}, "HEAD");
    expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([200, "10", ""]);
  });

  test.each([
    ["a\nb\nc\n", 1, "c\n"],
    ["a\nb\nc\n", 2, "b\nc\n"],
    ["a\nb\nc", 1, "c"],
    ["a\nb\nc", 2, "b\nc"],
    ["a\nb\nc\n", 9, "a\nb\nc\n"],
    ["a\r\nb\r\n", 1, "b\r\n"],
    ["\n\n\n", 2, "\n\n"],
    ["no newline", 1, "no newline"],
    ["", 5, ""],
    ["é\nü€", 1, "ü€"],
    ["x".repeat(200_000) + "\n" + "y".repeat(70_000) + "\nz\n", 2, "y".repeat(70_000) + "\nz\n"],
  ])("tail of %j by %i", async (text, lines, want) => {
    const { get } = await withLog(text);
    expect(await (await get(`?tail=${lines}`)).text()).toBe(want);
  });

  test("tail over many chunks", async () => {
    const all = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
    const { get } = await withLog(all.join("\n") + "\n");
    expect(await (await get("?tail=12345")).text()).toBe(all.slice(-12_345).join("\n") + "\n");
  });

  test.each(["0", "-1", "x", "100001", ""])("tail=%s: 400", async (tail) => {
    const { get } = await withLog("a\n");
    expect((await get(`?tail=${tail}`)).status).toBe(400);
  });

  test("an execution that never ran has empty logs", async () => {
    const { app, history } = await serve();
    const row = execution({ status: "aborted" });
    await history.save(row);
    for (const path of ["stdout", "stderr", "stdout?tail=5"]) {
      const response = await app.request(`/api/executions/${row.id}/${path}`);
      expect([response.status, await response.text()]).toEqual([200, ""]);
    }
  });

  test("the archive holds the record and both logs, as tar reads them", async () => {
    const served = await serve();
    const row = await served.add(execution({ status: "failed" }), { stdout: "out\n".repeat(50_000), stderr: "err\n" });
    const response = await served.app.request(`/api/executions/${row.id}/logs`);
    expect(response.headers.get("content-disposition")).toBe(`attachment; filename="report-${row.id}.tar.gz"`);
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a.tar.gz"), Buffer.from(await response.arrayBuffer()));
    mkdirSync(join(folder, "out"));
    execFileSync("tar", ["-xzf", join(folder, "a.tar.gz"), "-C", join(folder, "out")]);
    const read = (name: string) => readFileSync(join(folder, "out", name), "utf8");
    expect(JSON.parse(read("execution.json"))).toEqual(await served.json(`/api/executions/${row.id}`));
    expect(read("stdout.log")).toBe("out\n".repeat(50_000));
    expect(read("stderr.log")).toBe("err\n");
  });
});
