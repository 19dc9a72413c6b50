// An execution runs the very content of its revision. As root, whom read-only modes do not stop; else modes are
// opened first.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { BatchName, Revision } from "../../agent/model/ids.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { createRevisionGuard, type RevisionGuard } from "../../agent/sources/revision-guard.ts";
import { clearLeftovers } from "../../agent/sources/revision-mend.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { quietLog } from "../helpers/quiet.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const children: ReturnType<typeof spawn>[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

const name = "a" as BatchName;

/** Checks before an execution that ends at once. */
async function check(guard: RevisionGuard, revision: Revision): Promise<string | null> {
  const { fault, release } = await guard.check(name, revision);
  await release?.();
  return fault;
}

async function setUp(files: Record<string, string> = {}) {
  const home = temporaryFolder();
  const [root, data] = [join(home, "batches.d"), join(home, "data")];
  mkdirSync(join(root, "a", "lib"), { recursive: true });
  mkdirSync(join(data, "revisions"), { recursive: true });
  const all = { "script.sh": "echo hi\n", "batch.yaml": 'cron: "@daily"\n', "lib/x.csv": "1,2\n", ...files };
  for (const [path, text] of Object.entries(all)) writeFileSync(join(root, "a", path), text);
  const source = createSource(root);
  const reload = async (name: BatchName) => {
    const loaded = await source.load(name);
    return loaded.kind === "found" ? loaded.folder : null;
  };
  const open = () => {
    const revisions = createRevisions(data, root, createSource);
    return { revisions, guard: createRevisionGuard({ revisions, reload, log: quietLog() }) };
  };
  const loaded = await source.load("a");
  if (loaded.kind !== "found") throw new Error(loaded.kind);
  const { digest } = loaded.folder;
  const { revisions, guard } = open();
  await revisions.store(loaded.folder);
  const path = revisions.path(digest);
  /** Rights to write everywhere in it, which root has anyway. */
  const unlock = () => {
    for (const folder of [path, join(path, "lib")]) chmodSync(folder, 0o755);
    chmodSync(join(path, "script.sh"), 0o644);
  };
  return { root, data, revisions, guard, open, digest, path, unlock };
}

function tree(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
}

const whole = ["batch.yaml", "lib", "lib/x.csv", "script.sh"];

describe("a change is put right from the folder, and told", () => {
  const changes: { name: string; change: (path: string) => void; told: RegExp }[] = [
    {
      name: "a file added",
      change: (path) => writeFileSync(join(path, "result.csv"), "stale"),
      told: /result\.csv \(added\)/,
    },
    {
      name: "a file added below",
      change: (path) => writeFileSync(join(path, "lib/y"), "stale"),
      told: /lib\/y \(added\)/,
    },
    { name: "an editor's leftover", change: (path) => writeFileSync(join(path, "x~"), "stale"), told: /x~ \(added\)/ },
    { name: "a folder added", change: (path) => mkdirSync(join(path, "out/deep"), { recursive: true }), told: /out/ },
    {
      name: "a line in the script",
      change: (path) => appendFileSync(join(path, "script.sh"), "echo more\n"),
      told: /script\.sh/,
    },
    {
      name: "the same size and time",
      change(path) {
        const { atime, mtime } = statSync(join(path, "script.sh"));
        writeFileSync(join(path, "script.sh"), "echo ho\n");
        utimesSync(join(path, "script.sh"), atime, mtime);
      },
      told: /script\.sh/,
    },
    { name: "a file deleted", change: (path) => rmSync(join(path, "lib/x.csv")), told: /lib\/x\.csv \(deleted\)/ },
    {
      name: "a file replaced by a link to the same bytes",
      change(path) {
        renameSync(join(path, "script.sh"), join(path, "lib/s"));
        symlinkSync("lib/s", join(path, "script.sh"));
      },
      told: /files/,
    },
    { name: "all of it gone", change: (path) => rmSync(path, { recursive: true }), told: /files/ },
  ];
  test.each(changes)("$name", async ({ change, told }) => {
    const { guard, digest, path, unlock, data } = await setUp();
    expect(await check(guard, digest)).toBeNull();
    expect(guard.problems()).toEqual([]);
    unlock();
    change(path);
    expect(await check(guard, digest)).toBeNull();
    expect(tree(path)).toEqual(whole);
    expect(readFileSync(join(path, "script.sh"), "utf8")).toBe("echo hi\n");
    expect(lstatSync(join(path, "script.sh")).isFile()).toBe(true);
    expect(guard.problems()).toMatchObject(
      [{ batch: "a", code: "revision-changed", message: told }].map(({ message, ...rest }) => ({
        ...rest,
        message: expect.stringMatching(message) as string,
      })),
    );
    expect(readdirSync(join(data, "revisions"))).toEqual([digest]);

    // The next start finds nothing, and the problem is over.
    expect(await check(guard, digest)).toBeNull();
    expect(guard.problems()).toEqual([]);
  });

  test("also by an agent that was not there when it was stored", async () => {
    const { open, digest, path, unlock } = await setUp();
    unlock();
    appendFileSync(join(path, "script.sh"), "echo more\n");
    const later = open().guard;
    expect(await check(later, digest)).toBeNull();
    expect(readFileSync(join(path, "script.sh"), "utf8")).toBe("echo hi\n");
    expect(later.problems()).toHaveLength(1);
  });
});

test("rights to write alone are taken back without a word", async () => {
  const { guard, digest, path, unlock } = await setUp();
  unlock();
  expect(await check(guard, digest)).toBeNull();
  expect(guard.problems()).toEqual([]);
  expect([path, join(path, "lib"), join(path, "script.sh")].map((one) => statSync(one).mode & 0o222)).toEqual([
    0, 0, 0,
  ]);
});

test("what was read, or got another link, is not taken for changed", async () => {
  const { guard, digest, path } = await setUp();
  const past = new Date(1_000_000_000_000);
  utimesSync(join(path, "script.sh"), past, past);
  expect(await check(guard, digest)).toBeNull();
  expect(guard.problems()).toEqual([]);
});

describe("the folder has changed since", () => {
  test("a changed file cannot be put right: the start fails and says so", async () => {
    const { root, guard, digest, path, unlock } = await setUp();
    unlock();
    appendFileSync(join(path, "script.sh"), "echo more\n");
    writeFileSync(join(root, "a", "batch.yaml"), "nonsense: 1\n");
    expect(await check(guard, digest)).toMatch(/had changed script\.sh in revision .* cannot be put right/);
    expect(guard.problems()).toMatchObject([{ code: "revision-changed", batch: "a" }]);
  });

  test("added files are taken out", async () => {
    const { root, guard, digest, path, unlock } = await setUp();
    unlock();
    writeFileSync(join(path, "lib/result.csv"), "stale");
    mkdirSync(join(path, "out"));
    writeFileSync(join(path, "out", "deep"), "stale");
    writeFileSync(join(root, "a", "batch.yaml"), "nonsense: 1\n");
    expect(await check(guard, digest)).toBeNull();
    expect(tree(path)).toEqual(whole);
    expect(guard.problems()).toHaveLength(1);
  });
});

test("what still runs in the changed copy keeps it until it has ended", async () => {
  const { guard, digest, path, unlock, revisions, data } = await setUp();
  unlock();
  const child = spawn("bash", ["-c", "echo mine > mine.csv; echo ready; read; cat mine.csv"], {
    cwd: path,
    stdio: "pipe",
  });
  children.push(child);
  const said: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  await once(child.stdout, "data");
  expect(await check(guard, digest)).toBeNull();
  expect(tree(path)).toEqual(whole);
  expect(readdirSync(join(data, "revisions"))).toHaveLength(2);
  await revisions.collect(() => new Set([digest]));
  expect(readdirSync(join(data, "revisions"))).toHaveLength(2);
  child.stdin.end("\n");
  await once(child, "exit");
  expect(said.join("")).toBe("ready\nmine\n");
  await revisions.collect(() => new Set([digest]));
  expect(readdirSync(join(data, "revisions"))).toEqual([digest]);
});

test("a copy that was replaced goes at the next start of the agent at the latest", async () => {
  const { data } = await setUp();
  mkdirSync(join(data, "revisions", ".replaced-0-1"));
  await clearLeftovers(data, quietLog());
  expect(existsSync(join(data, "revisions", ".replaced-0-1"))).toBe(false);
});

test("a check of what is unchanged costs microseconds", async () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, String(i)]));
  const { guard, digest } = await setUp(many);
  await check(guard, digest);
  const began = performance.now();
  for (let i = 0; i < 100; i++) await check(guard, digest);
  expect((performance.now() - began) / 100).toBeLessThan(20); // 104 entries; about 1 ms here
});

