import { expect, test } from "vitest";
import { parseSize } from "../../agent/text/size.ts";

test.each([
  { text: "0", bytes: 0 },
  { text: "1048576", bytes: 1_048_576 },
  { text: "512MiB", bytes: 512 * 2 ** 20 },
  { text: "1GiB", bytes: 2 ** 30 },
  { text: "64 kib", bytes: 65_536 },
  { text: "10KB", bytes: 10_000 },
  { text: "2 GB", bytes: 2_000_000_000 },
  { text: "7B", bytes: 7 },
  { text: "", bytes: null },
  { text: "-1", bytes: null },
  { text: "1.5GiB", bytes: null },
  { text: "1M", bytes: null },
  { text: "0x10", bytes: null },
  { text: "MiB", bytes: null },
  { text: "999999999999GiB", bytes: null },
])("$text", ({ text, bytes }) => {
  expect(parseSize(text)).toBe(bytes);
});
