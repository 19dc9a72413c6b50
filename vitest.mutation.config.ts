import { mergeConfig } from "vitest/config";
import shared from "./vitest.config.ts";

// Tables of the pure files alone: each mutant runs those of them that reach it.
export default mergeConfig(shared, {
  test: {
    include: ["test/{executions,notify,reconcile,schedule,history}/**/*.test.ts"],
    exclude: [
      "test/**/{schedule-random,reconciler,groups,store,journal,power-cut,mail,deliveries,webhook,ping}.test.ts",
    ],
  },
});
