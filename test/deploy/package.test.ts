// The package as people install it: packed, installed into an empty prefix, and run from there.
import { execFile, execFileSync } from "node:child_process";
import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { root } from "../helpers/docs.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const run = promisify(execFile);
const maxPackedBytes = 3_000_000;
const maxInstalledPackages = 110;
/** How npm says that it reached nobody: no fault of the package. */
const offline = /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENOTCACHED|ENETUNREACH/;

/** What npm may see here: no settings of the agent or of the test run. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(BATCH_AGENT_|NODE_ENV$|VITEST|npm_)/.test(name) || /^npm_config_/i.test(name),
  ),
);

test("npm pack, npm install --global, and the command works", { timeout: 300_000 }, async (context) => {
  const place = workplace();
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", place.home], {
    cwd: root,
    env,
  });
  const [tarball] = JSON.parse(packed.stdout) as { filename: string; size: number; files: { path: string }[] }[];
  const paths = tarball?.files.map(({ path }) => path) ?? [];
  expect(paths).toEqual(
    expect.arrayContaining([
      "LICENSE",
      "README.md",
      "dist/main.js",
      "docs/README.md",
      "schemas/batch.schema.json",
      "deploy/systemd/batch-agent.service",
      ".env.example",
    ]),
  );
  expect(paths.filter((path) => /^(agent|test|node_modules|bench|data|\.env$)(\/|$)/.test(path))).toEqual([]);
  expect(tarball?.size).toBeLessThan(maxPackedBytes);

  const prefix = join(place.home, "prefix");
  const arguments_ = ["install", "--global", "--prefix", prefix, "--prefer-offline", "--no-audit", "--no-fund"];
  try {
    await run("npm", [...arguments_, join(place.home, tarball?.filename ?? "none")], { cwd: place.home, env });
  } catch (error) {
    if (!offline.test(String(error))) throw error;
    console.warn("passed over, the package is not installed: npm reaches no registry");
    context.skip();
  }
  const command = join(prefix, "bin/batch-agent");
  const program = realpathSync(command);
  const modules = readdirSync(join(program, "../..", "node_modules"), { recursive: true, encoding: "utf8" });
  expect(
    modules.filter((path) => /(^|node_modules\/)(@[^/]+\/)?[^/@]+\/package\.json$/.test(path)).length,
  ).toBeLessThan(maxInstalledPackages);

  const typed = async (...words: string[]) => (await run(command, words, { cwd: place.home, env })).stdout;
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  expect(await typed("--version")).toBe(`${version}\n`);
  expect(await typed("init", "first")).toContain("made first/hello/batch.yaml\n");
  expect(await typed("validate", "first")).toBe("2 batches, no problems\n");
  place.put("hello", 'cron: "* * * * * *"\n', "echo hello\n");
  const agent = await startAgent(place, [], { program });
  await eventually(async () => (await agent.executions("?status=succeeded")).length > 0);
  const dashboard = await (await agent.get("/")).text();
  expect(dashboard).toContain("hello");
  const assets = [...dashboard.matchAll(/(?:href|src)="(\/(?:style\.css|assets\/)[^"]*)"/g)].map(
    ([, path]) => path ?? "",
  );
  expect(assets.length).toBeGreaterThan(0);
  for (const path of assets) expect((await agent.get(path)).status).toBe(200);
  expect((await agent.exit("SIGTERM")).code).toBe(0);
});

test("the metadata names where the package comes from, and nothing it ships is missing", () => {
  const metadata = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, unknown>;
  for (const key of ["description", "keywords", "homepage", "bugs", "repository", "author", "license", "engines"])
    expect(metadata[key], key).toBeTruthy();
  for (const file of metadata["files"] as string[]) if (!file.includes("*")) statSync(join(root, file));
});

test("licences are known, the bill of materials names every dependency", { timeout: 60_000 }, () => {
  const listed = execFileSync("node", [".ci/dependencies.mjs"], { cwd: root, encoding: "utf8" });
  const sbom = JSON.parse(
    execFileSync("npm", ["run", "-s", "sbom"], { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 }),
  ) as {
    bomFormat: string;
    components: { name: string; version: string }[];
  };
  expect(sbom.bomFormat).toBe("CycloneDX");
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const [name, version] of Object.entries(dependencies)) {
    expect(listed).toContain(`${name}@${version}\t`);
    expect(sbom.components.map((one) => `${one.name}@${one.version}`)).toContain(`${name}@${version}`);
  }
});

test("a licence that nobody has looked at is found", () => {
  const folder = temporaryFolder();
  const own = { name: "x", version: "1.0.0", dependencies: { odd: "1.0.0" } };
  const odd = { version: "1.0.0", license: "SSPL-1.0" };
  const lock = { ...own, lockfileVersion: 3, packages: { "": own, "node_modules/odd": odd } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(own));
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(lock));
  const script = join(root, ".ci/dependencies.mjs");
  expect(() => execFileSync("node", [script], { cwd: folder, encoding: "utf8", stdio: "pipe" })).toThrow(
    "look at odd@1.0.0: SSPL-1.0",
  );
});
