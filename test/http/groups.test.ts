import { describe, expect, test } from "vitest";
import type { BatchFile, BatchStatus } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { Group } from "../../agent/model/group.ts";
import type { BatchName, Revision, RunId } from "../../agent/model/ids.ts";
import { failingSince } from "../../agent/views.ts";
import { outlineOf } from "../../agent/history/port.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution, t0 } from "../helpers/make.ts";

function status(name: string, group: string, fields: { pool?: string; tags?: string[]; state?: "invalid" } = {}) {
  const { pool = null, tags = [], state = "scheduled" } = fields;
  const file = { cron: "* * * * *", enabled: true, tags, env: {} } as unknown as BatchFile;
  return {
    name,
    group,
    state,
    batch: state === "invalid" ? null : batch({ name: name as BatchName, group, pool, file }),
    revision: "aaaaaaaaaaaa" as Revision,
    commit: null,
    problems: [],
    blockedBy: [],
  } satisfies BatchStatus;
}

function group(name: string, pools: Record<string, number> = {}, description: string | null = null): Group {
  return { name, description, defaults: {}, pools, calendars: new Map() };
}

const batches = [
  status("top", ""),
  status("mails", "billing", { pool: "db", tags: ["night"] }),
  status("eu-mails", "billing/eu", { pool: "db" }),
  status("broken", "billing/eu", { state: "invalid" }),
  status("other", "billing-old", { pool: "db" }),
];
const groups = [group("", { db: 1 }), group("billing", { db: 2, ftp: 3 }, "Invoices")];

describe("/api/groups", () => {
  test("has every group, the top first, with what lies in it and below, and the pools that it declares", async () => {
    const poolUse = { ":db": { running: 0, waiting: 1 }, "billing:db": { running: 1, waiting: 1 } };
    const { add, json } = await serve({ batches, groups, poolUse });
    for (const name of ["mails", "eu-mails", "other"])
      await add(execution({ status: "queued", batch: name as BatchName }));
    await add(execution({ status: "failed", batch: "top" as BatchName }));
    const { items } = await json<{ items: { name: string; counts: object }[] }>("/api/groups");
    expect(items.map(({ name }) => name)).toEqual(["", "billing", "billing-old", "billing/eu"]);
    expect(items[0]).toMatchObject({
      description: null,
      counts: {
        state: { scheduled: 4, chained: 0, disabled: 0, invalid: 1 },
        last: { queued: 3, running: 0, succeeded: 0, failed: 1, aborted: 0, none: 1 },
      },
      pools: [{ name: "db", size: 1, running: 0, waiting: 1 }],
    });
    expect(items[1]).toMatchObject({
      description: "Invoices",
      counts: { state: { scheduled: 2, invalid: 1 } },
      pools: [
        { name: "db", size: 2, running: 1, waiting: 1 },
        { name: "ftp", size: 3, running: 0, waiting: 0 },
      ],
    });
  });
});

describe("filters", () => {
  test.each([
    ["/api/batches?group=billing", ["mails", "eu-mails", "broken"]],
    ["/api/batches?group=billing/eu", ["eu-mails", "broken"]],
    ["/api/batches?group=billing%2Feu&state=invalid", ["broken"]],
    ["/api/batches?group=", ["top", "mails", "eu-mails", "broken", "other"]],
    ["/api/batches?group=bill", []],
  ])("%s", async (path, want) => {
    const { json } = await serve({ batches, groups });
    expect((await json<{ items: { name: string }[] }>(path)).items.map(({ name }) => name)).toEqual(want);
  });

  test.each([
    ["group=billing", ["eu-mails", "mails"]],
    ["group=", ["other", "eu-mails", "mails", "top"]],
    ["tag=night", ["mails"]],
    ["tag=none", []],
    ["reason=exit", ["other", "mails"]],
    ["reason=exit,overlap", ["other", "eu-mails", "mails"]],
    ["reason=exit&group=billing", ["mails"]],
    ["until=2026-11-24T12:01:00Z", ["mails", "top"]],
    ["since=2026-11-24T12:01:00Z&until=2026-11-24T12:02:00Z", ["eu-mails", "mails"]],
  ])("/api/executions?%s", async (query, want) => {
    const { add, json } = await serve({ batches, groups });
    const all = [
      ["top", "succeeded"],
      ["mails", "failed"],
      ["eu-mails", "aborted"],
      ["other", "failed"],
    ] as const;
    for (const [i, [name, status]] of all.entries())
      await add(execution({ at: t0 + i * 60_000, status, batch: name as BatchName }));
    const { items } = await json<{ items: Execution[] }>(`/api/executions?${query}`);
    expect(items.map(({ batch: name }) => name)).toEqual(want);
  });

  test.each([
    "/api/batches?name=x",
    "/api/batches/top?x=1",
    "/api/groups?group=x",
    "/api/problems?x",
    "/api/graph?x=1",
    "/api/executions?stauts=failed",
    "/api/executions?reason=cancled",
    "/api/executions?until=yesterday",
    "/api/events?since=0&x=1",
    "/api/runs/x?limit=1",
    "/api/executions/x?limit=1",
    "/api/executions/x/stdout?lines=3",
    "/api/executions/x/changes?x=",
    "/api/executions/x/logs?x=",
  ])("%s is a 400", async (path) => {
    const { app } = await serve({ batches, groups });
    expect((await app.request(path)).status).toBe(400);
  });
});

const run = (name: string) => name.padStart(26, "0") as RunId;
const iso = (i: number) => new Date(t0 + i * 60_000).toISOString();

test.each<[string, (Partial<Execution> & { retry?: true })[], { at: string; count: number } | null]>([
  ["nothing ran", [], null],
  ["the last one succeeded", [{ status: "failed" }, { status: "succeeded" }], null],
  ["one failure", [{ status: "succeeded" }, { status: "failed" }], { at: iso(1), count: 1 }],
  ["three", [{ status: "failed" }, { status: "failed" }, { status: "failed" }], { at: iso(0), count: 3 }],
  ["one running now", [{ status: "failed" }, { status: "running" }], { at: iso(0), count: 1 }],
  [
    "aborted ones between",
    [{ status: "failed" }, { status: "aborted" }, { status: "failed" }],
    { at: iso(0), count: 2 },
  ],
  [
    "attempts of one run are one failure",
    [
      { status: "failed", run: run("A") },
      { status: "failed", run: run("A"), retry: true },
      { status: "failed", run: run("B") },
    ],
    { at: iso(1), count: 2 },
  ],
  [
    "a failure whose next attempt is waited for is none yet",
    [
      { status: "failed", run: run("A") },
      { status: "queued", run: run("A"), retry: true },
    ],
    null,
  ],
])("failing since, %s", (_what, rows, want) => {
  const outlines = rows.map(({ retry, ...fields }, i) => {
    const row = execution({ at: t0 + i * 60_000, ...fields });
    return outlineOf(retry ? { ...row, trigger: { ...row.trigger, kind: "retry" } } : row);
  });
  expect(failingSince(outlines.reverse())).toEqual(want);
});
