import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readConfig, runOptions } from "../agent/config.ts";
import { environmentName } from "../agent/option-reader.ts";

const machine = { cores: 2, zone: { timeZone: "UTC", note: "TZ is a rule" } };

test(".env.example lists every option, and which agent to ask", () => {
  const listed = readFileSync(".env.example", "utf8")
    .match(/^#?BATCH_AGENT_[A-Z_]+(?==)/gm)
    ?.map((name) => name.replace("#", ""));
  expect(listed?.sort()).toEqual(
    [...runOptions(machine).map(({ name }) => environmentName(name)), "BATCH_AGENT_URL"].sort(),
  );
});

test("flags go before the environment, the environment before defaults, an empty variable counts as none", () => {
  const env = { BATCH_AGENT_LOG_LIMIT: "5MiB", BATCH_AGENT_GRACE: "", BATCH_AGENT_PORT: "1" };
  expect(readConfig({ port: "2" }, env, machine)).toMatchObject({
    port: 2,
    logLimitBytes: 5 * 2 ** 20,
    graceMs: 25_000,
    maxParallel: 8,
  });
});

test("a zone that is given needs no word about the machine's", () => {
  expect(readConfig({}, {}, machine)).toMatchObject({ timeZone: "UTC", timeZoneNote: "TZ is a rule" });
  expect(readConfig({ "time-zone": "Asia/Tokyo" }, {}, machine)).toMatchObject({
    timeZone: "Asia/Tokyo",
    timeZoneNote: null,
  });
  expect(readConfig({}, { BATCH_AGENT_TIME_ZONE: "UTC" }, machine).timeZoneNote).toBeNull();
});

test.each([
  { flags: { "log-limit": "much" }, message: '--log-limit: "much" is not a size' },
  { flags: { "log-limit": "0" }, message: "--log-limit: 0 is too small" },
  { flags: { grace: "soon" }, message: '--grace: "soon" is not a duration' },
  { flags: { resync: "0s" }, message: "--resync: 0s is too short" },
  { flags: { port: "70000" }, message: "--port" },
  { flags: { "time-zone": "Mars/Base" }, message: "there is no time zone" },
  { flags: { "time-zone": "BST" }, message: 'there is no time zone "BST"' },
  // else a variable that is not set would let everybody in
  { flags: { "token-file": "" }, message: "--token-file: it is empty" },
  { flags: { poll: "perhaps" }, message: "neither true nor false" },
])("$message", ({ flags, message }) => {
  expect(() => readConfig(flags as unknown as Record<string, string>, {}, machine)).toThrow(message);
});
