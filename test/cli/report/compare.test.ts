import { describe, expect, test } from "vitest";
import { compare, settingChanges, type Comparison, type Known } from "../../../agent/cli/report/compare.ts";
import { formatPlan, type PlanReport } from "../../../agent/cli/report/plan.ts";
import { t0 } from "../../helpers/make.ts";

const hour = 3_600_000;
const settings = { cron: "0 2 * * *", enabled: true, env: {}, retry: { limit: 1 } };

function known(name: string, fields: Partial<Known> = {}): Known {
  return {
    name,
    state: "scheduled",
    revision: `rev-${name}`,
    settings,
    next: [t0 + hour],
    blockedBy: [],
    history: { executions: 3, open: false },
    broken: null,
    ...fields,
  };
}

const nothing: Comparison = { added: [], removed: [], changed: [], affected: [], held: [], unchanged: 0 };
const added = { state: "scheduled", next: [t0 + hour], blockedBy: [], renamedFrom: null, history: 0 } as const;
const scheduled = { from: "scheduled", to: "scheduled" } as const;
const free = { from: [], to: [] };

describe("compare", () => {
  const rows: { name: string; inForce: Known[]; folder: Known[]; want: Partial<Comparison> }[] = [
    { name: "nothing in both", inForce: [], folder: [], want: {} },
    { name: "the same", inForce: [known("a"), known("b")], folder: [known("b"), known("a")], want: { unchanged: 2 } },
    {
      name: "still blocked by one that is disabled in force and broken in the folder",
      inForce: [known("a", { state: "disabled" }), known("b", { state: "chained", blockedBy: ["a"] })],
      folder: [
        known("a", { state: "invalid", settings: null, broken: "files" }),
        known("b", { state: "chained", blockedBy: ["a"] }),
      ],
      want: { held: [{ name: "a", inForce: true }], unchanged: 1 },
    },
    { name: "a new one", inForce: [], folder: [known("a")], want: { added: [{ name: "a", ...added }] } },
    {
      name: "one that was removed long ago comes back",
      inForce: [known("a", { state: "removed", settings: null })],
      folder: [known("a")],
      want: { added: [{ name: "a", ...added, history: 3 }] },
    },
    {
      name: "one that was never valid and now is",
      inForce: [known("a", { state: "invalid", settings: null, broken: "files", history: null })],
      folder: [known("a")],
      want: { added: [{ name: "a", ...added }] },
    },
    {
      name: "removed",
      inForce: [known("a", { history: { executions: 7, open: true } })],
      folder: [],
      want: { removed: [{ name: "a", history: 7, open: true, nextLost: t0 + hour }] },
    },
    { name: "removed long ago and still gone", inForce: [known("a", { state: "removed" })], folder: [], want: {} },
    {
      name: "renamed",
      inForce: [known("a", { revision: "r" })],
      folder: [known("b", { revision: "r" })],
      want: {
        removed: [{ name: "a", history: 3, open: false, nextLost: t0 + hour }],
        added: [{ name: "b", ...added, renamedFrom: "a" }],
      },
    },
    {
      name: "another script",
      inForce: [known("a")],
      folder: [known("a", { revision: "r2" })],
      want: {
        changed: [
          {
            name: "a",
            revision: { from: "rev-a", to: "r2" },
            state: scheduled,
            settings: [],
            next: null,
            blockedBy: free,
          },
        ],
      },
    },
    {
      name: "another schedule",
      inForce: [known("a")],
      folder: [known("a", { revision: "r2", settings: { ...settings, cron: "0 3 * * *" }, next: [t0 + 2 * hour] })],
      want: {
        changed: [
          {
            name: "a",
            revision: { from: "rev-a", to: "r2" },
            state: scheduled,
            settings: [{ key: "cron", from: "0 2 * * *", to: "0 3 * * *" }],
            next: { from: [t0 + hour], to: [t0 + 2 * hour] },
            blockedBy: free,
          },
        ],
      },
    },
    {
      name: "disabled, and who follows it",
      inForce: [known("a"), known("b", { state: "chained" })],
      folder: [
        known("a", { revision: "r2", state: "disabled", settings: { ...settings, enabled: false }, next: [] }),
        known("b", { state: "chained", blockedBy: ["a"] }),
      ],
      want: {
        changed: [
          {
            name: "a",
            revision: { from: "rev-a", to: "r2" },
            state: { from: "scheduled", to: "disabled" },
            settings: [{ key: "enabled", from: true, to: false }],
            next: { from: [t0 + hour], to: [] },
            blockedBy: free,
          },
        ],
        affected: [{ name: "b", state: { from: "chained", to: "chained" }, blockedBy: { from: [], to: ["a"] } }],
      },
    },
    {
      name: "broken: what is in force stays, and keeps nobody waiting",
      inForce: [known("a"), known("b", { state: "chained" })],
      folder: [
        known("a", { revision: "r2", state: "invalid", settings: null, broken: "files" }),
        known("b", { state: "chained", blockedBy: ["a"] }),
        known("c", { state: "invalid", settings: null, broken: "files" }),
      ],
      want: {
        held: [
          { name: "a", inForce: true },
          { name: "c", inForce: false },
        ],
        unchanged: 1,
      },
    },
    {
      name: "a chain that breaks without an edit of its own",
      inForce: [known("a", { state: "chained" })],
      folder: [known("a", { state: "invalid", broken: "chain" })],
      want: { affected: [{ name: "a", state: { from: "chained", to: "invalid" }, blockedBy: free }] },
    },
  ];
  test.each(rows)("$name", ({ inForce, folder, want }) =>
    expect(compare(inForce, folder)).toEqual({ ...nothing, ...want }),
  );
});

