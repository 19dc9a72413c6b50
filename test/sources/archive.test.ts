// Archives as batches, on real files. Hostile ones are written byte by byte; after each look nothing may be left
// behind.
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { batchNameOf } from "../../agent/sources/archive/inventory.ts";
import { parseBatch } from "../../agent/definitions/batch.ts";
import type { Folder } from "../../agent/model/batch.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { createUnpacker } from "../../agent/sources/archive/unpack.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { gzip, pax, plainEntries, tar, zip, type TarEntry, type ZipEntry } from "../helpers/archives.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const limits = { entries: 50, bytes: 100_000 };

function setUp() {
  const home = temporaryFolder();
  const [root, staging, data] = [join(home, "batches.d"), join(home, "staging"), join(home, "data")];
  for (const path of [root, staging, join(data, "revisions")]) mkdirSync(path, { recursive: true });
  const unpack = createUnpacker(staging, limits);
  const source = createSource(root, { unpack });
  const revisions = createRevisions(data, root, createSource, unpack);
  function put(file: string, bytes: Buffer | string): string {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), bytes);
    return join(root, file);
  }
  async function folder(name: string): Promise<Folder> {
    const loaded = await source.load(name);
    if (loaded.kind !== "found") throw new Error(JSON.stringify(loaded));
    return loaded.folder;
  }
  return { home, root, staging, data, unpack, source, revisions, put, folder };
}

/** What a look at this archive tells. It must leave nothing anywhere. */
async function told(file: string, bytes: Buffer): Promise<Pick<Problem, "code" | "message" | "hint">[]> {
  const { home, staging, put, folder } = setUp();
  put(file, bytes);
  const { problems } = parseBatch(await folder(batchNameOf(file)), { timeZone: "UTC" });
  expect(readdirSync(staging)).toEqual([]);
  expect(readdirSync(home).sort()).toEqual(["batches.d", "data", "staging"]);
  expect(readdirSync(join(home, "batches.d"))).toEqual([file]);
  expect(problems.map(({ batch }) => batch)).toEqual(problems.map(() => file));
  return problems.map(({ code, message, hint }) => ({ code, message, hint }));
}

const writers: Record<string, (entries: (ZipEntry & TarEntry)[]) => Buffer> = {
  "x.zip": zip,
  "x.tar": tar,
  "x.tar.gz": (entries) => gzip(tar(entries)),
  "x.tgz": (entries) => gzip(tar(entries)),
};

test.each([
  ["a line end", "\n", "1 byte follows"],
  ["another zip's start", "PK\u0003\u0004 and more", "13 bytes follow"],
  ["much", "x".repeat(200_000), "200000 bytes follow"],
])("%s after a zip's end is said as what it is", async (_what, tail, message) => {
  const problems = await told("x.zip", Buffer.concat([zip(plainEntries), Buffer.from(tail)]));
  expect(problems).toMatchObject([
    { code: "bad-archive", message: expect.stringContaining(`${message} its end: something was added`) as string },
  ]);
});

test.each([
  ["a shell script", Buffer.from("#!/bin/sh\nexec unzip $0\n"), "24 bytes of a script, as in a self-extracting one"],
  ["a program of Windows", Buffer.from("MZ\u0000\u0003", "latin1"), "4 bytes of a Windows program"],
  ["a program of Linux", Buffer.from("\u007fELF\u0002\u0001", "latin1"), "6 bytes of a program"],
  ["a byte", Buffer.from("\n"), "1 byte of something else"],
])("%s before a zip is said as what it is", async (_what, before, message) => {
  for (const zip64 of [false, true]) {
    const [problem, ...others] = await told("x.zip", Buffer.concat([before, zip(plainEntries, { zip64 })]));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ code: "bad-archive", message: expect.stringContaining(message) as string });
    expect(problem?.hint).toContain("zip -J");
    // With the offsets put right, as `zip -A` does, nothing is in doubt.
    expect(await told("x.zip", zip(plainEntries, { zip64, before }))).toEqual([]);
  }
});

