// Mutated archives and batch.yaml files: no crash, no hang, no file where none belongs. 500 of each; for more:
// FUZZ_RUNS=10000 FUZZ_SEED=7 npx vitest run test/faults/fuzz.test.ts
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { parseBatch } from "../../agent/definitions/batch.ts";
import { problemCodes } from "../../agent/model/problem.ts";
import { batchNameOf } from "../../agent/sources/archive/inventory.ts";
import { createUnpacker } from "../../agent/sources/archive/unpack.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { gzip, pax, plainEntries, tar, zip } from "../helpers/archives.ts";
import { folderOf } from "../helpers/folder.ts";
import { createRandom, mutate, pick } from "../helpers/mutate.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 500);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const slowestMs = 10_000;
const timeout = 60_000 + runs * 400;

interface Tally {
  slowest: { ms: number; run: number };
  outcomes: Map<string, number>;
}

async function each(what: string, work: (run: number) => Promise<string>): Promise<void> {
  const tally: Tally = { slowest: { ms: 0, run: 0 }, outcomes: new Map() };
  for (let run = 0; run < runs; run++) {
    const began = performance.now();
    const outcome = await work(run);
    const ms = performance.now() - began;
    if (ms > tally.slowest.ms) tally.slowest = { ms, run };
    tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1);
    expect(ms, `run ${run} with seed ${seed}`).toBeLessThan(slowestMs);
  }
  const outcomes = [...tally.outcomes].sort((a, b) => b[1] - a[1]).map(([outcome, count]) => `${outcome} ${count}`);
  console.log(
    `${what}: ${runs} runs, seed ${seed}, slowest ${Math.round(tally.slowest.ms)} ms (run ${tally.slowest.run}): ${outcomes.join(", ")}`,
  );
}

test("archives", { timeout }, async () => {
  const outer = temporaryFolder();
  const home = join(outer, "a/b/c");
  const [root, staging, data] = [join(home, "batches.d"), join(home, "staging"), join(home, "data")];
  for (const path of [root, staging, join(data, "revisions")]) mkdirSync(path, { recursive: true });
  const unpack = createUnpacker(staging, { entries: 100, bytes: 2_000_000 });
  const source = createSource(root, { unpack });
  const revisions = createRevisions(data, root, createSource, unpack);

  const evil = join(outer, "evil");
  const more = [
    ...plainEntries,
    { name: "lib/", mode: 0o40755, type: "5" },
    { name: "lib/data", data: "0123456789".repeat(500) },
    { name: "empty" },
  ];
  const hostile = [...more, { name: "../../../../evil", data: "x" }];
  const linked = [
    ...more,
    { name: "l", type: "2", link: "lib", mode: 0o120777 },
    { name: "h", type: "1", link: "l" },
    { name: evil, data: "x" },
  ];
  const tars = [
    tar(more),
    tar(hostile),
    tar(linked),
    tar([...plainEntries, pax({ path: "lib/long", size: "1" }), { name: "s", data: "x" }]),
    tar([{ name: "top/", type: "5" }, ...more.map((entry) => ({ ...entry, name: `top/${entry.name}` }))]),
  ];
  const zips = [
    zip(more),
    zip(hostile),
    zip([...more, { name: "l", data: "lib", mode: 0o120777 }]),
    zip(more.map((entry) => ({ ...entry, method: 0 }))),
    zip(more, { zip64: true }),
    zip(more, { comment: "a comment" }),
  ];
  const words = [
    "../",
    "/",
    "\\",
    "\0",
    "script.sh",
    "lib",
    evil,
    "\u0001\0\u0010\0",
    "PK\u0001\u0002",
    "PK\u0005\u0006",
    "PK\u0006\u0006",
    "ustar\0",
    "9 size=9\n",
    Buffer.alloc(512),
    Buffer.alloc(4, 0xff),
  ];

  function made(run: number): { file: string; bytes: Buffer } {
    const random = createRandom(seed * 1_000_003 + run);
    switch (random(4)) {
      case 0:
      case 1:
        return { file: "x.zip", bytes: mutate(pick(zips, random), random, words) };
      case 2:
        return { file: "x.tar", bytes: summed(mutate(pick(tars, random), random, words), random) };
      default: {
        const inner = pick(tars, random);
        const outside = random(2) === 0;
        return {
          file: pick(["x.tgz", "x.tar.gz"], random),
          bytes: outside ? mutate(gzip(inner), random, words) : gzip(summed(mutate(inner, random, words), random)),
        };
      }
    }
  }

  await each("archives", async (run) => {
    const { file, bytes } = made(run);
    writeFileSync(join(root, file), bytes);
    const loaded = await source.load(batchNameOf(file));
    let outcome: string = loaded.kind;
    if (loaded.kind === "found") {
      const { batch, problems } = parseBatch(loaded.folder, { timeZone: "UTC" });
      outcome = problems[0]?.code ?? "valid";
      if (batch !== null) expect(await revisions.store(loaded.folder), `run ${run}`).toBe(true);
      for (const problem of problems) expect(problemCodes).toContain(problem.code);
    } else expect(loaded, `run ${run}`).toBe("found");
    rmSync(join(root, file));
    // Nothing but what belongs there.
    expect(readdirSync(staging), `run ${run}`).toEqual([]);
    expect(
      [outer, dirname(dirname(home)), dirname(home), home, root].map((path) => readdirSync(path).sort()),
      `run ${run}`,
    ).toEqual([["a"], ["b"], ["c"], ["batches.d", "data", "staging"], []]);
    expect(
      readdirSync(join(data, "revisions")).filter((name) => !/^[0-9a-f]{12}$/.test(name)),
      `run ${run}`,
    ).toEqual([]);
    return outcome;
  });
});

