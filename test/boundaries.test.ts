// Imports run one way: main → commands → agent → {io, http, loops} → ports, core. See README, "Development".
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

/** Rooms of the house, and which of them each may import. Third-party packages are named only where they are limited. */
const rooms: Record<string, { may: string[]; packages?: string[] }> = {
  core: {
    may: ["core", "errors.ts"],
    packages: [
      "yaml",
      "ajv",
      "ajv/dist/runtime/equal.js",
      "ajv/dist/runtime/ucs2length.js",
      "croner",
      "diff",
      "json-schema-to-ts",
    ],
  },
  loops: { may: ["loops", "core", "ports.ts", "errors.ts"], packages: [] },
  io: { may: ["io/files.ts", "io/durable.ts", "io/archive", "core", "ports.ts", "errors.ts"] },
  http: { may: ["http", "core", "ports.ts", "errors.ts"] },
  commands: { may: ["agent.ts", "foreground.ts", "config.ts", "core", "ports.ts", "errors.ts", "io", "commands"] },
  "agent.ts": { may: ["io", "http", "loops", "core", "ports.ts", "errors.ts", "config.ts"] },
  "foreground.ts": { may: ["io", "loops", "core", "ports.ts", "errors.ts"] },
  "main.ts": { may: ["commands", "config.ts", "core", "errors.ts", "io"] },
  "ports.ts": { may: ["core"], packages: [] },
  "config.ts": { may: ["core", "errors.ts"], packages: [] },
  "errors.ts": { may: [], packages: [] },
};

const root = join(import.meta.dirname, "../agent");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));
const imports = files.flatMap((file) => {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/^(?:import|export)\b[^"]*?\bfrom "([^"]+)"|\bimport\("([^"]+)"\)/gm)].map((match) => ({
    file,
    wanted: (match[1] ?? match[2]) as string,
  }));
});

test("there are imports to judge", () => expect(imports.length).toBeGreaterThan(100));

test("each import stays within what its room may use", () => {
  const wrong = imports.filter(({ file, wanted }) => {
    const room = rooms[file.split("/")[0] as string];
    if (room === undefined) return true;
    if (!wanted.startsWith(".")) return room.packages !== undefined && !room.packages.includes(wanted);
    const target = normalize(join(dirname(file), wanted));
    return !room.may.some((allowed) => target === allowed || target.startsWith(`${allowed}/`));
  });
  expect(wrong).toEqual([]);
});

test("the core is pure and only main ends the process", () => {
  const impure = /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\)|\bawait\b|\bsetTimeout\(|\bsetInterval\(/;
  const wrong = files.filter((file) => {
    const text = readFileSync(join(root, file), "utf8").replace(/\/\/.*|\/\*[\s\S]*?\*\//g, "");
    if (file.startsWith("core/") && impure.test(text)) return true;
    return file !== "main.ts" && /\bprocess\.(exit|env|on)\b/.test(text);
  });
  expect(wrong).toEqual([]);
});
