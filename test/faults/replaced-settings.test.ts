// What lies in the place of a file that a command reads when it starts: it is refused in words, at once and without a
// stack, whatever it is.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { workplace } from "../helpers/agent.ts";
import { giveAway, isRoot, nobody, obstacles, put, type Obstacle } from "../helpers/obstacles.ts";

const main = join(import.meta.dirname, "../../dist/main.js");

const files: { name: string; args: (path: string) => string[]; path?: string }[] = [
  { name: "token file", args: (path) => ["run", "batches.d", "--port", "0", "--token-file", path] },
  { name: "secret file", args: (path) => ["run", "batches.d", "--port", "0", "--webhook-secret-file", path] },
  { name: "SMTP URL file", args: (path) => ["run", "batches.d", "--port", "0", "--smtp-url-file", path] },
  { name: ".env", args: () => ["validate", "batches.d"], path: ".env" },
  { name: "crontab", args: (path) => ["import-crontab", path, "--out", "out.d"] },
  { name: "token file of a client", args: (path) => ["status", "--url", "http://127.0.0.1:9", "--token-file", path] },
];

async function run(home: string, args: string[]): Promise<{ code: number | null; said: string }> {
  const by = isRoot ? { uid: nobody, gid: nobody } : {};
  const child = spawn(process.execPath, [main, ...args], { cwd: home, stdio: ["ignore", "pipe", "pipe"], ...by });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "close");
  return { code: child.exitCode, said };
}

const rows = files.flatMap((file) =>
  Object.entries(obstacles).map((kind): [string, Obstacle, (typeof files)[number]] => [
    `${kind[0]} as ${file.name}`,
    kind,
    file,
  ]),
);

test.each(rows)("%s", async (_name, kind, { args, path = "file" }) => {
  const { home, put: putBatch } = workplace();
  putBatch("a", 'cron: "0 0 1 1 *"\n', "true\n");
  chmodSync(home, 0o777);
  put(kind, join(home, path));
  giveAway(join(home, path));
  const { code, said } = await run(home, args(join(home, path)));
  expect(code).toBe(1);
  expect(said).toMatch(/^batch-agent: .+/);
  expect(said).not.toMatch(/\n {4}at /);
  expect(said.split("\n").length).toBeLessThan(5);
});

test("one that is as it must be is read", async () => {
  const { home, put: putBatch } = workplace();
  putBatch("a", 'cron: "0 0 1 1 *"\n', "true\n");
  chmodSync(home, 0o777);
  writeFileSync(join(home, ".env"), "BATCH_AGENT_PORT=8123\n");
  expect((await run(home, ["validate", "batches.d"])).code).toBe(0);
});
