import { expect, test } from "vitest";
import { errorLine } from "../../../agent/http/dashboard/error-line.ts";

test.each([
  [["reading", "ERROR: no such column", "cleaning up"], 1],
  [["Traceback (most recent call last):", '  File "a.py", line 1', "ValueError: bad", "bye"], 2],
  [["fatal: not a git repository"], 0],
  [["rm: cannot remove 'x': Permission denied", "done"], 0],
  [["java.lang.NullPointerException", "\tat Main.main"], 0],
  [["error: first", "retrying", "error: second", ""], 2],
  [["3 passed, 0 failed, 0 errors"], null],
  [["finished without errors"], null],
  [["--error-limit 5"], null],
  [["all went well"], null],
  [[], null],
])("%j", (lines, want) => expect(errorLine(lines)).toBe(want));
