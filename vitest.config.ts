import { defineConfig } from "vitest/config";

const whole = ["test/e2e/**/*.test.ts", "test/faults/**/*.test.ts", "test/browser/**/*.test.ts", "test/deploy/**/*.test.ts"];

// Two files at a time, even where there are two cores: most wait more than they work. What runs the built program, with processes, signals
// and clocks, gets a second try, as those of the file beside it may have taken it all the time it had.
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: "parts", include: ["test/**/*.test.ts"], exclude: whole } },
      { extends: true, test: { name: "whole", include: whole, retry: 1 } },
    ],
  },
});
