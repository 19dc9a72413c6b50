import { constants } from "node:os";
import { expect, test } from "vitest";
import { signalExitCode } from "../../agent/cli/exit-code.ts";

test("128 and the number of the signal, as the system counts them; 1 without one", () => {
  for (const [name, number] of Object.entries(constants.signals)) {
    if (!["SIGIOT", "SIGPOLL", "SIGUNUSED"].includes(name))
      expect([name, signalExitCode(name)]).toEqual([name, 128 + number]);
  }
  expect(signalExitCode("signal 34")).toBe(162);
  expect(signalExitCode(null)).toBe(1);
});
