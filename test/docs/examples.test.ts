// The folders of examples/, each copied and run as README there says. pg_dump and rsync are replaced by programs that
// end as they do: what is tested is the batch around them.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { root } from "../helpers/docs.ts";
import { mailServer, partsOf, webhookServer } from "../helpers/receivers.ts";
import { eventually } from "../helpers/tmp.ts";

const limit = { timeout: 60_000 };

/** A place with one example, and programs first on its PATH. */
function copied(name: string, programs: Record<string, string> = {}) {
  const place = workplace();
  cpSync(join(root, "examples", name), join(place.batches, name), { recursive: true });
  const bin = join(place.home, "bin");
  mkdirSync(bin);
  for (const [program, text] of Object.entries(programs))
    writeFileSync(join(bin, program), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
  const env = { PATH: `${bin}:${process.env["PATH"]}` };
  const exec = (...words: string[]) => type(place.home, ["exec", ...words], { env });
  return { ...place, env, exec };
}

test("all of them are valid together, and are described", limit, async () => {
  expect(await type(root, ["validate", "examples"])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("6 batches, no problems") as string,
  });
  const described = readFileSync(join(root, "examples/README.md"), "utf8");
  const folders = readdirSync(join(root, "examples"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).filter((name) => !described.includes(`| \`${name}\` |`))).toEqual([]);
});

test("nightly-dump keeps whole dumps only, and the newest of them", limit, async () => {
  const dump = `for word; do [[ $word == --file=* ]] && file=\${word#--file=}; done; echo "dump of \${!#}" >"$file"; exit \${FAKE_CODE:-0}`;
  const { home, exec, put } = copied("nightly-dump", { pg_dump: dump });
  const target = join(home, "dumps");
  mkdirSync(target);
  for (const day of ["01", "02", "03"]) writeFileSync(join(target, `shop-2020-01-${day}.dump`), day);
  writeFileSync(join(target, "other-2020-01-01.dump"), "");
  const words = ["nightly-dump", "--param", `TARGET=${target}`, "--param", "KEEP=2"];
  expect(await exec(...words)).toMatchObject({ code: 0 });
  const today = new Date().toISOString().slice(0, 10);
  expect(readdirSync(target).sort()).toEqual(["other-2020-01-01.dump", "shop-2020-01-03.dump", `shop-${today}.dump`]);

  const yaml = readFileSync(join(root, "examples/nightly-dump/batch.yaml"), "utf8");
  put("nightly-dump", yaml.replace("env:\n", 'env:\n  FAKE_CODE: "1"\n'), null);
  writeFileSync(join(target, `shop-${today}.dump`), "the good one");
  expect((await exec(...words)).code).toBe(1);
  expect(readFileSync(join(target, `shop-${today}.dump`), "utf8")).toBe("the good one");
  expect(readdirSync(target).filter((name) => name.includes("part"))).toEqual([]);
});

test("sales mails the report of what was extracted", limit, async () => {
  const place = copied("sales");
  const smtp = await mailServer();
  const agent = await startAgent(place, ["--smtp-url", `smtp://127.0.0.1:${smtp.port}`]);
  expect((await type(place.home, ["trigger", "sales-extract"])).code).toBe(0);
  const mail = await eventually(() => smtp.mails[0]);
  expect(mail.to).toEqual(["sales@example.org"]);
  expect(mail.headers["subject"]).toBe("[batch-agent] sales-report succeeded");
  expect(partsOf(mail).plain).toMatch(/north +160\n +south +80\n +west +75/);
  expect(await agent.executions("?status=failed")).toEqual([]);
});

test.each([
  [0, "succeeded", null],
  [24, "succeeded", null],
  [23, "failed", null],
  [30, "failed", "retry"],
])("offsite-sync: rsync's exit code %i is %s, then %s", limit, async (code, status, next) => {
  const place = copied("offsite-sync", { rsync: `echo "$@"; exit ${code}` });
  const agent = await startAgent(place, [], { env: place.env });
  expect((await type(place.home, ["trigger", "offsite-sync"])).code).toBe(0);
  await eventually(async () => (await agent.executions(`?status=${status}`)).length === 1);
  const executions = await agent.executions();
  expect(executions.find((one) => one.attempt === 1)).toMatchObject({ status, exitCode: code });
  expect(executions.find((one) => one.attempt === 2)?.trigger.kind ?? null).toBe(next);
});

test("month-end starts on working days only, and closes a month once", limit, async () => {
  const place = copied("month-end");
  const { stdout } = await type(place.home, ["next", "batches.d", "close-books", "-n", "24", "--json"]);
  const times = [...stdout.matchAll(/"(20\d\d-\d\d-\d\dT[^"]+)"/g)].map(([, at]) => new Date(at ?? ""));
  expect(times.length).toBeGreaterThanOrEqual(24);
  for (const at of times) {
    const local = new Intl.DateTimeFormat("en", {
      timeZone: "Europe/Paris",
      weekday: "short",
      day: "numeric",
      month: "short",
    }).format(at);
    expect(local).not.toMatch(/Sat|Sun|Dec 31/);
  }
  const agent = await startAgent(place);
  const closed = async () => {
    const { code, stdout } = await type(place.home, [
      "trigger",
      "close-books",
      "--due-at",
      "2026-11-30T19:00:00Z",
      "--follow",
    ]);
    return [code, stdout];
  };
  expect(await closed()).toEqual([0, expect.stringContaining("closing 2026-11: ledger\n") as string]);
  expect(await closed()).toEqual([0, expect.stringContaining("2026-11 is closed already\n") as string]);
  expect(await agent.executions()).toHaveLength(2);
});

test("heartbeat-backup tells of its start, its success and its failure", limit, async () => {
  const place = copied("heartbeat-backup");
  const service = await webhookServer();
  const yaml = readFileSync(join(place.batches, "heartbeat-backup/batch.yaml"), "utf8");
  place.put("heartbeat-backup", yaml.replace("https://hc.example.org", service.url), null);
  await startAgent(place);
  const ping = "/ping/0a1b2c3d-0000-4000-8000-000000000000";
  const trigger = (source: string) =>
    type(place.home, ["trigger", "heartbeat-backup", "--param", `SOURCE=${source}`, "--follow"]);
  writeFileSync(join(place.home, "bin/file"), "content");
  expect((await trigger(join(place.home, "bin"))).code).toBe(0);
  await eventually(() => service.calls.length === 2);
  expect((await trigger(join(place.home, "none"))).code).toBe(2);
  await eventually(() => service.calls.length === 4);
  expect(service.calls.map(({ path }) => path)).toEqual([`${ping}/start`, ping, `${ping}/start`, `${ping}/2`]);
  expect(service.calls[1]?.body).toMatch(/^\d+ bytes\n$/);
});