test("a script that unpacks itself is said to be one", async () => {
  for (const name of ["x.zip", "x.tar.gz"]) {
    const [problem] = await told(name, Buffer.concat([Buffer.from("#!/bin/sh\n"), gzip(tar(plainEntries))]));
    expect(problem?.message).toMatch(/^it is not a .* but a script$/);
  }
});

test("a zip that is cut off is still said to be", async () => {
  const whole = zip(plainEntries);
  const [problem] = await told("x.zip", whole.subarray(0, whole.length - 10));
  expect(problem?.message).toContain("it is cut off: the end is missing");
});

test("what is in an archive is as private as the archive", async () => {
  for (const [bits, want] of [
    [0o644, "444"],
    [0o600, "400"],
  ] as const) {
    const { revisions, put, folder } = setUp();
    chmodSync(put("x.zip", zip(plainEntries)), bits);
    const packed = await folder("x");
    await revisions.store(packed);
    expect((statSync(join(revisions.path(packed.digest), "script.sh")).mode & 0o777).toString(8)).toBe(want);
  }
});

describe.each(Object.entries(writers))("%s", (file, write) => {
  test("is a batch like the folder of the same content, with the same digest and the same revision", async () => {
    const { revisions, data, staging, put, folder } = setUp();
    const entries = [
      ...plainEntries,
      { name: "lib/", mode: 0o40755, type: "5" },
      { name: "lib/rates.csv", data: "1\n".repeat(30_000) },
      { name: "lib/tool", data: "x", mode: 0o104755 },
      { name: "empty", data: "" },
    ];
    for (const entry of entries.filter(({ name }) => !name.endsWith("/"))) put(`y/${entry.name}`, entry.data ?? "");
    execFileSync("chmod", ["755", join(dirname(put("y/empty", "")), "lib/tool")]);
    put(file, write(entries));
    const [packed, plain] = [await folder("x"), await folder("y")];
    expect(packed).toMatchObject({ name: "x", entry: file, problems: [], settings: [{ file: "batch.yaml" }] });
    expect(packed.location.endsWith(`batches.d/${file}`)).toBe(true);
    expect(packed.digest).toBe(plain.digest);
    expect(await revisions.store(packed)).toBe(true);
    const stored = revisions.path(packed.digest);
    expect(readFileSync(join(stored, "lib/rates.csv"), "utf8")).toHaveLength(60_000);
    expect((statSync(join(stored, "lib/tool")).mode & 0o7777).toString(8)).toBe("555");
    expect((statSync(join(stored, "script.sh")).mode & 0o7777).toString(8)).toBe("444");
    expect(await revisions.load(packed.digest, "x" as never)).toMatchObject({ name: "x", digest: packed.digest });
    expect(readdirSync(join(data, "revisions"))).toEqual([packed.digest]);
    expect(readdirSync(staging)).toEqual([]);
  });

  test("a single top folder that holds everything is looked through, one level of it", async () => {
    const { put, folder } = setUp();
    put(file, write(plainEntries));
    const { digest } = await folder("x");
    put(file, write(plainEntries.map((entry) => ({ ...entry, name: `./report-1.0/${entry.name}` }))));
    expect(await folder("x")).toMatchObject({ digest, problems: [] });
    put(
      file,
      write([
        { name: "._report-1.0", data: "what macOS leaves" },
        ...plainEntries.map((entry) => ({ ...entry, name: `report-1.0/${entry.name}` })),
      ]),
    );
    expect(await folder("x")).toMatchObject({ digest, problems: [] });
    // What a desktop leaves beside the folder, and in it, does not hide the batch.
    for (const top of ["", "report-1.0/"]) {
      put(
        file,
        write([
          ...[".DS_Store", "Thumbs.db", "._report-1.0"].map((name) => ({ name, data: "junk" })),
          ...[".DS_Store", "lib/.DS_Store"].map((name) => ({ name: `report-1.0/${name}`, data: "junk" })),
          ...plainEntries.map((entry) => ({ ...entry, name: top + entry.name })),
        ]),
      );
      if (top !== "") expect(await folder("x")).toMatchObject({ digest, problems: [] });
      else expect(await folder("x")).toMatchObject({ problems: [] });
    }
    put(file, write(plainEntries.map((entry) => ({ ...entry, name: `a/b/${entry.name}` }))));
    expect(parseBatch(await folder("x"), { timeZone: "UTC" }).problems.map(({ code }) => code)).toEqual([
      "no-settings",
      "no-script",
    ]);
  });

  test("problems inside name the archive and the place in it", async () => {
    const { put, folder } = setUp();
    put(
      file,
      write([
        { name: "batch.yaml", data: "cron: '0 4 * * *'\nretries: 3\n" },
        { name: "script.sh", data: "true\n" },
      ]),
    );
    const [problem] = parseBatch(await folder("x"), { timeZone: "UTC" }).problems;
    expect(problem).toMatchObject({ batch: file, line: 2, column: 1, code: "unknown-key" });
    expect(problem?.file?.endsWith(`batches.d/${file}/batch.yaml`)).toBe(true);
  });

  test("what is no batch is told, unlike a folder that is none", async () => {
    for (const entries of [[{ name: "data.csv", data: "1" }], []]) {
      expect((await told(file, write(entries))).map(({ code }) => code)).toEqual(["no-settings", "no-script"]);
    }
  });

  const plusOne = (entry: ZipEntry & TarEntry) => write([...plainEntries, entry]);
  test.each<[string, Buffer, string, RegExp]>([
    [
      "a name that climbs out",
      plusOne({ name: "../evil", data: "x" }),
      "bad-archive",
      /"\.\.\/evil" leads out of the archive/,
    ],
    ["a name that climbs out from within", plusOne({ name: "lib/../../evil", data: "x" }), "bad-archive", /leads out/],
    ["an absolute name", plusOne({ name: "/tmp/evil", data: "x" }), "bad-archive", /is absolute/],
    ["a backslash in a name", plusOne({ name: "..\\evil", data: "x" }), "bad-archive", /holds a backslash/],
    ["a control character in a name", plusOne({ name: "a\u001b[2Jb", data: "x" }), "bad-archive", /control character/],
    [
      "a name that is no UTF-8",
      plusOne({ name: Buffer.from([0x66, 0xfc, 0x72]), data: "x" }),
      "bad-archive",
      /is not UTF-8/,
    ],
    ["a file twice", plusOne({ name: "./script.sh", data: "x" }), "bad-archive", /"\.\/script\.sh" is in it twice/],
    [
      "names that differ in case only",
      plusOne({ name: "Script.sh", data: "x" }),
      "bad-archive",
      /"Script\.sh" and "script\.sh" differ in upper and lower case only/,
    ],
    [
      "folders that differ in case only",
      write([...plainEntries, { name: "lib/a", data: "" }, { name: "LIB/b", data: "" }]),
      "bad-archive",
      /"LIB" and "lib" differ/,
    ],
    [
      "a file below a file",
      plusOne({ name: "script.sh/x", data: "x" }),
      "bad-archive",
      /lies below "script\.sh", which is not a folder/,
    ],
    [
      "a folder in a file's place",
      write([{ name: "script.sh/x", data: "x" }, ...plainEntries]),
      "bad-archive",
      /twice/,
    ],
    [
      "a link that leaves",
      plusOne({
        name: "l",
        type: "2",
        link: "../../etc/passwd",
        mode: 0o120777,
        data: file === "x.zip" ? "../../etc/passwd" : "",
      }),
      "link-outside",
      /the symbolic link l leaves the archive/,
    ],
    [
      "an absolute link",
      plusOne({
        name: "l",
        type: "2",
        link: "/etc/passwd",
        mode: 0o120777,
        data: file === "x.zip" ? "/etc/passwd" : "",
      }),
      "link-outside",
      /leaves/,
    ],
    [
      "a link that leads nowhere",
      plusOne({ name: "l", type: "2", link: "nobody", mode: 0o120777, data: file === "x.zip" ? "nobody" : "" }),
      "link-outside",
      /leads nowhere/,
    ],
    [
      "a file written through a link",
      write([
        ...plainEntries,
        { name: "l", type: "2", link: ".", mode: 0o120777, data: file === "x.zip" ? "." : "" },
        { name: "l/evil", data: "x" },
      ]),
      "bad-archive",
      /lies below "l"/,
    ],
    ["a FIFO", plusOne({ name: "p", type: "6", mode: 0o010644 }), "special-file", /"p" in it is/],
    ["a device", plusOne({ name: "d", type: "3", mode: 0o020644 }), "special-file", /"d" in it is/],
    [
      "too many entries",
      write([...plainEntries, ...Array.from({ length: 49 }, (_, i) => ({ name: `f${i}`, data: "" }))]),
      "too-many-files",
      /more than 50/,
    ],
    ["too many bytes", plusOne({ name: "big", data: Buffer.alloc(100_001) }), "too-large", /more than 100000/],
  ])("%s is refused with one problem", async (_what, bytes, code, message) => {
    expect(await told(file, bytes)).toMatchObject([{ code, message: expect.stringMatching(message) as string }]);
  });

  test("a link that stays inside is followed, as in a folder", async () => {
    const { put, folder, revisions } = setUp();
    put(
      file,
      write([
        ...plainEntries,
        {
          name: "lib/l",
          type: "2",
          link: "../script.sh",
          mode: 0o120777,
          data: file === "x.zip" ? "../script.sh" : "",
        },
      ]),
    );
    const found = await folder("x");
    expect(found.problems).toEqual([]);
    await revisions.store(found);
    expect(readFileSync(join(revisions.path(found.digest), "lib/l"), "utf8")).toBe("echo hello\n");
  });

  test("every cut of it is a problem, never an error, and never a batch with less in it", async () => {
    const bytes = write([...plainEntries, { name: "last", data: "the last one" }]);
    // A tar's own padding may be missing, a zip or gzip is whole or not.
    const needed = file === "x.tar" ? bytes.length - 1024 : bytes.length - 1;
    for (let length = 0; length <= needed; length += Math.max(1, Math.floor(bytes.length / 60))) {
      expect(await told(file, bytes.subarray(0, length)), `cut at ${length}`).toMatchObject([{ code: "bad-archive" }]);
    }
  });

  test("one flipped byte in a file's data shows, where the kind can tell", async () => {
    if (file === "x.tar") return;
    const bytes = write([
      ...plainEntries,
      { name: "data", data: Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * i * 7) % 251)), method: 0 },
    ]);
    const middle = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 0x10, middle);
    expect(await told(file, bytes)).toMatchObject([{ code: "bad-archive" }]);
  });
});

