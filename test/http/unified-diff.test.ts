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

  test("binary is no text", () => {
    expect(isText(Uint8Array.from([0x50, 0x4b, 3, 4, 0]))).toBe(false);
    expect(isText(new TextEncoder().encode("é\n"))).toBe(true);
    expect(isText(new Uint8Array(0))).toBe(true);
  });
});