test.each([
  {
    name: "nested keys",
    from: { retry: { limit: 1, delay: "10s" } },
    to: { retry: { limit: 2, delay: "10s" } },
    want: [{ key: "retry.limit", from: 1, to: 2 }],
  },
  {
    name: "set and unset",
    from: { timeout: "5m" },
    to: { after: ["a"] },
    want: [
      { key: "after", from: null, to: ["a"] },
      { key: "timeout", from: "5m", to: null },
    ],
  },
  {
    name: "variables come and go, their values are never told",
    from: { env: { A: "***", B: "***" } },
    to: { env: { B: "secret", C: "secret" } },
    want: [
      { key: "env.A", from: "***", to: null },
      { key: "env.C", from: null, to: "***" },
    ],
  },
  {
    name: "a changed value is told as such where both are known",
    from: { env: { A: "old" } },
    to: { env: { A: "new" } },
    want: [{ key: "env.A", from: "***", to: "***" }],
  },
  {
    name: "a webhook that the agent tells masked is no other one",
    from: { notify: { webhook: ["https://h.example/***"] } },
    to: { notify: { webhook: ["https://h.example/secret"] } },
    want: [],
  },
  {
    name: "another host is told, and no more",
    from: { notify: { webhook: ["https://h.example/***"] } },
    to: { notify: { webhook: ["https://g.example/secret"] } },
    want: [{ key: "notify.webhook", from: ["https://h.example/***"], to: ["https://g.example/***"] }],
  },
  {
    name: "of a heartbeat neither",
    from: { notify: { ping: ["https://h.example/***"] } },
    to: { notify: { ping: ["https://h.example/secret", "https://g.example/secret"] } },
    want: [
      {
        key: "notify.ping",
        from: ["https://h.example/***"],
        to: ["https://h.example/***", "https://g.example/***"],
      },
    ],
  },
])("settings: $name", ({ from, to, want }) => expect(settingChanges(from, to)).toEqual(want));

function report(inForce: Known[], folder: Known[], fields: Partial<PlanReport> = {}): PlanReport {
  return {
    dir: "batches.d",
    against: "http://127.0.0.1:8080",
    comparison: compare(inForce, folder),
    problems: [],
    notes: [],
    sources: new Map(),
    ...fields,
  };
}

describe("the plan", () => {
  const plan = report(
    [known("gone"), known("later"), known("quiet", { state: "chained", next: [] })],
    [
      known("later", {
        revision: "r2",
        settings: { ...settings, cron: "0 3 * * *", env: { TOKEN: "hunter2" } },
        next: [t0 + 3 * hour, t0 + 27 * hour],
      }),
      known("new", { next: [t0 + 60_000] }),
      known("quiet", { state: "chained", next: [], blockedBy: ["other"] }),
    ],
    {
      problems: [
        {
          batch: "x",
          file: "batches.d/x/batch.yaml",
          line: 2,
          column: 1,
          path: null,
          code: "bad-cron",
          message: "no *good* @all <b>",
          hint: null,
        },
      ],
    },
  );

  test("as text", () => {
    expect(formatPlan(plan, "text", false, t0)).toMatchInlineSnapshot(`
      "plan of batches.d against http://127.0.0.1:8080

      - gone: removed
          3 executions are kept for the agent's --keep-removed
          the start of 2026-11-24T13:00Z (in 1 h) does not come
      + new: added, scheduled
          first starts: 2026-11-24T12:01Z (in 60 s)
      ~ later: changed, revision rev-later → r2
          cron: "0 2 * * *" → "0 3 * * *"
          env.TOKEN: added
          starts before: 2026-11-24T13:00Z (in 1 h)
          starts after:  2026-11-24T15:00Z (in 3 h), 2026-11-25T15:00Z
          in force now, the next start comes 2 h later than before
      ~ quiet: same files, affected by the others
          does not start: blocked by other

      1 added, 1 removed, 1 changed, 1 affected, 0 unchanged; 1 problem

      batches.d/x/batch.yaml:2:1: bad-cron: no *good* @all <b>
      "
    `);
  });

  test("as markdown, in which a batch's text is text", () => {
    const text = formatPlan(plan, "markdown", false, t0);
    expect(text).toContain(
      '| ~ | later | changed, revision rev-later → r2<br>cron: "0 2 \\* \\* \\*" → "0 3 \\* \\* \\*"<br>',
    );
    expect(text).toContain("- **batches.d/x/batch.yaml:2**: no \\*good\\* &#64;all &lt;b>");
    expect(text).not.toContain("hunter2");
  });

  test("as JSON, with times as ISO", () => {
    const json = JSON.parse(formatPlan(plan, "json", false, t0)) as Record<string, unknown[]>;
    expect(Object.keys(json)).toEqual([
      "dir",
      "against",
      "added",
      "removed",
      "changed",
      "affected",
      "held",
      "unchanged",
      "problems",
      "notes",
    ]);
    expect(json["added"]).toMatchObject([{ name: "new", next: ["2026-11-24T12:01:00.000Z"] }]);
    expect(JSON.stringify(json)).not.toContain("hunter2");
  });
});