describe("what its owner kept to himself stays so", () => {
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  async function stored(prepare: (root: string) => void, yaml = 'cron: "@daily"\n') {
    const { root, revisions } = await setUp({ "batch.yaml": yaml });
    prepare(root);
    const loaded = await createSource(root).load("a");
    if (loaded.kind !== "found") throw new Error(loaded.kind);
    // Another digest than the one stored above, which would be taken as it is.
    await revisions.store(loaded.folder);
    return revisions.path(loaded.folder.digest);
  }
  const add = (root: string, path: string, bits: number) => {
    writeFileSync(join(root, "a", path), "key\n");
    chmodSync(join(root, "a", path), bits);
  };
  test.each([
    [0o600, "400"],
    [0o700, "500"],
    [0o640, "400"],
    [0o644, "444"],
    [0o664, "444"],
    [0o755, "555"],
  ])("a file of %o", async (bits, want) => {
    const path = await stored((root) => add(root, "key.pem", bits));
    expect(mode(join(path, "key.pem"))).toBe(want);
    expect(mode(join(path, "script.sh"))).toBe("444");
    expect(mode(path)).toBe("555");
  });
  test("a folder of 0700, and all in it", async () => {
    const path = await stored((root) => {
      add(root, "lib/key.pem", 0o644);
      chmodSync(join(root, "a", "lib"), 0o700);
    });
    expect([mode(join(path, "lib")), mode(join(path, "lib/key.pem")), mode(path)]).toEqual(["500", "400", "555"]);
  });
  test("the batch's folder, and the folder of batches", async () => {
    for (const closed of ["a", "."]) {
      const path = await stored((root) => {
        add(root, "key.pem", 0o644);
        chmodSync(join(root, closed), 0o700);
      });
      expect([mode(path), mode(join(path, "key.pem")), mode(join(path, "script.sh"))]).toEqual(["500", "400", "400"]);
    }
  });
  test("a file too large to be kept in memory", async () => {
    const path = await stored((root) => {
      writeFileSync(join(root, "a", "big"), "x".repeat(3_000_000));
      chmodSync(join(root, "a", "big"), 0o600);
    });
    expect([mode(join(path, "big")), mode(join(path, "script.sh"))]).toEqual(["400", "444"]);
  });
  test("where another batch of the same content shows it to everybody", async () => {
    const { root, revisions, digest, path } = await setUp();
    chmodSync(join(root, "a", "script.sh"), 0o600);
    const loaded = await createSource(root).load("a");
    if (loaded.kind !== "found") throw new Error(loaded.kind);
    expect(loaded.folder.digest).toBe(digest);
    await revisions.store(loaded.folder);
    expect([mode(join(path, "script.sh")), mode(join(path, "batch.yaml"))]).toEqual(["400", "444"]);
  });
});

