// Everything that a user can type, set or read is described in docs/, and no link leads nowhere. The lists come from
// the program itself: what is added without a word of documentation fails here.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { CommandContext } from "../../agent/cli/commands/context.ts";
import { runOptions } from "../../agent/config.ts";
import { environmentName } from "../../agent/option-reader.ts";
import { reasons, statuses } from "../../agent/model/execution.ts";
import { problemCodes } from "../../agent/model/problem.ts";
import { brokenLinks, commandsOf, page, readPages, root, undocumented } from "../helpers/docs.ts";

const pages = readPages();
const text = (path: string) => pages.find((one) => one.path === path)?.text ?? "";
const source = (path: string) => readFileSync(join(root, path), "utf8");
const options = runOptions({ cores: 1, zone: { timeZone: "UTC", note: null } }).map(({ name }) => name);

test("every link and anchor leads somewhere", () => {
  expect(pages.length).toBeGreaterThan(20);
  expect(brokenLinks(pages, (path) => existsSync(join(root, path)))).toEqual([]);
  const wrong = page(
    "docs/x.md",
    "# A b\n[a](#a-b) [b](#c) [c](none.md) [d](../../x)\n```\n[e](none)\n```\n`[f](none)`",
  );
  expect(brokenLinks([wrong], () => false)).toEqual([
    "docs/x.md: #a-b",
    "docs/x.md: #c",
    "docs/x.md: none.md",
    "docs/x.md: ../../x",
  ]);
  expect(brokenLinks([wrong], () => true)).toEqual(["docs/x.md: #c", "docs/x.md: ../../x"]);
});

test("the table of contents names every page of docs/", () => {
  const contents = pages.find(({ path }) => path === "docs/README.md");
  const named = new Set(contents?.links.map((link) => link.split("#")[0]));
  const own = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md") && name !== "README.md");
  expect(own.filter((name) => !named.has(name))).toEqual([]);
});

test("README fits: at most 200 lines, a picture in its first screen", () => {
  const lines = text("README.md").split("\n");
  expect(lines.length).toBeLessThanOrEqual(200);
  expect(lines.slice(0, 12).join("\n")).toMatch(/!\[[^\]]+\]\([^)]+\.png\)/);
});

test("every option of run is in settings.md, or for pods in kubernetes-pods.md, and in .env.example", () => {
  expect(
    undocumented(
      options.map((name) => `--${name}`),
      text("docs/settings.md") + text("docs/kubernetes-pods.md"),
    ),
  ).toEqual([]);
  const example = source(".env.example");
  expect(options.map(environmentName).filter((name) => !new RegExp(`^#?${name}=`, "m").test(example))).toEqual([]);
});

/** The command line as the program declares it. */
async function readProgram(): Promise<Command> {
  const program = new Command("batch-agent");
  const context = { env: {}, dotEnv: {}, version: "0" } as unknown as CommandContext;
  const folder = join(root, "agent/cli/commands");
  for (const file of readdirSync(folder)) {
    const exported = (await import(join(folder, file))) as Record<string, unknown>;
    for (const [name, add] of Object.entries(exported))
      if (/^add[A-Z]/.test(name) && typeof add === "function")
        (add as (to: Command, of: CommandContext) => void)(program, context);
  }
  return program;
}

test("every command and its options are in cli.md", async () => {
  const program = await readProgram();
  const names = program.commands.map((command) => command.name());
  expect(names.length).toBeGreaterThan(10);
  expect(
    undocumented(
      names.map((name) => `batch-agent ${name}`),
      text("docs/cli.md"),
    ),
  ).toEqual([]);
  const missing = program.commands
    .filter((command) => command.name() !== "run")
    .flatMap((command) => {
      const section = sectionOf(text("docs/cli.md"), command.name());
      return undocumented(
        command.options.flatMap(({ long }) => long ?? []),
        section,
      ).map((flag) => `${command.name()} ${flag}`);
    });
  expect(missing).toEqual([]);
});

