// The agent's own log on a terminal: names and messages of others act as text only.
import { expect, test } from "vitest";
import { createPeopleFormat } from "../../agent/platform/log.ts";

test("control characters of others are shown, whatever field they stand in; our colours pass", () => {
  const format = createPeopleFormat();
  const hostile = "x\u001b]0;title\u0007\u001b[2Jy\u009b31m\u202e\rz";
  const line = format(
    `${JSON.stringify({ level: 40, time: "2026-11-28T00:00:00.000Z", batch: hostile, deep: { a: hostile }, msg: hostile })}\n`,
  );

  const steering = line
    .replace(/\u001b\[\d+m/g, "")
    .replace(/\n$/, "")
    .match(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/g);
  expect(steering).toBeNull();
  expect(line).toContain("\u001b[3"); // colours of ours
  expect(line).toContain("title");
});