describe("zip", () => {
  const plusOne = (entry: ZipEntry) => zip([...plainEntries, entry]);
  test.each<[string, Buffer, string, RegExp]>([
    [
      "an encrypted entry",
      plusOne({ name: "s", data: "secret-secret-secret", method: 0, flags: 0x801 }),
      "bad-archive",
      /"s" is encrypted/,
    ],
    ["a wrong CRC", plusOne({ name: "s", data: "x", crc: 1 }), "bad-archive", /"s" is damaged: its checksum/],
    ["an empty file with a CRC", plusOne({ name: "s", data: "", method: 0, crc: 1 }), "bad-archive", /checksum/],
    [
      "a size that is too small",
      plusOne({ name: "s", data: "x".repeat(5000), size: 10 }),
      "bad-archive",
      /holds more than its entry says/,
    ],
    [
      "a size that is too large",
      plusOne({ name: "s", data: "x", size: 500 }),
      "bad-archive",
      /holds less than its entry says/,
    ],
    [
      "a packed size that is too small",
      plusOne({ name: "s", data: "abcdefghijklmnop".repeat(9), packedSize: 3 }),
      "bad-archive",
      /damaged|less/,
    ],
    [
      "a packed size beyond the file",
      plusOne({ name: "s", data: "x", method: 0, packedSize: 90_000, size: 90_000 }),
      "bad-archive",
      /damaged/,
    ],
    ["another method", plusOne({ name: "s", data: "x", method: 12 }), "bad-archive", /method 12/],
    [
      "stored bytes that claim to be deflated",
      zip([...plainEntries, { name: "s", data: "no deflate", method: 8, packedSize: 4 }]),
      "bad-archive",
      /damaged|less/,
    ],
    [
      "a bomb that tells its size",
      plusOne({ name: "s", data: Buffer.alloc(50_000_000) }),
      "too-large",
      /unpacks to 500000\d\d bytes, more than 100000/,
    ],
    [
      "a bomb that lies about its size",
      plusOne({ name: "s", data: Buffer.alloc(50_000_000), size: 100 }),
      "bad-archive",
      /more than its entry says/,
    ],
    [
      "many entries over the same bytes",
      zip(Array.from({ length: 40 }, (_, i) => ({ name: `f${i}`, data: Buffer.alloc(10_000, i), offset: 0 }))),
      "too-large",
      /unpacks to/,
    ],
    ["more entries than there are", zip(plainEntries, { count: 40 }), "bad-archive", /damaged/],
    [
      "65,535 entries that are not there",
      zip(plainEntries, { count: 0xfffe }),
      "too-many-files",
      /holds 65534 entries/,
    ],
    [
      "nine thousand million entries",
      zip(plainEntries, { count: 9_000_000_000, zip64: true }),
      "too-many-files",
      /holds 9000000000 entries/,
    ],
    [
      "a list of entries that is none",
      zip(plainEntries, { signature: 0x01010101 }),
      "bad-archive",
      /list of entries is broken/,
    ],
    ["a NUL in a name", plusOne({ name: "a\0b", data: "x" }), "bad-archive", /control character/],
    ["an empty name", plusOne({ name: "", data: "x" }), "bad-archive", /names no file/],
    ["a name of 300 characters", plusOne({ name: "n".repeat(300), data: "x" }), "bad-archive", /is too long/],
    ["a path of 2,000 characters", plusOne({ name: "n/".repeat(1000) + "x", data: "x" }), "bad-archive", /is too long/],
    [
      "a folder that holds bytes",
      plusOne({ name: "f/", mode: 0o40755, data: "x", method: 0 }),
      "bad-archive",
      /holds bytes/,
    ],
    [
      "sizes of 64 bits that are not there",
      plusOne({ name: "s", data: "x", size: 0xffffffff, packedSize: 0xffffffff }),
      "bad-archive",
      /list of entries is broken|damaged/,
    ],
    ["an offset far beyond the end", plusOne({ name: "s", data: "x", offset: 0x7fffffff }), "bad-archive", /damaged/],
    ["a tar under its name", tar(plainEntries), "bad-archive", /it is not a zip but a tar/],
    ["a gzip under its name", gzip(tar(plainEntries)), "bad-archive", /it is not a zip but a gzip/],
    ["nothing", Buffer.alloc(0), "bad-archive", /it is empty/],
    ["noise", Buffer.from("this is no archive"), "bad-archive", /it is not a zip/],
  ])("%s is refused with one problem", async (_what, bytes, code, message) => {
    expect(await told("x.zip", bytes)).toMatchObject([{ code, message: expect.stringMatching(message) as string }]);
  });

  test.each<[string, Buffer]>([
    [
      "a long comment with an end record in it",
      zip(plainEntries, { comment: `${"c".repeat(30_000)}PK\u0005\u0006${"d".repeat(40)}` }),
    ],
    [
      "something before it, offsets counted from the start",
      zip(plainEntries, { before: Buffer.from("#!/bin/sh\nexit\n") }),
    ],
    ["64 bit records", zip(plainEntries, { zip64: true })],
    ["entries from DOS, without modes", zip(plainEntries.map((entry) => ({ ...entry, madeBy: 0, mode: 0 })))],
    [
      "what macOS adds",
      zip([
        ...plainEntries.map((entry) => ({ ...entry, name: `x/${entry.name}` })),
        { name: "__MACOSX/x/._script.sh", data: "x" },
      ]),
    ],
  ])("%s is taken", async (_what, bytes) => {
    expect(await told("x.zip", bytes)).toEqual([]);
  });
});

