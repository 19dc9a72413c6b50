import { defineConfig } from "vitest/config";

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
  },
});