describe("a script that was changed is immutable while it runs", () => {
  const script = "echo one\necho 'echo a line of its own' >> script.sh\n";
  /** Runs the script as an execution does: by its path, in the revision. */
  const run = (path: string) => spawnSync("bash", ["./script.sh"], { cwd: path, encoding: "utf8" }).stdout;
  const canSeal = (path: string) => {
    writeFileSync(join(path, "probe"), "");
    const sealed = spawnSync("chattr", ["+i", join(path, "probe")]).status === 0;
    spawnSync("chattr", ["-i", join(path, "probe")]);
    return sealed;
  };
  const setUpSelfWriting = async () => {
    const batch = await setUp({ "script.sh": script, "lib/part.sh": "echo part\n" });
    expect(await check(batch.guard, batch.digest)).toBeNull();
    batch.unlock();
    run(batch.path);
    return batch;
  };

  test("and only then", async ({ skip }) => {
    const { guard, digest, path, data, unlock } = await setUpSelfWriting();
    skip(!canSeal(data), "the system has no immutable files, or they are not root's");
    const first = await guard.check(name, digest);
    const second = await guard.check(name, digest);
    for (const file of ["script.sh", "lib/part.sh"])
      expect(() => appendFileSync(join(path, file), "x")).toThrow("EPERM");
    expect(run(path)).toBe("one\n");
    await first.release?.();
    expect(() => appendFileSync(join(path, "script.sh"), "x"), "one still runs").toThrow("EPERM");
    await second.release?.();
    expect(readdirSync(join(data, "revisions"))).toEqual([digest]);
    // Its flags alone are no change.
    expect(await check(guard, digest)).toBeNull();
    expect(guard.problems()).toEqual([]);
    unlock();
    appendFileSync(join(path, "script.sh"), "x");
    rmSync(path, { recursive: true });
  });

  test("also where another start replaces the revision meanwhile", async ({ skip }) => {
    const { guard, digest, path, data } = await setUpSelfWriting();
    skip(!canSeal(data), "the system has no immutable files, or they are not root's");
    const first = await guard.check(name, digest);
    writeFileSync(join(path, "added.csv"), "");
    const second = await guard.check(name, digest);
    expect(tree(path)).not.toContain("added.csv");
    await first.release?.();
    expect(run(path), "the second still runs").toBe("one\n");
    await second.release?.();
    rmSync(data, { recursive: true });
  });

  test("until the next agent, where one died meanwhile", async ({ skip }) => {
    const { guard, digest, path, data } = await setUpSelfWriting();
    skip(!canSeal(data), "the system has no immutable files, or they are not root's");
    await guard.check(name, digest);
    expect(() => appendFileSync(join(path, "script.sh"), "x")).toThrow("EPERM");
    await clearLeftovers(data, quietLog());
    expect(readdirSync(join(data, "revisions"))).toEqual([digest]);
    rmSync(data, { recursive: true });
  });

  test("not where only other files were added or written", async () => {
    const { guard, digest, path, data } = await setUp({ "data.csv": "1\n" });
    await check(guard, digest);
    chmodSync(path, 0o755);
    writeFileSync(join(path, "added.sh"), "");
    chmodSync(join(path, "data.csv"), 0o644);
    appendFileSync(join(path, "data.csv"), "2\n");
    const { fault, release } = await guard.check(name, digest);
    expect([fault, release]).toEqual([null, null]);
    expect(readdirSync(join(data, "revisions"))).toEqual([digest]);
  });
});
