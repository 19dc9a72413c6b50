import { applyPatch } from "diff";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isText, unifiedDiff } from "../../agent/http/views/unified-diff.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const plain = (text: string) => ({ executable: false, text });

describe("diff", () => {
  test.each([
    ["a\nb\nc\n", "a\nB\nc\n"],
    ["", "new\n"],
    ["one\n", "one\ntwo"],
    ["one\ntwo", "one\n"],
    [
      Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join(""),
      Array.from({ length: 100 }, (_, i) => `line ${i === 3 || i === 80 ? "x" : i}\n`).join(""),
    ],
  ])("git takes it: %j", (before, after) => {
    const home = temporaryFolder();
    mkdirSync(join(home, "lib"));
    writeFileSync(join(home, "lib/a.sh"), before);
    writeFileSync(join(home, "p.diff"), unifiedDiff("lib/a.sh", plain(before), plain(after)) ?? "");
    execFileSync("git", ["apply", "p.diff"], { cwd: home });
    expect(readFileSync(join(home, "lib/a.sh"), "utf8")).toBe(after);
  });

  test("a file that is new, one that is gone, and a run bit", () => {
    expect(unifiedDiff("a", null, plain("x\ny\n"))).toBe("--- /dev/null\n+++ b/a\n@@ -0,0 +1,2 @@\n+x\n+y\n");
    expect(unifiedDiff("a", plain("x\n"), null)).toBe("--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n");
    expect(unifiedDiff("a", plain("x\n"), { executable: true, text: "x\n" })).toBe(
      "old mode 100644\nnew mode 100755\n",
    );
  });

  test("two large files with nothing in common are given up, soon", () => {
    const lines = (seed: number) => Array.from({ length: 60_000 }, (_, i) => `${(i * seed) % 99_991}\n`).join("");
    expect(unifiedDiff("a", plain(lines(7)), plain(lines(11)))).toBeNull();
  });

  test("what it says leads from one text to the other, whatever they have in common", () => {
    let seed = 1;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const text = () => {
      const lines = Array.from({ length: random(40) }, () => ["", "a", "b", "ab", "\u00e9"][random(5)]).join("\n");
      return random(2) === 0 ? lines : `${lines}\n`;
    };
    for (let i = 0; i < 2_000; i++) {
      const [head, tail] = [text(), text()];
      const [before, after] = [`${head}${text()}${tail}`, `${head}${text()}${tail}`];
      const diff = unifiedDiff("a", plain(before), plain(after)) ?? "";
      expect(diff === "" ? before : applyPatch(before, diff)).toBe(after);
    }
  });

  test("a few lines that differ in a large file are shown with the lines around them", () => {
    const lines = Array.from({ length: 200_000 }, (_, i) => `${i}`);
    const before = lines.join("\n");
    const after = lines.map((line, i) => (i === 100_000 ? "x" : line)).join("\n");
    expect(unifiedDiff("a", plain(before), plain(after))).toBe(
      "--- a/a\n+++ b/a\n@@ -99998,7 +99998,7 @@\n 99997\n 99998\n 99999\n-100000\n+x\n 100001\n 100002\n 100003\n",
    );
  });

  test.each([
    [
      "lines that alternate",
      (by: number) => Array.from({ length: 250_000 }, (_, i) => (i % by ? "x\n" : "y\n")).join(""),
    ],
    ["a megabyte of empty lines", (by: number) => `${by}${"\n".repeat(2 ** 20)}${by}`],
  ])("%s are given up before they are taken apart", (_name, textOf) => {
    expect(unifiedDiff("a", plain(textOf(2)), plain(textOf(3)))).toBeNull();
  });

  test("binary is no text", () => {
    expect(isText(Uint8Array.from([0x50, 0x4b, 3, 4, 0]))).toBe(false);
    expect(isText(new TextEncoder().encode("é\n"))).toBe(true);
    expect(isText(new Uint8Array(0))).toBe(true);
  });
});
