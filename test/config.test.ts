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
  { flags: { "max-parallel": "0" }, message: '--max-parallel: "0" is not a whole number from 1 to 10000' },
  { flags: { "max-parallel": "1.5" }, message: "is not a whole number" },
  { flags: { "log-level": "loud" }, message: '--log-level: "loud" is none of debug, info, warn, error' },
  { flags: { "base-url": "ops.example.org" }, message: "--base-url: this is not a URL that begins with http:// or" },
  { flags: { "smtp-url": "https://mail.example.org" }, message: "--smtp-url: this is not a URL" },
  {
    flags: { "smtp-url": "smtp://mail.example.org", "smtp-url-file": "/x" },
    message: "it is either --smtp-url or --smtp-url-file",
  },
  { flags: { "notify-mail": "ops@example.org, ops" }, message: '--notify-mail: "ops" is not a mail address' },
  { flags: { "notify-mail": "ops@example.org" }, message: "--notify-mail needs --smtp-url" },
  {
    flags: { "notify-webhook": "https://a.example, ftp://b.example/hunter2" },
    message: "--notify-webhook: this is not",
  },
  { flags: { "notify-webhook": "http://[hunter2" }, message: "--notify-webhook: this is not" },
  { flags: { "git-ref": "main" }, message: "--git-ref and --git-path need --git-url" },
  { flags: { "git-path": "jobs" }, message: "--git-ref and --git-path need --git-url" },
  { flags: { "git-verify": "keys" }, message: "--git-verify needs --git-url" },
  { flags: { "git-url": "-x" }, message: "--git-url: this cannot be followed" },
  { flags: { "git-url": "https://git.example.org/a", "git-ref": "-x" }, message: '--git-ref: "-x"' },
  { flags: { "git-url": "https://git.example.org/a", "git-path": "../x" }, message: "is not a folder within" },
])("$message", ({ flags, message }) => {
  expect(() => readConfig(flags as unknown as Record<string, string>, {}, machine)).toThrow(message);
});

test("what may hold a secret is not repeated", () => {
  for (const [name, value] of [
    ["notify-webhook", "ftp://b.example/hunter2"],
    ["smtp-url", "https://ops:hunter2@mail.example.org"],
    ["git-url", "ext::hunter2"],
  ] as const)
    expect(() => readConfig({ [name]: value }, {}, machine)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("hunter2") as string }) as Error,
    );
});

test("a repository, mail and the agent's own receivers", () => {
  const flags = {
    "git-url": "https://git.example.org/jobs",
    "git-ref": "main",
    "git-path": "jobs/nightly/",
    "git-verify": "keys",
    "base-url": "https://ops.example.org/batches/",
    "smtp-url": "smtps://mail.example.org",
    "notify-mail": "a@example.org, b@example.org",
    "notify-webhook": "https://chat.example.org/1 http://chat.example.org/2",
    "keep-logs": "10GiB",
    poll: true,
  };
  expect(readConfig(flags, {}, machine)).toMatchObject({
    git: { url: flags["git-url"], ref: "main", path: "jobs/nightly", intervalMs: 60_000, verify: "keys" },
    baseUrl: "https://ops.example.org/batches",
    smtpUrl: "smtps://mail.example.org",
    smtpUrlFile: null,
    notifyMail: ["a@example.org", "b@example.org"],
    notifyWebhook: ["https://chat.example.org/1", "http://chat.example.org/2"],
    keepLogsBytes: 10 * 2 ** 30,
    poll: true,
  });
  expect(readConfig({ "smtp-url-file": "/run/smtp", "notify-mail": "a@example.org" }, {}, machine)).toMatchObject({
    smtpUrl: null,
    smtpUrlFile: "/run/smtp",
  });
  expect(readConfig({ "git-url": "https://git.example.org/jobs" }, {}, machine).git).toMatchObject({
    ref: null,
    path: "",
  });
});

test("with pods as many run at once as the cluster takes, unless it is said", () => {
  const pods = { runner: "kubernetes", "kubernetes-claim": "data", "kubernetes-image": "bash:5" };
  expect(readConfig(pods, {}, machine).maxParallel).toBe(64);
  expect(readConfig({ ...pods, "max-parallel": "3" }, {}, machine).maxParallel).toBe(3);
});
