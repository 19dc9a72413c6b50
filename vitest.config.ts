import { defineConfig } from "vitest/config";

const whole = ["test/e2e/**/*.test.ts", "test/faults/**/*.test.ts", "test/browser/**/*.test.ts", "test/deploy/**/*.test.ts"];

// What runs the built program, with processes, signals and clocks, runs alone; the rest two files at a time, even where there are two cores.
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    projects: [
      { extends: true, test: { name: "parts", include: ["test/**/*.test.ts"], exclude: whole, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      { extends: true, test: { name: "whole", include: whole, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
