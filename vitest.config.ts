import { defineConfig } from "vitest/config";

/** Pure files: no clock, no disk, no timer. Their tests are tables, so nearly all branches must be taken. */
const pure = [
  "agent/definitions/{batch,chain-graph,declared,excerpt,group,inherit,meaning,redact,schedule-notes,settings,shebang,suggest,text-file,webhook-address,yaml,yaml-errors,yaml-limits,zone-hint}.ts",
  "agent/executions/{admission,attempt,baseline,execution,follow-ups,order,params,plan-end,plan-rerun,progress}.ts",
  "agent/history/{change,document,retention}.ts",
  "agent/notify/{decide,mail-url,message}.ts",
  "agent/reconcile/plan.ts",
  "agent/runners/environment.ts",
  "agent/schedule/{calendar,catchup,icalendar,pattern,schedule,zone}.ts",
  "agent/text/*.ts",
  "agent/config.ts",
];

// Two files at a time, even where there are two cores: most wait more than they work.
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: 2,
    // Clusters take all there is of two cores: they come last, one at a time.
    projects: [
      {
        extends: true,
        test: {
          name: "agent",
          include: ["test/**/*.test.ts"],
          exclude: ["test/kubernetes/**"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "clusters",
          include: ["test/kubernetes/**/*.test.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
    coverage: { include: pure, reporter: ["text"], thresholds: { branches: 95 } },
  },
});
