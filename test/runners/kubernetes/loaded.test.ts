// With the local runner nothing of Kubernetes is loaded but its options: everything else is imported when it is asked
// for.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../../agent");

test("nothing of Kubernetes is imported at once but its options", () => {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));
  const eager = new Map(
    files.map((file) => {
      const text = readFileSync(join(root, file), "utf8");
      const found = [...text.matchAll(/^(?:import|export)\b(?! type)[^"]*?\bfrom "(\.[^"]+)"/gm)];
      return [file, found.map((match) => normalize(join(dirname(file), match[1] ?? "")))];
    }),
  );
  // What `batch-agent run` loads: its command, and what that imports when it starts.
  const loaded = new Set(["main.ts", "cli/run.ts"]);
  for (const file of loaded) for (const next of eager.get(file) ?? []) loaded.add(next);
  expect(loaded.size).toBeGreaterThan(100);
  const ofKubernetes = [...loaded].filter(
    (file) => file.includes("kubernetes") || /^(cli\/lead|http\/standby)/.test(file),
  );
  expect(ofKubernetes.sort()).toEqual(["http/api/kubernetes-metrics.ts", "runners/kubernetes/options.ts"]);
});
