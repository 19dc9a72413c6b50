import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Many tests wait more than they work, for processes and clocks: two at a time even where there are two cores.
const maxWorkers = Math.max(2, availableParallelism() - 1);

export default defineConfig({
  test: { include: ["test/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000, pool: "forks", maxWorkers },
});
