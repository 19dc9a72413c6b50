// The alerts by Prometheus' own tool; the dashboard against what an agent really tells.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { serve } from "../helpers/http.ts";
import { batch, execution } from "../helpers/make.ts";
import { isMissing } from "../helpers/tools.ts";

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
  templating: { list: { definition?: string }[] };
}

async function toldNames(): Promise<Set<string>> {
  const served = await serve({
    batches: [
      { name: "report", state: "scheduled", batch: batch(), revision: null, commit: null, problems: [], blockedBy: [] },
    ],
  });
  await served.add(execution({ status: "succeeded", durationMs: 5 }));
  const lines = (await (await served.app.request("/metrics")).text()).split("\n");
  return new Set(
    lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split(/[{ ]/)[0] as string),
  );
}

/** Names of metrics in a query: words that are neither functions nor labels. */
function metricsIn(query: string): string[] {
  return [...query.replaceAll(/\{[^}]*\}|"[^"]*"/g, "").matchAll(/\b(?:batch_agent|process|nodejs)_\w+/g)].map(
    ([name]) => name,
  );
}

test.skipIf(isMissing("promtool"))("promtool finds the alerts right, and they go off when they should", () => {
  for (const words of [
    ["check", "rules", "deploy/prometheus/alerts.yml"],
    ["test", "rules", "deploy/prometheus/alerts.test.yml"],
  ]) {
    const { status, stdout, stderr } = spawnSync("promtool", words, { encoding: "utf8" });
    expect({ status, said: status === 0 ? "" : stdout + stderr }).toEqual({ status: 0, said: "" });
  }
});

test("what the alerts ask for is told", async () => {
  const told = await toldNames();
  const asked = [...readFileSync("deploy/prometheus/alerts.yml", "utf8").matchAll(/\bbatch_agent_\w+/g)].map(
    ([name]) => name,
  );
  expect(asked.length).toBeGreaterThan(8);
  expect(asked.filter((name) => !told.has(name))).toEqual([]);
});

test("what the dashboard asks for is told, and each panel asks for something", async () => {
  const dashboard = JSON.parse(readFileSync("deploy/grafana/batch-agent.json", "utf8")) as Dashboard;
  const queries = [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.flatMap(({ definition }) => definition ?? []),
  ];
  const told = await toldNames();
  for (const query of queries) {
    const asked = metricsIn(query);
    expect(asked.length, query).toBeGreaterThan(0);
    expect(
      asked.filter((name) => !told.has(name)),
      query,
    ).toEqual([]);
  }
  expect(dashboard.panels.every(({ targets }) => targets.length > 0)).toBe(true);
});