/** Gives the headers of a tar, three times out of four, the checksums they should have: else few get past those. */
function summed(bytes: Buffer, random: (below: number) => number): Buffer {
  if (random(4) === 0) return bytes;
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    const block = bytes.subarray(at, at + 512);
    block.write("        ", 148, "latin1");
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return bytes;
}

test("batch.yaml", { timeout }, async () => {
  const texts = [
    'cron: "0 4 * * *"\ntimeZone: Europe/Paris\nenv: { A: "1", B: two }\ntags: [a, b]\n',
    "cron:\n  - '*/5 * * * *'\n  - 2027-03-28T02:30:00\nretry: { limit: 3, delay: 10s, factor: 2, maxDelay: 10m }\nconcurrency: queue\njitter: 5m\nstartDeadline: 1h30m\n",
    "after: [extract, load]\nindependent: true\ninput: previous\nonFailure: alert\ntimeout: 2d\nkeep: { executions: 5, age: 30d }\nenvFile: /run/secrets/x.env\n",
    "%YAML 1.2\n---\ndescription: >\n  some\n  words\nanchor: &a { x: 1 }\nother: *a\ncron: '@daily'\n...\n",
  ];
  const words = [
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "!!js/function ",
    "[",
    "{",
    "|\n",
    ">-\n",
    "\t",
    "- ",
    ": ",
    "? ",
    "---\n",
    "...\n",
    "\uFEFF",
    "\0",
    "\u0085",
    "\u2028",
    "'",
    '"',
    "0x",
    "1e999",
    "~",
    "__proto__: ",
    "constructor: ",
    "cron: ",
    "*/0",
    "31 2",
    "[".repeat(500),
    "{a: ".repeat(300),
    "- ".repeat(300),
    "L",
    "W",
    "#6",
    "2027-02-30",
    Buffer.from([0xff, 0xfe]),
    Buffer.from([0xed, 0xa0, 0x80]),
  ];
  await each("batch.yaml", (run) => {
    const random = createRandom(seed * 1_000_033 + run);
    const { batch, problems } = parseBatch(folderOf(mutate(Buffer.from(pick(texts, random)), random, words)), {
      timeZone: "UTC",
    });
    expect((batch === null) === problems.length > 0, `run ${run}`).toBe(true);
    for (const { code, line, column } of problems) {
      expect(problemCodes, `run ${run}`).toContain(code);
      expect(line === null || (line >= 1 && (column ?? 0) >= 1), `run ${run}`).toBe(true);
    }
    return Promise.resolve(problems[0]?.code ?? "valid");
  });
});
