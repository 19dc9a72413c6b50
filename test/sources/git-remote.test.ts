import { describe, expect, test } from "vitest";
import {
  askedRefs,
  createRefReader,
  createTreeMeasure,
  isGitPath,
  validateGitRef,
  validateGitUrl,
  nextPollMs,
  shownGitMessage,
  splitGitUrl,
} from "../../agent/sources/git-remote.ts";

describe("a URL that can be followed", () => {
  test.each([
    "https://example.org/a.git",
    "http://user:pw@10.0.0.1:8080/a",
    "ssh://git@example.org:2222/a.git",
    "git://example.org/a",
    "file:///srv/a.git",
    "git@example.org:team/a.git",
    "/srv/a.git",
    "../a",
  ])("%s", (url) => expect(validateGitUrl(url)).toBeNull());

  test.each([
    ["--upload-pack=touch /tmp/x", /hyphen/],
    ["-oProxyCommand=x", /hyphen/],
    ["https://example.org/a b", /blanks/],
    ["https://example.org/a\nhttps://b", /blanks or control/],
    ["ext::sh -c true", /blanks|helper/],
    ["ext::sh", /helper program/],
    ["EXT::sh", /helper program/],
    ["fd::17", /helper program/],
    ["ftp://example.org/a", /must begin with/],
    ["s3://hunter2@bucket/a", /must begin with/],
    ["https://", /not a URL/],
    ["https://user:hunter2@exa mple.org/", /blanks/],
    ["https://user:hunter2/x@example.org/", /not a URL/],
  ])("refused: %j", (url, why) => {
    expect(validateGitUrl(url)).toMatch(why);
    expect(validateGitUrl(url)).not.toContain("hunter2");
  });
});

describe("a ref", () => {
  test.each(["main", "release/1.2", "v1.0", "refs/heads/main", "refs/tags/v1", "a@b", "ünïcode"])(
    "%s can be one",
    (ref) => expect(validateGitRef(ref)).toBeNull(),
  );

  test.each([
    "-x",
    "--upload-pack=x",
    "a b",
    "a..b",
    "a~1",
    "a^",
    "a:b",
    "+a:b",
    "a?",
    "a*",
    "[a",
    "a\\b",
    "a@{1}",
    "@",
    "/a",
    "a/",
    "a//b",
    ".a",
    "a/.b",
    "a.",
    "a.lock",
    "a\tb",
    "a\x7f",
  ])("%j cannot", (ref) => expect(validateGitRef(ref)).not.toBeNull());
});

test.each([
  ["", true],
  ["jobs", true],
  ["a/b..c", true],
  ["/etc", false],
  ["..", false],
  ["a/../..", false],
])("the path %j: %j", (path, want) => expect(isGitPath(path)).toBe(want));

test.each([
  [
    "https://ops:p%40ss@example.org/a.git?token=x#y",
    { url: "https://example.org/a.git", user: "ops", password: "p@ss" },
  ],
  ["https://ghp_token@example.org/a.git", { url: "https://example.org/a.git", user: "ghp_token", password: null }],
  ["https://ops:50%@example.org/a", { url: "https://example.org/a", user: "ops", password: "50%" }],
  ["ssh://git:hunter2@example.org/a", { url: "ssh://git@example.org/a", user: null, password: null }],
  ["git@example.org:team/a.git", { url: "git@example.org:team/a.git", user: null, password: null }],
  ["/srv/a.git", { url: "/srv/a.git", user: null, password: null }],
])("%s is split into what may be shown and its credentials", (url, want) => expect(splitGitUrl(url)).toEqual(want));

describe("what git said, for people", () => {
  test.each<[string, (string | null)[], string]>([
    [
      "fatal: unable to access 'https://ops:hunter2@example.org/a.git/': no route",
      [],
      "fatal: unable to access 'https://example.org/a.git/': no route",
    ],
    ["fatal: https://ghp_token@example.org/a not found", ["ghp_token", null], "fatal: https://example.org/a not found"],
    ["fatal: 'https://example.org/a?private_token=hunter2' not found", [], "fatal: 'https://example.org/a' not found"],
    ["remote: bad password hunter2", ["ops", "hunter2"], "remote: bad password ***"],
    ["remote: bad password p%40ss or p@ss", [null, "p@ss"], "remote: bad password *** or ***"],
    ["remote: ops-hunter2 is not ops", ["ops", "ops-hunter2"], "remote: *** is not ***"],
    ["a\r\nb\n\nc\nd\n", [], "b; c; d"],
    [
      "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n",
      [],
      "fatal: Could not read from remote repository.",
    ],
  ])("%j", (text, secrets, want) => expect(shownGitMessage(text, secrets)).toBe(want));

  test("is short", () => expect(shownGitMessage(`${"x".repeat(10_000)}end`, [])).toMatch(/^x{397}end$/));
});

