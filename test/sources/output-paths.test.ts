import { expect, test } from "vitest";
import { createOutputScan } from "../../agent/sources/output-paths.ts";

const texts: { text: string; found: boolean }[] = [
  { text: "echo x > /dev/stderr", found: true },
  { text: "tee /dev/stdout", found: true },
  { text: "cat <&3 >/dev/fd/2", found: true },
  { text: "curl -o /proc/self/fd/1 url", found: true },
  { text: "f=stdout; echo x > /dev/$f", found: true },
  { text: 'echo x > /dev/"$f"', found: true },
  { text: 'echo x > "/dev/"$f', found: true },
  { text: "echo x > /dev/${f}", found: true },
  { text: "echo x > /dev/`cat f`", found: true },
  { text: "tee /dev/std{out,err}", found: true },
  { text: "tee /dev/std$which", found: true },
  { text: "n=1; echo x > /dev/fd/$n", found: true },
  { text: "n=1; echo x > /dev/fd$n", found: true },
  { text: "echo x > /proc/self/fd/$n", found: true },
  { text: "echo x > /proc/thread-self/fd/1", found: true },
  { text: "echo x > /proc/$$/fd/1", found: true },
  { text: 'echo x > /proc/"$BASHPID"/fd/2', found: true },
  { text: "open('/dev/' + name, 'w')", found: true },
  { text: "printf -v to /dev/%s stderr", found: true },
  { text: "cat /proc/meminfo /proc/self/status </dev/stdin >/dev/tty", found: false },
  { text: "dd if=/dev/zero of=/dev/sda1; cat /dev/urandom", found: false },
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

test("pieces of a byte each are one text", () => {
  const scan = createOutputScan();
  for (const byte of Buffer.from("echo x > /proc/thread-self/fd/1")) scan.push("a", Buffer.from([byte]));
  expect(scan.found()).toBe(true);
});

test("the end of one file and the beginning of another are no path", () => {
  const scan = createOutputScan();
  scan.push("a", Buffer.from("echo /dev/st"));
  scan.push("b", Buffer.from("derr"));
  expect(scan.found()).toBe(false);
});
