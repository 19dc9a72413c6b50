// Source, revisions and watch on real folders.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Folder } from "../../agent/model/batch.ts";
import type { Revision, BatchName } from "../../agent/model/ids.ts";
import { createUnpacker } from "../../agent/sources/archive/unpack.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { clearLeftovers } from "../../agent/sources/revision-mend.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { createWatch } from "../../agent/sources/watch.ts";
import { canMount, smallDisk } from "../helpers/disk.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

function write(root: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
const plain = { "batch.yaml": 'cron: "@daily"\n', "script.sh": "true\n" };

async function folderOf(root: string, name: string): Promise<Folder> {
  const loaded = await createSource(root).load(name);
  if (loaded.kind !== "found") throw new Error(`${name}: ${JSON.stringify(loaded)}`);
  return loaded.folder;
}
const archiving = (root: string) =>
  createSource(root, { unpack: createUnpacker(temporaryFolder(), { entries: 100, bytes: 1_000_000 }) });
const codes = async (root: string, name: string) =>
  (await folderOf(root, name)).problems.map((problem) => problem.code);

describe("what desktops and disks make by themselves", () => {
  const junk = [
    ".DS_Store",
    "._script.sh",
    "Thumbs.db",
    "desktop.ini",
    ".directory",
    ".nfs000000000000a1b2",
    ".~lock.x.ods#",
  ];

  test("is no part of a batch: no new revision comes of it", async () => {
    const root = write(temporaryFolder(), { "a/script.sh": "true\n", "a/batch.yaml": plain["batch.yaml"] });
    const { digest } = await folderOf(root, "a");
    write(root, Object.fromEntries(junk.map((name) => [`a/${name}`, "junk"])));
    write(root, { "a/@eaDir/x": "junk", "a/$RECYCLE.BIN/x": "junk", "a/lost+found/x": "junk" });
    expect(await folderOf(root, "a")).toMatchObject({ digest, problems: [] });
    write(root, { "a/data.db": "meant" });
    expect((await folderOf(root, "a")).digest).not.toBe(digest);
  });

  test("is no batch, nor is a folder that nobody may read and whose name no batch can have", async () => {
    const root = write(temporaryFolder(), {
      "a/script.sh": "",
      "lost+found/x": "",
      "@eaDir/x": "",
      "System Volume Information/x": "",
    });
    write(root, { "#recycle/x": "", "My Files/x": "" });
    expect(await createSource(root).list()).toEqual(["a"]);
    if (process.getuid?.() !== 0) {
      chmodSync(join(root, "My Files"), 0);
      expect((await createSource(root).load("My Files")).kind).toBe("absent");
      chmodSync(join(root, "My Files"), 0o755);
    }
  });
});

describe("source", () => {
  test("lists what may be a batch", async () => {
    const root = write(temporaryFolder(), {
      "a/script.sh": "",
      "b.zip": "",
      ".git/x": "",
      "_lib/x": "",
      "..data/x": "",
      "README.md": "",
      "notes.txt": "",
      "c.tar.gz": "",
    });
    expect((await archiving(root).list()).sort()).toEqual(["a", "b", "c"]);
    expect(await createSource(root).list()).toEqual(["a"]);
    await expect(createSource(join(root, "nowhere")).list()).rejects.toMatchObject({ name: "StoreError" });
  });

  test("a folder without batch.yaml and script.sh is no batch; a name that is not there is absent", async () => {
    const root = write(temporaryFolder(), { "lib/rates.csv": "1" });
    const source = createSource(root);
    expect(await source.load("lib")).toEqual({ kind: "absent" });
    expect(await source.load("nobody")).toEqual({ kind: "absent" });
  });

  test("an entry whose root is gone is unreadable, not absent", async () => {
    const root = join(temporaryFolder(), "gone");
    expect(await createSource(root).load("a")).toMatchObject({ kind: "unreadable" });
  });

  test("the digest follows paths, run bits and bytes, and nothing else", async () => {
    const root = write(temporaryFolder(), { "a/batch.yaml": "x: 1", "a/script.sh": "true", "a/lib/f": "1" });
    const digest = async () => (await folderOf(root, "a")).digest;
    const first = await digest();
    expect(first).toMatch(/^[0-9a-f]{12}$/);
    execFileSync("touch", ["-d", "2020-01-01", join(root, "a/script.sh")]);
    mkdirSync(join(root, "a/empty"));
    write(root, { "a/.script.sh.swp": "vim", "a/script.sh~": "old", "a/..2026/x": "kubelet" });
    expect(await digest()).toBe(first);
    const seen = new Set([first]);
    for (const change of [
      () => chmodSync(join(root, "a/script.sh"), 0o755),
      () => writeFileSync(join(root, "a/script.sh"), "false"),
      () => renameSync(join(root, "a/lib/f"), join(root, "a/lib/g")),
      () => rmSync(join(root, "a/lib"), { recursive: true }),
    ]) {
      change();
      seen.add(await digest());
    }
    expect(seen.size).toBe(5);
  });

  test("links within the root are followed, others are told", async () => {
    const root = write(temporaryFolder(), { "shared/x": "1", "a/batch.yaml": "", "a/script.sh": "" });
    symlinkSync("../shared/x", join(root, "a/inside"));
    expect(await codes(root, "a")).toEqual([]);
    symlinkSync("/etc/passwd", join(root, "a/outside"));
    symlinkSync("nowhere", join(root, "a/dangling"));
    symlinkSync("self", join(root, "a/self"));
    expect(await codes(root, "a")).toEqual(["link-outside", "link-outside", "link-outside"]);
  });

  test("a batch's folder may be a link within the root, not one that leaves it", async () => {
    const home = temporaryFolder();
    const root = write(join(home, "batches.d"), { "_versions/1/batch.yaml": "x: 1", "_versions/1/script.sh": "true" });
    write(join(home, "elsewhere"), plain);
    symlinkSync("_versions/1", join(root, "a"));
    symlinkSync("../elsewhere", join(root, "b"));
    expect(await folderOf(root, "a")).toMatchObject({ problems: [], script: { size: 4 } });
    expect(await codes(root, "b")).toEqual(["link-outside"]);
  });

  test("a link that goes round in circles ends", async () => {
    const root = write(temporaryFolder(), { "a/batch.yaml": "", "a/script.sh": "" });
    symlinkSync("..", join(root, "a/up"));
    expect(await codes(root, "a")).toContain("too-many-files");
  });

  test.each([
    ["a FIFO", (path: string) => execFileSync("mkfifo", [join(path, "pipe")]), "special-file"],
    [
      "script.sh is a folder",
      (path: string) => (unlinkSync(join(path, "script.sh")), write(path, { "script.sh/x": "" })),
      "special-file",
    ],
    [
      "script.sh is a FIFO",
      (path: string) => (unlinkSync(join(path, "script.sh")), execFileSync("mkfifo", [join(path, "script.sh")])),
      "special-file",
    ],
  ])("%s is a problem", async (_name, spoil, code) => {
    const root = write(temporaryFolder(), { "a/batch.yaml": "", "a/script.sh": "" });
    spoil(join(root, "a"));
    expect(await codes(root, "a")).toContain(code);
  });

  test("a folder beside an archive of its name is a problem of both", async () => {
    const root = write(temporaryFolder(), { "a/batch.yaml": "", "a/script.sh": "", "a.zip": "" });
    const source = archiving(root);
    const want = {
      kind: "found",
      folder: {
        problems: [
          { code: "two-sources", batch: "a" },
          { code: "two-sources", batch: "a.zip" },
        ],
      },
    };
    expect(await source.load("a")).toMatchObject(want);
    await source.list();
    expect(await source.load("a")).toMatchObject(want);
    unlinkSync(join(root, "a.zip"));
    expect(await source.load("a")).toMatchObject({ kind: "found", folder: { problems: [] } });
  });

  test("a link at the root that is swapped after it was listed: what is gone is looked for in the new tree", async () => {
    const home = temporaryFolder();
    const root = join(home, "current");
    write(home, {
      "one/a/script.sh": "echo one",
      "one/b/script.sh": "",
      "one/c/script.sh": "echo one",
      "two/a/script.sh": "echo two",
      "two/c/script.sh": "echo two",
    });
    symlinkSync("one", root);
    const source = createSource(root);
    const script = async (name: string) =>
      ((loaded) => (loaded.kind === "found" ? String(loaded.folder.script?.bytes) : loaded.kind))(
        await source.load(name),
      );
    expect(await source.list()).toHaveLength(3);
    symlinkSync("two", join(home, "next"));
    renameSync(join(home, "next"), root);
    expect(await script("c")).toBe("echo one"); // all of one look comes from one tree while it is there
    rmSync(join(home, "one"), { recursive: true });
    expect(await script("a")).toBe("echo two");
    expect(await script("b")).toBe("absent");
    expect(await script("c")).toBe("echo two");
    rmSync(root);
    expect(await script("a")).toBe("unreadable");
  });

  test("a file whose name is not UTF-8 is a problem of its batch, and no reason to take it for gone", async () => {
    const root = write(temporaryFolder(), { "a/batch.yaml": "", "a/script.sh": "", "a/lib/x": "" });
    writeFileSync(Buffer.concat([Buffer.from(join(root, "a/lib/caf")), Buffer.from([0xe9])]), "x");
    const { problems } = await folderOf(root, "a");
    expect(problems).toMatchObject([
      { code: "special-file", message: expect.stringContaining("not UTF-8") as string, hint: "rename it" },
    ]);
  });

  test("a link to a plain file is ignored, as the file is; one beside an archive is not in its way", async () => {
    const root = write(temporaryFolder(), { "notes.txt": "", r: "", "r.zip": "" });
    symlinkSync("notes.txt", join(root, "link"));
    expect(await createSource(root).load("link")).toEqual({ kind: "absent" });
    expect(await folderOf(root, "notes.txt").catch((error: unknown) => String(error))).toContain("absent");
    expect(await archiving(root).load("r")).toMatchObject({ folder: { problems: [{ code: "bad-archive" }] } });
  });

  test("files that come and go while a batch is read never make it absent", async () => {
    const root = write(temporaryFolder(), { "a/batch.yaml": 'cron: "@daily"\n', "a/script.sh": "true\n" });
    const churn = "while :; do touch t{1..40}; rm t{1..40}; done";
    const writer = spawn("bash", ["-c", churn], { cwd: join(root, "a"), stdio: "ignore" });
    const source = createSource(root);
    const kinds = new Set<string>();
    try {
      await eventually(() => readdirSync(join(root, "a")).length > 2);
      for (let i = 0; i < 300; i++) {
        kinds.add((await source.load("a")).kind);
        await new Promise((done) => setImmediate(done));
      }
    } finally {
      writer.kill("SIGKILL");
      await once(writer, "exit");
    }
    expect([...kinds]).toEqual(["found"]);
  });

  test("a batch.yaml of 10 MB is read no further than its limit", async () => {
    const root = write(temporaryFolder(), { "a/batch.yaml": "x".repeat(10_000_000), "a/script.sh": "" });
    const [settings] = (await folderOf(root, "a")).settings;
    expect(settings?.size).toBe(10_000_000);
    expect(settings?.bytes.length).toBe(1024 * 1024 + 1);
  });
});

describe("revisions", () => {
  function setUp(files: Record<string, string> = plain) {
    const home = temporaryFolder();
    const root = join(home, "batches.d");
    for (const name of ["a", "b"]) write(join(root, name), files);
    const data = join(home, "data");
    mkdirSync(join(data, "revisions"), { recursive: true });
    return { root, data, revisions: createRevisions(data, root, createSource) };
  }
  const stored = (data: string) => readdirSync(join(data, "revisions"));

  test("a copy with links resolved and run bits kept, read-only, shared by equal content", async () => {
    const { root, data, revisions } = setUp();
    for (const name of ["a", "b"]) {
      symlinkSync("script.sh", join(root, name, "link.sh"));
      write(join(root, name), { "lib/deep/tool": "x" });
      chmodSync(join(root, name, "lib/deep/tool"), 0o755);
    }
    const [a, b] = [await folderOf(root, "a"), await folderOf(root, "b")];
    expect(a.digest).toBe(b.digest);
    expect(await Promise.all([revisions.store(a), revisions.store(b)])).toEqual([true, true]);
    expect(stored(data)).toEqual([a.digest]);
    const path = revisions.path(a.digest);
    expect(readFileSync(join(path, "link.sh"), "utf8")).toBe("true\n");
    const mode = (file: string) => (statSync(join(path, file)).mode & 0o777).toString(8);
    expect(["", "script.sh", "lib", "lib/deep/tool"].map(mode)).toEqual(["555", "444", "555", "555"]);
    expect(await revisions.load(a.digest, "a" as BatchName)).toMatchObject({ digest: a.digest, name: "a" });
  });

  test("what changed since it was read is not stored", async () => {
    const { root, data, revisions } = setUp();
    write(join(root, "a"), { "rows.csv": "1,2,3\n".repeat(20_000) });
    const folder = await folderOf(root, "a");
    write(join(root, "a"), { "script.sh": "false\n" });
    expect(await revisions.store(folder)).toBe(false);
    rmSync(join(root, "a"), { recursive: true });
    expect(await revisions.store(folder)).toBe(false);
    expect(stored(data)).toEqual([]);
  });

  test("few small files are stored as they were read, whatever they are by now", async () => {
    const { root, revisions } = setUp();
    write(join(root, "a"), { "lib/rates.csv": "EUR,1\n" });
    const folder = await folderOf(root, "a");
    write(join(root, "a"), { "script.sh": "false\n" });
    expect(await revisions.store(folder)).toBe(true);
    expect((await revisions.load(folder.digest, "a" as BatchName))?.digest).toBe(folder.digest);
    expect(readFileSync(join(revisions.path(folder.digest), "lib/rates.csv"), "utf8")).toBe("EUR,1\n");
  });

  test("a damaged revision is not given out", async () => {
    const { root, revisions } = setUp();
    const folder = await folderOf(root, "a");
    await revisions.store(folder);
    const script = join(revisions.path(folder.digest), "script.sh");
    chmodSync(script, 0o644);
    writeFileSync(script, "rm -rf /\n");
    expect(await revisions.load(folder.digest, "a" as BatchName)).toBeNull();
  });

  test("collected when nothing refers to them", async () => {
    const { root, data, revisions } = setUp();
    const kept = await folderOf(root, "a");
    await revisions.store(kept);
    write(join(root, "a"), { "script.sh": "false\n", "lib/x": "1" });
    const old = await folderOf(root, "a");
    await revisions.store(old);
    expect(await revisions.collect(() => new Set<Revision>([kept.digest]))).toBe(1);
    expect(stored(data)).toEqual([kept.digest]);
    expect(existsSync(revisions.path(old.digest))).toBe(false);
  });

  test("what an earlier agent left half done goes at the start, also when it had our pid", async () => {
    const { root, data, revisions } = setUp();
    const folder = await folderOf(root, "a");
    await revisions.store(folder);
    write(join(data, "revisions"), {
      [`.staging-${process.pid}-0/lib/of-another`]: "1",
      [`.staging-${process.pid}-archive-x/y`]: "1",
      ".trash-abc/x": "1",
    });
    chmodSync(join(data, `revisions/.staging-${process.pid}-0/lib`), 0o555);
    await clearLeftovers(data, quietLog());
    expect(readdirSync(join(data, "revisions"))).toEqual([folder.digest]);
  });

  test.skipIf(!canMount)("a leftover that cannot be deleted is said, and keeps no agent from starting", async () => {
    const disk = smallDisk();
    write(disk.path, { "revisions/.staging-a/x": "1", "revisions/.trash-b/x": "1" });
    disk.remount("ro");
    const log = quietLog();
    await clearLeftovers(disk.path, log);
    expect(log.said.map(({ level, fields }) => ({ level, ...fields }))).toMatchObject(
      [".staging-a", ".trash-b"].map((name) => ({ level: "warn", path: join(disk.path, "revisions", name) })),
    );
  });

  test("two agents with one pid that both hold the folder for a moment do not mix their batches", async () => {
    const { root, data, revisions } = setUp();
    // too large to be stored as it was read
    for (const name of ["a", "b"]) write(join(root, name), { [`${name}.csv`]: `${name}\n`.repeat(100_000) });
    const [a, b] = [await folderOf(root, "a"), await folderOf(root, "b")];
    expect(await Promise.all([revisions.store(a), createRevisions(data, root, createSource).store(b)])).toEqual([
      true,
      true,
    ]);
    for (const { digest } of [a, b]) expect(await revisions.load(digest, "a" as BatchName)).toMatchObject({ digest });
  });

  test("what could not be deleted once is not in the way when the same content is collected again", async () => {
    const { root, data, revisions } = setUp();
    const { digest } = await folderOf(root, "a");
    write(join(data, "revisions"), { [`.trash-${digest}/.nfs1`]: "open" });
    await revisions.store(await folderOf(root, "a"));
    expect(await revisions.collect(() => new Set())).toBe(1);
    expect(existsSync(revisions.path(digest))).toBe(false);
  });
});

describe("watch", () => {
  async function watching(root: string, poll = false) {
    const dirty: (string | null)[] = [];
    const watch = createWatch(root, { poll, log: quietLog() });
    await watch.start({ onDirty: (name) => dirty.push(name) });
    return { watch, dirty };
  }

  test("names the entry for an edit, a save by rename, a new one and a removal", async () => {
    const root = write(temporaryFolder(), { "a/script.sh": "1", "b/script.sh": "1" });
    const { watch, dirty } = await watching(root);
    for (const [name, change] of [
      ["a", () => writeFileSync(join(root, "a/script.sh"), "2")],
      [
        "b",
        () => (writeFileSync(join(root, "b/.tmp"), "2"), renameSync(join(root, "b/.tmp"), join(root, "b/script.sh"))),
      ],
      ["c", () => write(root, { "c/script.sh": "1" })],
      ["a", () => rmSync(join(root, "a"), { recursive: true })],
    ] as const) {
      dirty.length = 0;
      change();
      await eventually(() => dirty.includes(name));
    }
    await watch.close();
  });

  test("a ConfigMap's swap of ..data names the batch", async () => {
    const root = write(temporaryFolder(), { "a/..1/script.sh": "1" });
    symlinkSync("..1", join(root, "a/..data"));
    symlinkSync("..data/script.sh", join(root, "a/script.sh"));
    const { watch, dirty } = await watching(root);
    write(root, { "a/..2/script.sh": "2" });
    symlinkSync("..2", join(root, "a/..data_tmp"));
    renameSync(join(root, "a/..data_tmp"), join(root, "a/..data"));
    rmSync(join(root, "a/..1"), { recursive: true });
    await eventually(() => dirty.includes("a"));
    await watch.close();
  });

  test("a burst asks for a look at everything", async () => {
    const root = temporaryFolder();
    const { watch, dirty } = await watching(root);
    for (let i = 0; i < 80; i++) write(root, { [`b-${i}/script.sh`]: "1" });
    await eventually(() => dirty.includes(null));
    await watch.close();
  });

  const step = async (dirty: (string | null)[], change: () => void, ...names: (string | null)[]) => {
    dirty.length = 0;
    change();
    await eventually(() => names.every((name) => dirty.includes(name)));
    for (let told = -1; told !== dirty.length; await sleep(80)) told = dirty.length; // until nothing more is on its way
  };

  test("what is put into a folder that came later is named, however deep", async () => {
    const root = write(temporaryFolder(), { "a/script.sh": "1", "a/1/2/3/4/5/6/x": "1" });
    const { watch, dirty } = await watching(root);
    await step(dirty, () => writeFileSync(join(root, "a/1/2/3/4/5/6/x"), "2"), "a");
    await step(dirty, () => write(root, { "a/1/2/3/4/5/6/7/8/y": "1" }), "a");
    await step(dirty, () => writeFileSync(join(root, "a/1/2/3/4/5/6/7/8/y"), "2"), "a");
    await step(dirty, () => write(root, { "b/script.sh": "1", "b/lib/x": "1" }), "b");
    await step(dirty, () => writeFileSync(join(root, "b/lib/x"), "2"), "b");
    await watch.close();
  });

  test("another folder at the same place is watched: moved, removed and made anew, exchanged", async () => {
    const root = write(temporaryFolder(), {
      "a/script.sh": "1",
      "a/lib/x": "1",
      "b/script.sh": "1",
      "b/lib/x": "1",
    });
    const { watch, dirty } = await watching(root);
    const at = (path: string) => join(root, path);
    const bothAreSeen = async () => {
      await step(dirty, () => writeFileSync(at("a/lib/x"), "2"), "a");
      expect(dirty).not.toContain("b");
      await step(dirty, () => writeFileSync(at("b/lib/x"), "2"), "b");
      expect(dirty).not.toContain("a");
    };
    await step(
      dirty,
      () => (renameSync(at("a"), at("c")), renameSync(at("b"), at("a")), renameSync(at("c"), at("b"))),
      "a",
      "b",
    );
    await bothAreSeen();
    // The system gives a removed folder's inode to the next one that is made.
    await step(
      dirty,
      () => (rmSync(at("a"), { recursive: true }), write(root, { "a/script.sh": "1", "a/lib/x": "3" })),
      "a",
    );
    await bothAreSeen();
    await step(dirty, () => (rmSync(at("b/lib"), { recursive: true }), write(root, { "b/lib/x": "3" })), "b");
    await bothAreSeen();
    await watch.close();
  });

  test("a root that is removed and made anew, or comes late, is watched", async () => {
    const root = join(temporaryFolder(), "batches.d");
    const { watch, dirty } = await watching(root);
    await step(dirty, () => write(root, { "a/script.sh": "1" }), null);
    await step(dirty, () => writeFileSync(join(root, "a/script.sh"), "2"), "a");
    await step(dirty, () => (rmSync(root, { recursive: true }), write(root, { "a/script.sh": "1" })), null);
    await step(dirty, () => writeFileSync(join(root, "a/script.sh"), "2"), "a");
    await watch.close();
  });

  test("a root that is a link to another folder now is watched there", async () => {
    const parent = write(temporaryFolder(), { "1/a/script.sh": "1", "2/a/script.sh": "1" });
    const root = join(parent, "batches.d");
    symlinkSync("1", root);
    const { watch, dirty } = await watching(root);
    symlinkSync("2", `${root}.new`);
    await step(dirty, () => renameSync(`${root}.new`, root), null);
    await step(dirty, () => writeFileSync(join(parent, "2/a/script.sh"), "2"), "a");
    await watch.close();
  });

  test("a mounted volume's root: a swap of ..data asks for a look at everything, and is watched anew", async () => {
    const root = write(temporaryFolder(), { "..1/a/script.sh": "1", "..2/a/script.sh": "1", "..2/b/script.sh": "1" });
    symlinkSync("..1", join(root, "..data"));
    symlinkSync("..data/a", join(root, "a"));
    const { watch, dirty } = await watching(root);
    await step(dirty, () => writeFileSync(join(root, "..1/a/script.sh"), "2"), "a");
    symlinkSync("..2", join(root, "..data_tmp"));
    await step(
      dirty,
      () => (renameSync(join(root, "..data_tmp"), join(root, "..data")), symlinkSync("..data/b", join(root, "b"))),
      null,
    );
    await step(dirty, () => writeFileSync(join(root, "..2/a/script.sh"), "2"), "a");
    await step(dirty, () => writeFileSync(join(root, "..2/b/script.sh"), "2"), "b");
    await watch.close();
  });

  test("a file shared by links is watched where it is: all that link to it are named, after a rename too", async () => {
    const root = write(temporaryFolder(), {
      "_shared/lib.sh": "1",
      "a/script.sh": "1",
      "b/script.sh": "1",
      "c/script.sh": "1",
    });
    for (const name of ["a", "b"]) symlinkSync("../_shared/lib.sh", join(root, name, "lib.sh"));
    symlinkSync("../_shared", join(root, "c/shared"));
    const { watch, dirty } = await watching(root);
    for (const content of ["2", "3"]) {
      const save = () => (
        writeFileSync(join(root, "_shared/.tmp"), content),
        renameSync(join(root, "_shared/.tmp"), join(root, "_shared/lib.sh"))
      );
      await step(dirty, save, "a", "b", "c");
    }
    rmSync(join(root, "a/lib.sh"));
    await step(dirty, () => rmSync(join(root, "b/lib.sh")), "a", "b");
    await step(dirty, () => writeFileSync(join(root, "_shared/lib.sh"), "4"), "c");
    expect(dirty).not.toContain("a");
    await watch.close();
  });

  test("a file of the root that a batch links to is watched for it, whatever its name", async () => {
    const root = write(temporaryFolder(), {
      "a/script.sh": "1",
      "b/script.sh": "1",
      "common.sh": "1",
      "_common.sh": "1",
    });
    symlinkSync("../common.sh", join(root, "a/lib.sh"));
    symlinkSync("../a/lib.sh", join(root, "b/far.sh"));
    symlinkSync("../_common.sh", join(root, "a/other.sh"));
    const { watch, dirty } = await watching(root);
    await step(dirty, () => writeFileSync(join(root, "common.sh"), "2"), "a", "b");
    await step(
      dirty,
      () => (writeFileSync(join(root, ".new"), "3"), renameSync(join(root, ".new"), join(root, "common.sh"))),
      "a",
      "b",
    );
    await step(dirty, () => writeFileSync(join(root, "_common.sh"), "2"), "a");
    expect(dirty).not.toContain("b");
    await watch.close();
  });

  test("what a link leads to may come late, go for a while, be exchanged, or lie behind another link", async () => {
    const root = write(temporaryFolder(), { "a/script.sh": "1", "b/script.sh": "1", "_1/l.sh": "1", "_2/l.sh": "1" });
    const at = (path: string) => join(root, path);
    symlinkSync("../_shared/l.sh", at("a/l.sh"));
    symlinkSync("../b/lib/l.sh", at("a/deep.sh"));
    const { watch, dirty } = await watching(root);
    await step(dirty, () => symlinkSync("_1", at("_shared")), "a");
    await step(dirty, () => writeFileSync(at("_1/l.sh"), "2"), "a");
    await step(dirty, () => (symlinkSync("_2", at("_new")), renameSync(at("_new"), at("_shared"))), "a");
    await step(dirty, () => writeFileSync(at("_2/l.sh"), "2"), "a");
    await step(dirty, () => rmSync(at("_shared")), "a");
    await step(dirty, () => renameSync(at("_1"), at("_shared")), "a");
    await step(dirty, () => writeFileSync(at("_shared/l.sh"), "3"), "a");
    await step(dirty, () => write(root, { "b/lib/l.sh": "1" }), "a", "b");
    await step(dirty, () => writeFileSync(at("b/lib/l.sh"), "2"), "a", "b");
    await watch.close();
  });

  test("a deploy by rename, then another folder with the inode of the first one", async () => {
    const root = write(temporaryFolder(), {
      "a/script.sh": "1",
      "a/x": "1",
      "a.new/script.sh": "1",
      "a.new/x": "1",
    });
    const { watch, dirty } = await watching(root);
    const at = (path: string) => join(root, path);
    await step(
      dirty,
      () => (
        renameSync(at("a"), at("a.old")),
        renameSync(at("a.new"), at("a")),
        rmSync(at("a.old"), { recursive: true })
      ),
      "a",
    );
    await step(dirty, () => writeFileSync(at("a/x"), "2"), "a");
    await step(
      dirty,
      () => (rmSync(at("a"), { recursive: true }), write(root, { "a/script.sh": "1", "a/x": "1" })),
      "a",
    );
    await step(dirty, () => writeFileSync(at("a/x"), "2"), "a");
    await watch.close();
  });

  test("groups: their files, their batches, and what comes, goes and moves in them is named by its path", async () => {
    const root = write(temporaryFolder(), {
      "billing/eu/a/script.sh": "1",
      "billing/eu/a/lib/x": "1",
      "billing/_group.yaml": "1",
      "sales/c/script.sh": "1",
    });
    const at = (path: string) => join(root, path);
    const { watch, dirty } = await watching(root);
    await step(dirty, () => writeFileSync(at("billing/eu/a/lib/x"), "2"), "billing/eu/a");
    expect(dirty.every((name) => name === "billing/eu/a")).toBe(true);
    await step(dirty, () => writeFileSync(at("billing/_group.yaml"), "2"), "billing/_group.yaml");
    await step(dirty, () => writeFileSync(at("_group.yaml"), "1"), "_group.yaml");
    await step(dirty, () => write(root, { "billing/eu/b/script.sh": "1" }), "billing/eu/b");
    await step(dirty, () => writeFileSync(at("billing/eu/b/script.sh"), "2"), "billing/eu/b");
    await step(dirty, () => renameSync(at("billing/eu/b"), at("sales/b")), "billing/eu/b", "sales/b");
    await step(dirty, () => writeFileSync(at("sales/b/script.sh"), "3"), "sales/b");
    await step(dirty, () => renameSync(at("sales"), at("shops")), "sales", "shops");
    await step(dirty, () => writeFileSync(at("shops/c/script.sh"), "3"), "shops/c");
    await step(dirty, () => rmSync(at("billing"), { recursive: true }), "billing");
    await step(dirty, () => write(root, { "billing/fr/z/script.sh": "1" }), "billing");
    await step(dirty, () => writeFileSync(at("billing/fr/z/script.sh"), "2"), "billing/fr/z");
    await watch.close();
  });

  test("a group becomes a batch, and a batch a group", async () => {
    const root = write(temporaryFolder(), { "x/y/script.sh": "1" });
    const { watch, dirty } = await watching(root);
    await step(dirty, () => writeFileSync(join(root, "x/script.sh"), "1"), "x");
    await step(dirty, () => writeFileSync(join(root, "x/y/script.sh"), "2"), "x");
    await step(dirty, () => rmSync(join(root, "x/script.sh")), "x");
    await step(dirty, () => writeFileSync(join(root, "x/y/script.sh"), "3"), "x/y");
    await watch.close();
  });

  test("a link to a group, and links from group to group", async () => {
    const root = write(temporaryFolder(), { "_groups/g/a/script.sh": "1", "h/b/script.sh": "1", "h/b/lib.sh": "1" });
    symlinkSync("_groups/g", join(root, "g"));
    symlinkSync("../../../h/b/lib.sh", join(root, "_groups/g/a/lib.sh"));
    const { watch, dirty } = await watching(root);
    await step(dirty, () => writeFileSync(join(root, "_groups/g/a/script.sh"), "2"), "g/a");
    await step(dirty, () => writeFileSync(join(root, "h/b/lib.sh"), "2"), "h/b", "g/a");
    await step(dirty, () => write(root, { "_groups/g/c/script.sh": "1" }), "g/c");
    await watch.close();
  });

  test("a repository that is removed and cloned again, and the root in it after that", async () => {
    const repository = join(temporaryFolder(), "repository");
    const root = write(join(repository, "batches.d"), { "a/script.sh": "1" });
    const { watch, dirty } = await watching(root);
    await step(dirty, () => rmSync(repository, { recursive: true }), null);
    for (let time = 0; time < 2; time++) {
      await step(dirty, () => write(root, { "a/script.sh": "1" }), null);
      await step(dirty, () => writeFileSync(join(root, "a/script.sh"), "2"), "a");
      await step(dirty, () => rmSync(root, { recursive: true }), null);
    }
    await watch.close();
  });

  test("the agent's own data is no batch, where it lies among them", async () => {
    const root = write(temporaryFolder(), { "a/script.sh": "1", "data/batches/a/history.json": "1" });
    const except = join(root, "data");
    expect(await createSource(root, { except }).list()).toEqual(["a"]);
    const dirty: (string | null)[] = [];
    const watch = createWatch(root, { poll: false, log: quietLog(), except });
    await watch.start({ onDirty: (name) => dirty.push(name) });
    write(except, { ".probe": "", "batches/a/history.json": "2" });
    await step(dirty, () => writeFileSync(join(root, "a/script.sh"), "2"), "a");
    expect(dirty).not.toContain("data");
    await watch.close();
  });

  test("two batches that are written to in turns are no burst", async () => {
    const root = write(temporaryFolder(), { "a/x": "1", "b/x": "1" });
    const { watch, dirty } = await watching(root);
    for (let i = 0; i < 150; i++) {
      writeFileSync(join(root, i % 2 === 0 ? "a/x" : "b/x"), String(i));
      await sleep(3);
    }
    await eventually(() => dirty.length > 60);
    expect(dirty).not.toContain(null);
    await watch.close();
  });

  test("one folder is one watch, whatever is in it; of very many folders only some are watched", async () => {
    const watches = () =>
      readdirSync("/proc/self/fdinfo").reduce((sum, fd) => {
        const info = existsSync(`/proc/self/fdinfo/${fd}`) ? readFileSync(`/proc/self/fdinfo/${fd}`, "utf8") : "";
        return sum + (info.match(/^inotify wd:/gm)?.length ?? 0);
      }, 0);
    const root = write(temporaryFolder(), { "a/x": "", "b/script.sh": "1", "c/d/x": "" });
    execFileSync("bash", ["-c", "seq 3000 | xargs touch"], { cwd: join(root, "a") });
    const before = watches();
    const { watch, dirty } = await watching(root);
    expect(watches() - before).toBeLessThan(10);
    execFileSync("bash", ["-c", "seq 3000 | xargs mkdir"], { cwd: join(root, "c/d") });
    await step(dirty, () => writeFileSync(join(root, "c/script.sh"), "1"), "c");
    expect(watches() - before).toSatisfy((n: number) => n > 900 && n < 1_100);
    for (const name of ["a", "b", "c"])
      await step(dirty, () => writeFileSync(join(root, name, "script.sh"), "2"), name);
    rmSync(join(root, "c"), { recursive: true });
    await eventually(() => watches() - before < 10);
    await watch.close();
    await eventually(() => watches() === before);
  });

  test("a walk of a folder of very many files ends at the limit", async () => {
    const root = write(temporaryFolder(), { "a/batch.yaml": "", "a/script.sh": "", "a/out/x": "" });
    execFileSync("bash", ["-c", "seq 20000 | xargs touch"], { cwd: join(root, "a/out") });
    const folder = await folderOf(root, "a");
    expect(folder.problems).toMatchObject([{ code: "too-many-files", message: "holds more than 10000 files" }]);
    expect((await folderOf(root, "a")).digest).toBe(folder.digest);
  });

  test("--poll watches nothing", async () => {
    const root = write(temporaryFolder(), { "a/script.sh": "1" });
    const { watch, dirty } = await watching(root, true);
    expect(watch.mode()).toBe("poll");
    writeFileSync(join(root, "a/script.sh"), "2");
    await new Promise((done) => setTimeout(done, 200));
    expect(dirty).toEqual([]);
    await watch.close();
  });
});