describe("tar", () => {
  const base256 = (first: number, ...rest: number[]) =>
    Buffer.from([first, ...Array<number>(11 - rest.length).fill(first === 0xff ? 0xff : 0), ...rest]);
  const plusOne = (...entries: TarEntry[]) => tar([...plainEntries, ...entries]);
  test.each<[string, Buffer, RegExp]>([
    ["a hard link", plusOne({ name: "h", type: "1", link: "script.sh" }), /special-file.*"h" in it is a hard link/],
    ["a hard link that leaves", plusOne({ name: "h", type: "1", link: "/etc/passwd" }), /special-file.*hard link/],
    ["a negative size", plusOne({ name: "s", size: base256(0xff, 0xfe, 0x00) }), /bad-archive/],
    ["an enormous size", plusOne({ name: "s", size: base256(0x80, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff) }), /too-large/],
    [
      "a size beyond all numbers",
      plusOne({ name: "s", size: base256(0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) }),
      /bad-archive/,
    ],
    ["a size that is no number", plusOne({ name: "s", size: Buffer.from("zzzzzzzzzzz\0") }), /bad-archive/],
    ["an infinite size in a pax header", plusOne(pax({ size: "Infinity" }), { name: "s", data: "x" }), /too-large/],
    [
      "a negative size in a pax header",
      plusOne(pax({ size: "-512" }), { name: "s", data: "x", size: -1 >>> 0 }),
      /bad-archive|too-large/,
    ],
    ["a broken size in a pax header", plusOne(pax({ size: "0.5" }), { name: "s", data: "x" }), /bad-archive/],
    ["a pax name that climbs out", plusOne(pax({ path: "../evil" }), { name: "s", data: "x" }), /leads out/],
    ["a pax name that is absolute", plusOne(pax({ path: "/evil" }), { name: "s", data: "x" }), /is absolute/],
    ["a pax name of 300 characters", plusOne(pax({ path: "n".repeat(300) }), { name: "s", data: "x" }), /is too long/],
    [
      "a pax header of 2 MB",
      plusOne(pax({ comment: "n".repeat(2_000_000) }), { name: "s", data: "x" }),
      /bad-archive|too-large/,
    ],
    ["a kind of entry that nobody knows", plusOne({ name: "s", type: "Z", data: "x" }), /special-file/],
    ["a sparse file of GNU's", plusOne({ name: "s", type: "S", data: "x" }), /special-file "s" in it is a sparse file/],
    ...[
      { "GNU.sparse.size": "1048578", "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0" },
      { "GNU.sparse.map": "1048576,2", "GNU.sparse.name": "s", "GNU.sparse.size": "1048578" },
      { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": "1048578" },
      { "SCHILY.realsize": "1048578" },
      { "SUN.holesdata": " 0 1048576" },
    ].map((records): [string, Buffer, RegExp] => [
      `a sparse file by ${Object.keys(records).join(", ")}`,
      plusOne(pax(records), { name: "s", data: "x" }),
      /special-file "(s|a file)" in it is a sparse file: pack it without --sparse/,
    ]),
    [
      "a sparse file by a global header",
      plusOne({ ...pax({ "GNU.sparse.major": "1" }), type: "g" }, { name: "s", data: "x" }),
      /special-file .*a sparse file/,
    ],
    ["a wrong checksum", plusOne({ name: "s", data: "x", checksum: 1 }), /bad-archive.*checksum/],
    ["no end", tar(plainEntries, { end: false }), /bad-archive.*the end is missing/],
    ["a gzip under its name", gzip(tar(plainEntries)), /bad-archive.*it is not a tar but a gzip/],
    ["a zip under its name", zip(plainEntries), /bad-archive.*it is not a tar but a zip/],
    ["nothing", Buffer.alloc(0), /bad-archive.*it is empty/],
    ["noise", Buffer.from("this is no archive ".repeat(100)), /bad-archive/],
  ])("%s is refused with one problem", async (_what, bytes, message) => {
    const problems = await told("x.tar", bytes);
    expect(problems).toHaveLength(1);
    expect(`${problems[0]?.code} ${problems[0]?.message}`).toMatch(message);
  });

  test.each<[string, Buffer, RegExp]>([
    ["a bomb", gzip(tar([...plainEntries, { name: "s", data: Buffer.alloc(60_000_000) }])), /too-large/],
    ["a bomb behind the end", gzip(Buffer.concat([tar(plainEntries), Buffer.alloc(60_000_000)])), /too-large/],
    ["a gzip within a gzip", gzip(gzip(tar(plainEntries))), /bad-archive.*it is not a tar but a gzip/],
    ["a tar that is not packed", tar(plainEntries), /bad-archive.*it is not a gzipped tar but a tar/],
    ["a wrong sum at the end", flipped(gzip(tar(plainEntries)), -6), /bad-archive/],
    ["a tiny one", gzip(Buffer.from("tiny")), /bad-archive.*it is not a tar/],
  ])("gzipped: %s is refused with one problem", async (_what, bytes, message) => {
    const problems = await told("x.tar.gz", bytes);
    expect(problems).toHaveLength(1);
    expect(`${problems[0]?.code} ${problems[0]?.message}`).toMatch(message);
  });

  test("long names in pax headers are taken", async () => {
    const { put, folder, revisions } = setUp();
    const name = `${"höchst-".repeat(20)}/${"ß".repeat(100)}`;
    put("x.tar", plusOne(pax({ path: name }), { name: "s", data: "found" }));
    const found = await folder("x");
    expect(found.problems).toEqual([]);
    await revisions.store(found);
    expect(readFileSync(join(revisions.path(found.digest), name), "utf8")).toBe("found");
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length + at) ^ 0xff, copy.length + at);
  return copy;
}

describe("archives from real tools", () => {
  const shell = (script: string, cwd: string) =>
    execFileSync("bash", ["-euc", script], { cwd, stdio: ["ignore", "ignore", "pipe"] });
  const python = (script: string) => `python3 -c '${script}'`;
  const has = (tool: string) => existsSync(`/usr/bin/${tool}`) || existsSync(`/bin/${tool}`);
  test.each<[string, string, string, string]>([
    ["zip", "x.zip", "zip", "zip -qr ../x.zip ."],
    ["zip from a pipe", "x.zip", "zip", "zip -qr - . >../x.zip"],
    ["zip with links kept, from above", "x.zip", "zip", "cd .. && zip -qry x.zip y"],
    ["tar", "x.tar", "tar", "tar -cf ../x.tar ."],
    ["tar in POSIX format, gzipped", "x.tar.gz", "tar", "tar --format=posix -czf ../x.tar.gz ."],
    ["tar in the oldest format, from above", "x.tgz", "tar", "tar --format=v7 -czf ../x.tgz -C .. y"],
    ["git archive, zip", "x.zip", "git", "git archive --format=zip --prefix=report/ -o ../x.zip HEAD"],
    ["git archive, tar.gz", "x.tar.gz", "git", "git archive --format=tar.gz -o ../x.tar.gz HEAD"],
    ["Python's zipfile", "x.zip", "python3", python('import shutil; shutil.make_archive("../x", "zip", ".")')],
    ["Python's tarfile", "x.tar.gz", "python3", python('import shutil; shutil.make_archive("../x", "gztar", ".")')],
  ])("%s", async (_name, file, tool, command) => {
    if (!has(tool)) return;
    const { root, put, folder, source } = setUp();
    for (const { name, data } of plainEntries) put(`y/${name}`, data);
    put("y/lib/über uns.txt", "x\n".repeat(10_000));
    chmodSync(put("y/lib/tool", "#!/bin/sh\n"), 0o755);
    symlinkSync("tool", join(root, "y/lib/link"));
    shell(
      "git init -q . && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm one",
      join(root, "y"),
    );
    shell(`mv .git ../.git-y; export GIT_DIR=../.git-y; ${command}`, join(root, "y"));
    expect((await source.list()).sort()).toEqual(["x", "y"]);
    const [packed, plain] = [await folder("x"), await folder("y")];
    expect(packed).toMatchObject({ entry: file, problems: [] });
    expect(packed.digest).toBe(plain.digest);
  });
});

describe("a source of archives", () => {
  test("an unchanged archive is not unpacked again; a changed one of the same size and time is", async () => {
    const { unpack, root, put } = setUp();
    let unpacked = 0;
    const source = createSource(root, { unpack: (path, work) => ((unpacked += 1), unpack(path, work)) });
    const path = put("x.tar", tar(plainEntries));
    await source.load("x");
    await source.load("x");
    expect(unpacked).toBe(2); // so new that it may change again unnoticed
    const realNow = Date.now;
    Date.now = () => realNow() + 60_000;
    try {
      const first = await source.load("x");
      expect(await source.load("x")).toEqual(first);
      expect(unpacked).toBe(3);
      const { mtime } = statSync(path);
      writeFileSync(path, tar(plainEntries.map((entry) => ({ ...entry, data: entry.data.replace("hello", "howdy") }))));
      utimesSync(path, mtime, mtime);
      const second = await source.load("x");
      expect(second.kind === "found" && first.kind === "found" && second.folder.digest !== first.folder.digest).toBe(
        true,
      );
    } finally {
      Date.now = realNow;
    }
  });

  test("one that is being written is not unpacked", async () => {
    const { unpack, root, put } = setUp();
    const source = createSource(root, { unpack, quietMs: 60_000 });
    const path = put("x.tar", tar(plainEntries));
    const [first] = [await source.load("x"), appendFileSync(path, "more")];
    expect(first).toMatchObject({
      kind: "found",
      folder: { problems: [{ code: "bad-archive", message: "it is still being written" }] },
    });
    const second = await source.load("x");
    expect(first.kind === "found" && second.kind === "found" && first.folder.digest !== second.folder.digest).toBe(
      true,
    );
  });

  test("what changed since it was read is not stored", async () => {
    const { revisions, data, put, folder } = setUp();
    const large = { name: "rows.csv", data: "1,2,3\n".repeat(20_000) };
    put("x.zip", zip([...plainEntries, large]));
    const found = await folder("x");
    put("x.zip", zip([...plainEntries, large, { name: "more", data: "" }]));
    expect(await revisions.store(found)).toBe(false);
    expect(readdirSync(join(data, "revisions"))).toEqual([]);
  });

  test("two of them are a problem of both, so are three", async () => {
    const { put, folder } = setUp();
    put("x.zip", "");
    put("x.tar.gz", "");
    expect((await folder("x")).problems).toMatchObject([
      { batch: "x.zip", code: "two-sources" },
      { batch: "x.tar.gz", code: "two-sources", message: "both x.tar.gz and x.zip are here" },
    ]);
    put("x/notes.txt", "");
    expect((await folder("x")).problems.map(({ batch }) => batch)).toEqual(["x", "x.zip", "x.tar.gz"]);
  });

  test("a FIFO, a folder and a link out under an archive's name are told at once", async () => {
    const { root, put, folder, source } = setUp();
    execFileSync("mkfifo", [join(root, "pipe.zip")]);
    symlinkSync("/etc/passwd", join(root, "out.tar"));
    symlinkSync("nowhere.zip", join(root, "lost.zip"));
    expect((await folder("pipe")).problems).toMatchObject([{ batch: "pipe.zip", code: "special-file" }]);
    put("dir.zip/batch.yaml", "");
    expect(parseBatch(await folder("dir.zip"), { timeZone: "UTC" }).problems.map(({ code }) => code)).toContain(
      "bad-name",
    );
    expect((await folder("out")).problems).toMatchObject([{ batch: "out.tar", code: "link-outside" }]);
    expect((await folder("lost")).problems).toMatchObject([{ batch: "lost.zip", code: "link-outside" }]);
    put("_store/v1", zip(plainEntries));
    symlinkSync("_store/v1", join(root, "in.zip"));
    expect((await source.list()).sort()).toEqual(["dir.zip", "in", "lost", "out", "pipe"]);
    expect((await folder("in")).problems).toEqual([]);
  });

  test("no room to unpack is no fault of the archive and never its absence", async () => {
    const { root, put, home } = setUp();
    put("x.zip", zip(plainEntries));
    writeFileSync(join(home, "file"), "");
    const source = createSource(root, { unpack: createUnpacker(join(home, "file", "staging"), limits) });
    expect(await source.load("x")).toMatchObject({
      kind: "unreadable",
      problem: { batch: "x.zip", code: "unreadable" },
    });
  });
});
