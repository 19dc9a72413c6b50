import { expect, test } from "vitest";
import { usesColours } from "../../agent/cli/commands/context.ts";

test.each<[Record<string, string>, boolean, boolean]>([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: "1" }, true, false],
  [{ NO_COLOR: "" }, true, true],
  [{ FORCE_COLOR: "1" }, false, true],
  [{ FORCE_COLOR: "0" }, true, false],
  [{ FORCE_COLOR: "" }, false, false],
  [{ NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
  [{ TERM: "dumb" }, true, false],
  [{ TERM: "dumb", FORCE_COLOR: "1" }, true, true],
])("%o on a terminal: %s gives colours: %s", (env, isTerminal, want) =>
  expect(usesColours({ env, stdout: { isTTY: isTerminal } })).toBe(want),
);
