import { defineConfig } from "vitest/config";

// Two files at a time, even where there are two cores: most wait more than they work.
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: 2,
    include: ["test/**/*.test.ts"],
  },
});