describe("what a remote answered", () => {
  const [one, two, three] = ["1", "2", "3"].map((digit) => digit.repeat(40)) as [string, string, string];
  test.each<[string, string | null, string[], { name: string; commit: string } | "ambiguous" | null]>([
    ["its default branch", null, [`${one}\tHEAD`], { name: "HEAD", commit: one }],
    ["a branch and a tag of one name", "v1", [`${two}\trefs/tags/v1`, `${one}\trefs/heads/v1`], "ambiguous"],
    [
      "an annotated tag's commit, not the tag",
      "v1",
      [`${two}\trefs/tags/v1`, `${three}\trefs/tags/v1^{}`],
      { name: "refs/tags/v1", commit: three },
    ],
    ["a full name", "refs/tags/v1", [`${two}\trefs/tags/v1`], { name: "refs/tags/v1", commit: two }],
    ["another ref that ends alike", "main", [`${one}\trefs/heads/old/main`], null],
    ["nothing", "main", [], null],
    ["no commit's name", "main", ["nonsense\trefs/heads/main", "x"], null],
  ])("%s", (_what, ref, lines, want) => {
    for (const size of [1, 7, 1_000]) {
      const reader = createRefReader(ref);
      for (const piece of `${lines.join("\n")}\n`.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []) reader.push(piece);
      expect(reader.end()).toEqual(want);
    }
  });

  test("a million refs that end alike hide nothing, and neither does a line without end", () => {
    const reader = createRefReader("main");
    for (let at = 0; at < 1_000_000; at += 1_000)
      reader.push(`${two}\trefs/heads/a${at}/refs/heads/main\n`.repeat(1_000));
    reader.push("x".repeat(2 ** 20));
    reader.push(`\n${one}\trefs/heads/main\n`);
    expect(reader.end()).toEqual({ name: "refs/heads/main", commit: one });
  });

  test("it is asked for these names", () => {
    expect(askedRefs(null)).toEqual(["HEAD"]);
    expect(askedRefs("main")).toEqual(["refs/heads/main", "refs/tags/main", "refs/tags/main^{}"]);
    expect(askedRefs("refs/heads/main")).toEqual(["refs/heads/main", "refs/heads/main^{}"]);
  });
});

describe("the wait before the next look", () => {
  test.each([
    { failures: 0, intervalMs: 60_000, want: 60_000 },
    { failures: 1, intervalMs: 60_000, want: 5_000 },
    { failures: 2, intervalMs: 60_000, want: 10_000 },
    { failures: 4, intervalMs: 60_000, want: 40_000 },
    { failures: 5, intervalMs: 60_000, want: 60_000 },
    { failures: 1_000_000, intervalMs: 60_000, want: 60_000 },
    { failures: 1, intervalMs: 1_000, want: 1_000 },
    { failures: 9, intervalMs: 1_000, want: 60_000 },
    { failures: 9, intervalMs: 600_000, want: 600_000 },
  ])("$failures failures, every $intervalMs ms: $want ms, a fifth more or less", ({ failures, intervalMs, want }) => {
    expect([0, 0.5, 1].map((random) => nextPollMs(failures, intervalMs, random))).toEqual([
      want * 0.8,
      want,
      want * 1.2,
    ]);
  });
});

describe("a tree's size", () => {
  const line = (size: number | "-", path: string) =>
    `100644 ${size === "-" ? "tree" : "blob"} ${"1".repeat(40)} ${String(size).padStart(7)}\t${path}\0`;

  test("adds up bytes and entries, folders too, in whatever pieces it comes", () => {
    const text = [line("-", "a"), line(5, "a/b\nc"), line(1_000_000_000, "d")].join("");
    for (const size of [1, 11, 10_000]) {
      const measure = createTreeMeasure({ entries: 3, bytes: 1_000_000_005 });
      for (const piece of text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []) expect(measure.push(piece)).toBe(null);
      expect(measure.size()).toEqual({ entries: 3, bytes: 1_000_000_005 });
    }
  });

  test.each([
    [{ entries: 1, bytes: 100 }, "entries (--archive-entries)"],
    [{ entries: 2, bytes: 9 }, "bytes (--archive-bytes)"],
  ])("beyond %j it is too large", (limits, why) =>
    expect(createTreeMeasure(limits).push(line(5, "a") + line(5, "b"))).toContain(why),
  );
});
