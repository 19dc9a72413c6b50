// The list of all executions as it leaves the server: filters by the API's names, pages, words.
import { describe, expect, test } from "vitest";
import type { BatchFile, BatchStatus } from "../../agent/model/batch.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution, t0 } from "../helpers/make.ts";

const status = (name: string, group: string, tags: string[]): BatchStatus => ({
  name,
  state: "scheduled",
  batch: batch({ group, file: { tags, env: {} } as unknown as BatchFile }),
  revision: null,
  commit: null,
  problems: [],
  blockedBy: [],
});
const batches = [
  status("invoices", "billing/eu", ["money"]),
  status("dunning", "billing", []),
  status("backup", "", ["night", "money"]),
  status("billing-x", "billing-other", []),
];
const minute = 60_000;

async function world() {
  const { app, add } = await serve({ batches });
  const put = (name: string, at: number, fields: Parameters<typeof execution>[0]) =>
    add(execution({ ...fields, batch: name as BatchName, at: t0 - at * minute }));
  await put("invoices", 40, { status: "succeeded" });
  await put("dunning", 30, { status: "failed" });
  await put("backup", 20, { status: "aborted" });
  await put("billing-x", 15, { status: "failed", reason: "timeout", message: "longer than 5m" });
  await put("backup", 10, { status: "queued" });
  const page = async (query: string) => {
    const response = await app.request(`/executions${query}`, { headers: { Accept: "text/html" } });
    const text = await response.text();
    const rows = [...text.matchAll(/<tr><td><a href="\/batches\/[^"]+">([^<]+)<\/a>/g)].map((match) => match[1]);
    return { status: response.status, text, rows };
  };
  return { page, put };
}

describe("filters", () => {
  test.each([
    ["", ["backup", "billing-x", "backup", "dunning", "invoices"]],
    ["?status=failed", ["billing-x", "dunning"]],
    ["?status=failed,aborted", ["billing-x", "backup", "dunning"]],
    ["?status=failed&status=succeeded", ["billing-x", "dunning", "invoices"]],
    ["?reason=timeout", ["billing-x"]],
    ["?reason=timeout,exit", ["billing-x", "dunning"]],
    ["?reason=timeout&limit=", ["billing-x"]],
    ["?limit=2", ["backup", "billing-x"]],
    ["?batch=backup", ["backup", "backup"]],
    ["?batch=oice", ["invoices"]],
    ["?group=billing", ["dunning", "invoices"]],
    ["?group=billing/eu", ["invoices"]],
    ["?tag=money", ["backup", "backup", "invoices"]],
    ["?tag=money&status=succeeded", ["invoices"]],
    [`?since=${new Date(t0 - 25 * minute).toISOString()}`, ["backup", "billing-x", "backup"]],
    [`?until=${new Date(t0 - 25 * minute).toISOString()}`, ["dunning", "invoices"]],
    ["?batch=&status=&reason=&group=&tag=&since=&until=", ["backup", "billing-x", "backup", "dunning", "invoices"]],
    ["?since=2026-11-24T11:45", ["backup", "billing-x"]],
  ])("%s", async (query, want) => {
    const { page } = await world();
    const { status, rows } = await page(query);
    expect([status, rows]).toEqual([200, want]);
  });

  test.each([
    "?status=nonsense",
    "?reason=nonsense",
    "?limit=0",
    "?limit=501",
    "?since=yesterday",
    "?cursor=x",
    "?group=../..",
    "?batch=A%20B",
  ])("%s is not understood", async (query) => {
    const { page } = await world();
    expect((await page(query)).status).toBe(400);
  });
});

test.each([
  ["", 3],
  ["&limit=41", 3],
  ["&limit=30", 5],
  ["&limit=500", 1],
])("pages lead from the newest to the oldest without a gap, and keep the filters%s", async (limit, wanted) => {
  const { page, put } = await world();
  for (let i = 0; i < 120; i++) await put("dunning", 1, { status: "failed" });
  const rows: (string | undefined)[] = [];
  let query: string | null = `?status=failed${limit}`;
  let pages = 0;
  while (query !== null) {
    const got: Awaited<ReturnType<typeof page>> = await page(query);
    rows.push(...got.rows);
    pages += 1;
    const next = /rel="next" href="\/executions([^"]*)">Older/.exec(got.text)?.[1]?.replaceAll("&amp;", "&");
    expect(next === undefined || (next.includes("status=failed") && next.includes(limit))).toBe(true);
    query = next ?? null;
  }
  expect([rows.length, pages]).toEqual([122, wanted]);
});

test("reasons and waits are told in words", async () => {
  const { page } = await world();
  const { text } = await page("");
  expect(text).toContain("an earlier execution was still running");
  expect(text).toContain("ran longer than its timeout");
  expect(text).toContain("Waits for its turn");
});

test("an empty list says what to do", async () => {
  const { app } = await serve();
  const text = await (await app.request("/executions", { headers: { Accept: "text/html" } })).text();
  expect(text).toContain("batch-agent trigger NAME");
});
