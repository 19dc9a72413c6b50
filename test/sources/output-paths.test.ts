import { expect, test } from "vitest";
import { createOutputScan } from "../../agent/sources/output-paths.ts";

const texts: { text: string; found: boolean }[] = [
  { text: "echo x > /dev/stderr", found: true },
  { text: "tee /dev/stdout", found: true },
  { text: "cat <&3 >/dev/fd/2", found: true },
  { text: "curl -o /proc/self/fd/1 url", found: true },
  { text: "echo x >&2; exec >/dev/null </dev/stdin", found: false },
  { text: "", found: false },
];
test.each(texts)("$text: $found", ({ text, found }) => {
  const bytes = Buffer.from(`#!/bin/bash\n${text}\n`);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const scan = createOutputScan();
    scan.push("a", bytes.subarray(0, cut)); // read in pieces, wherever they end
    scan.push("a", bytes.subarray(cut));
    expect(scan.found()).toBe(found);
  }
});

test("the end of one file and the beginning of another are no path", () => {
  const scan = createOutputScan();
  scan.push("a", Buffer.from("echo /dev/st"));
  scan.push("b", Buffer.from("derr"));
  expect(scan.found()).toBe(false);
});
