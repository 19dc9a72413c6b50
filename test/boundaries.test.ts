// The rules of the house (docs/architecture.md): imports run downwards only, a room with a port.ts is entered through
// it, no two files import each other in a circle, and what is pure stays pure.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

/** Floors from the top down; rooms of one floor may import each other only where `together` says so. */
const floors: readonly (readonly string[])[] = [
  ["main.ts"],
  ["cli"],
  ["agent.ts", "lifecycle.ts", "housekeeper.ts", "config.ts", "option-reader.ts"],
  ["http"],
  ["executions"],
  ["notify"],
  ["status.ts", "views.ts"],
  ["reconcile"],
  ["definitions"],
  ["sources"],
  ["runners"],
  ["history"],
  ["logs"],
  ["schedule"],
  ["text", "async", "platform"],
  ["model", "errors.ts", "logger.ts"],
];
const together = new Set(["agent.ts", "config.ts", "text", "async", "platform", "model"]);
/** Rows that put the house together: they may reach behind a port. */
const composition = ["main.ts", "cli", "agent.ts", "lifecycle.ts", "housekeeper.ts", "config.ts", "option-reader.ts"];

const root = join(import.meta.dirname, "../agent");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));
const textOf = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
const imports = files.flatMap((file) =>
  [
    ...(textOf.get(file) as string).matchAll(
      /^(?:import|export)\b[^"]*?\bfrom "([^"]+)"|\bimport\("([^"]+)"\)|^import "([^"]+)"/gm,
    ),
  ].map((match) => ({ file, wanted: (match[1] ?? match[2] ?? match[3]) as string })),
);
const inside = imports
  .filter(({ wanted }) => wanted.startsWith("."))
  .map(({ file, wanted }) => ({ file, target: normalize(join(dirname(file), wanted)) }))
  .filter(({ target }) => textOf.has(target));

const roomOf = (file: string) => file.split("/")[0] as string;
const floorOf = (file: string) => floors.findIndex((floor) => floor.includes(roomOf(file)));

test("every file lies in a known room", () => {
  expect(files.filter((file) => floorOf(file) < 0)).toEqual([]);
  expect(inside.length).toBeGreaterThan(300);
});

test("imports run downwards only", () => {
  const wrong = inside
    .filter(({ file, target }) => {
      if (roomOf(file) === roomOf(target)) return false;
      const [from, to] = [floorOf(file), floorOf(target)];
      return to < from || (to === from && !together.has(roomOf(file)));
    })
    .map(({ file, target }) => `${file} -> ${target}`);
  expect([...new Set(wrong)]).toEqual([]);
});

test("a room with a port is entered through it", () => {
  const ported = new Set(files.filter((file) => /^[^/]+\/port\.ts$/.test(file)).map(roomOf));
  const wrong = inside
    .filter(
      ({ file, target }) =>
        ported.has(roomOf(target)) &&
        roomOf(file) !== roomOf(target) &&
        !composition.includes(roomOf(file)) &&
        target !== `${roomOf(target)}/port.ts`,
    )
    .map(({ file, target }) => `${file} -> ${target}`);
  expect([...new Set(wrong)]).toEqual([]);
});

test("no circle of imports, types counted", () => {
  const next = new Map<string, string[]>();
  for (const { file, target } of inside) next.set(file, [...(next.get(file) ?? []), target]);
  const state = new Map<string, "open" | "done">();
  const found = new Set<string>();
  function visit(file: string, path: readonly string[]): void {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      const ring = path.slice(path.indexOf(file));
      const first = ring.indexOf([...ring].sort()[0] as string);
      found.add([...ring.slice(first), ...ring.slice(0, first)].join(" -> "));
      return;
    }
    state.set(file, "open");
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    state.set(file, "done");
  }
  for (const file of files) visit(file, []);
  expect([...found]).toEqual([]);
});

/** Files that are started as a process of their own. */
const programs = ["main.ts", "runners/local/launcher-main.ts"];

test("only a program's main file ends the process or listens to its signals", () => {
  const wrong = files.filter((file) => {
    const text = (textOf.get(file) as string).replace(/\/\/.*|\/\*[\s\S]*?\*\//g, "");
    return !programs.includes(file) && /\bprocess\.(exit|env|on)\b/.test(text);
  });
  expect(wrong).toEqual([]);
});

const written = files.filter((file) => !file.endsWith(".gen.ts"));

test("no line is longer than 120 columns", () => {
  const wrong = written.flatMap((file) =>
    (textOf.get(file) as string).split("\n").flatMap((line, i) => ([...line].length > 120 ? `${file}:${i + 1}` : [])),
  );
  expect(wrong).toEqual([]);
});

test("the composition root reads from top to bottom on a few screens", () => {
  expect((textOf.get("agent.ts") as string).trimEnd().split("\n").length).toBeLessThanOrEqual(130);
});

/** A file that is longer says why in the comment at its head. */
test("no file has more than 300 lines without a reason at its head", () => {
  const wrong = written.filter((file) => {
    const text = textOf.get(file) as string;
    const head = /^(?:\/\/.*\n)*/.exec(text)?.[0] ?? "";
    return text.trimEnd().split("\n").length > 300 && !/\blonger\b/i.test(head);
  });
  expect(wrong).toEqual([]);
});

test("no function or class method has more than 150 lines", () => {
  const wrong: string[] = [];
  for (const file of written) {
    const source = ts.createSourceFile(file, textOf.get(file) as string, ts.ScriptTarget.Latest);
    const lineOf = (position: number) => source.getLineAndCharacterOfPosition(position).line;
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && lineOf(node.end) - lineOf(node.getStart(source)) >= 150)
        wrong.push(`${file}:${lineOf(node.getStart(source)) + 1}`);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  expect(wrong).toEqual([]);
});