test("every command that a page, a picture or an example shows is one, with options that it has", async () => {
  const program = await readProgram();
  const known = new Map(
    program.commands.map((command) => [
      command.name(),
      new Set(["--help", "-h", ...command.options.flatMap(({ long, short }) => [long ?? "", short ?? ""])]),
    ]),
  );
  const wrong = (shown: readonly string[]) =>
    shown.flatMap((line) => {
      const [name = "", ...rest] = line.split(/\s+/);
      const options = known.get(name);
      if (options === undefined) return /^(--version|--help|<|help$)/.test(name) ? [] : [`no command: ${line}`];
      return rest
        .filter((word) => /^--?[a-z]/.test(word))
        .filter((word) => !options.has(word.replace(/=.*/, "")))
        .map((word) => `${name} has no ${word}`);
    });
  const recording = source("docs/screenshots/terminal.svg").matchAll(/<tspan class="typed">([^<]+)</g);
  const typed = [...recording].map(([, command]) => `\`${command}\``).join("\n");
  expect(commandsOf(typed).length).toBeGreaterThan(4);
  const shown = [...pages.map(({ text: page }) => page), typed].flatMap((page) => commandsOf(page));
  expect(shown.length).toBeGreaterThan(60);
  expect(wrong(shown)).toEqual([]);
  expect(
    wrong(commandsOf("`batch-agent nxt -n 5`\n```sh\nsudo batch-agent next -n 5 --wrong # --not-this\n```\n")),
  ).toEqual(["next has no --wrong", "no command: nxt -n 5"]);
});

/** The part of cli.md below the heading that names a command. */
function sectionOf(page: string, command: string): string {
  return page.split(/^## /m).find((part) => part.split("\n")[0]?.includes(`\`${command}\``)) ?? "";
}

test("every key of batch.yaml and _group.yaml is in batch-yaml.md", () => {
  const keysOf = (schema: unknown): string[] => {
    if (typeof schema !== "object" || schema === null) return [];
    return Object.entries(schema).flatMap(([key, value]) => [
      ...(key === "properties" ? Object.keys(value as object) : []),
      ...(key === "examples" || key === "default" ? [] : keysOf(value)),
    ]);
  };
  for (const name of ["batch", "group"]) {
    const keys = [...new Set(keysOf(JSON.parse(source(`schemas/${name}.schema.json`))))];
    expect(keys.length).toBeGreaterThan(10);
    expect(undocumented(keys, text("docs/batch-yaml.md"))).toEqual([]);
  }
});

test("schemas keep the ids that editors and copies of them go by", () => {
  const ids = ["batch", "group"].map(
    (name) => (JSON.parse(source(`schemas/${name}.schema.json`)) as { $id: string }).$id,
  );
  expect(ids).toEqual(["batch.schema.json", "group.schema.json"]);
  expect(undocumented(ids, text("docs/ci.md"))).toEqual([]);
});

test("every variable that a script gets is in batch-yaml.md", () => {
  const variables = new Set(source("agent/runners/environment.ts").match(/\bBATCH_[A-Z_]+[A-Z]/g));
  expect(variables.size).toBeGreaterThan(10);
  expect(undocumented([...variables], text("docs/batch-yaml.md"))).toEqual([]);
});

test("every HTTP path is in api.md", () => {
  const { paths } = parse(source("schemas/openapi.yaml")) as { paths: Record<string, Record<string, unknown>> };
  const shown = text("docs/api.md").replaceAll("`…/", "`/api/executions/{id}/");
  expect(Object.keys(paths).filter((path) => path !== "/" && !shown.includes(`\`${path}`))).toEqual([]);
});

test("every status and reason is in api.md, and every problem code in problems.md", () => {
  expect(undocumented([...statuses, ...reasons], text("docs/api.md"))).toEqual([]);
  expect(undocumented(problemCodes, text("docs/problems.md"))).toEqual([]);
});

test("every metric is in metrics.md", () => {
  const names = readdirSync(join(root, "agent"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => source(join("agent", path)).match(/(?<=")batch_agent_[a-z_]+(?=")/g) ?? [])
    .filter((name) => name !== "batch_agent_session"); // a cookie
  expect(names.length).toBeGreaterThan(15);
  expect(undocumented(names, text("docs/metrics.md"))).toEqual([]);
});
