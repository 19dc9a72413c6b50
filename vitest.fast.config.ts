import { defineConfig } from "vitest/config";

/** Pure files: no clock, no disk, no timer. Their tests are tables, over 95 % of the branches. */
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

// Pure files and loops: what is quick to run beside every edit.
export default defineConfig({
  test: {
    testTimeout: 30_000,
    pool: "forks",
    include: ["test/**/*.test.ts"],
    exclude: [
      "test/{e2e,faults,browser,deploy,docs,examples,kubernetes,sources,platform}/**",
      "test/runners/{kubernetes,local}/**",
      "test/http/*.test.ts",
      "test/**/{linear,schedule,schedule-random,reconciler,groups,store,journal,power-cut,mail}.test.ts",
    ],
    coverage: { include: pure, reporter: ["text"], thresholds: { branches: 95 } },
  },
});
