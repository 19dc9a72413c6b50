import { defineConfig } from "vitest/config";

// Tables of the pure files alone: each mutant runs those of them that reach it.
export default defineConfig({
  test: {
    testTimeout: 30_000,
    include: ["test/{executions,notify,reconcile,schedule,history}/**/*.test.ts"],
    exclude: [
      "test/**/{schedule-random,reconciler,groups,store,journal,power-cut,mail,deliveries,webhook,ping}.test.ts",
    ],
  },
});
