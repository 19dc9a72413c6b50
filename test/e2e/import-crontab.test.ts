// import-crontab, as typed; what it makes passes validate and runs as cron would run it.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type } from "../helpers/cli.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const limit = 120_000;
const crontab = [
  "# Greets the one named in stdin",
  "GREETING=hello",
  '30 2 * * * read name; echo "$GREETING $name 100\\%, $(pwd)" | tee -a greetings%world',
  "0 4 * * 1 /opt/weekly.sh",
  "",
].join("\n");

test("from a crontab to batches that are valid, due and run", { timeout: limit }, async () => {
  const home = temporaryFolder();
  writeFileSync(join(home, "crontab"), crontab);
  const made = await type(home, ["import-crontab", "crontab"]);
  expect(made).toEqual({
    code: 0,
    stdout: "batches.d/_group.yaml  what all lines share\nbatches.d/read  from line 3\nbatches.d/weekly  from line 4\n",
    stderr: "2 batches written, 0 things left out\n",
  });
  expect(readdirSync(join(home, "batches.d"))).toEqual(["_group.yaml", "read", "weekly"]);
  expect(await type(home, ["validate"])).toMatchObject({ code: 0 });
  const { items } = JSON.parse((await type(home, ["next", "-n", "8", "--json", "--time-zone", "UTC"])).stdout) as {
    items: { batch: string; startsAt: string }[];
  };
  for (const { batch, startsAt } of items)
    expect(startsAt.slice(11)).toBe(batch === "read" ? "02:30:00.000Z" : "04:00:00.000Z");
  expect(items.filter(({ batch }) => batch === "weekly").map(({ startsAt }) => new Date(startsAt).getUTCDay())).toEqual(
    [1],
  );

  const user = join(home, "user");
  mkdirSync(user);
  expect(await type(home, ["exec", "read"], { env: { HOME: user } })).toEqual({
    code: 0,
    stdout: `hello world 100%, ${user}\n`,
    stderr: "",
  });
  expect(readFileSync(join(user, "greetings"), "utf8")).toBe(`hello world 100%, ${user}\n`);
});

test("nothing is overwritten, and what is lost is told by the exit code", { timeout: limit }, async () => {
  const home = temporaryFolder();
  mkdirSync(join(home, "batches.d/weekly"), { recursive: true });
  const again = await type(home, ["import-crontab", "-"], { stdin: crontab });
  expect([again.code, again.stdout]).toEqual([1, ""]);
  expect(again.stderr).toContain("batch-agent: batches.d/weekly is there already; nothing was written\n");
  expect(readdirSync(join(home, "batches.d"))).toEqual(["weekly"]);

  const dry = await type(home, ["import-crontab", "-", "--out", "elsewhere", "--dry-run"], { stdin: crontab });
  expect(dry.code).toBe(0);
  expect(dry.stdout).toContain('# elsewhere/weekly/batch.yaml\n# From line 4 of stdin.\ncron: "0 4 * * 1"\n');
  expect(existsSync(join(home, "elsewhere"))).toBe(false);

  const lost = await type(home, ["import-crontab", "-", "--out", "elsewhere"], { stdin: "@reboot x\n@daily y\n" });
  expect([lost.code, lost.stdout]).toEqual([1, "elsewhere/y  from line 2\n"]);
  expect(lost.stderr).toContain("stdin:1: left out: @reboot is not supported");
  expect(await type(home, ["import-crontab", "gone"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("cannot read gone") as string,
  });

  // Archives take a name too, and what is no folder is no empty one.
  mkdirSync(join(home, "packed"));
  writeFileSync(join(home, "packed/weekly.tar.gz"), "");
  const taken = await type(home, ["import-crontab", "-", "--out", "packed"], { stdin: crontab });
  expect([taken.code, taken.stdout]).toEqual([1, ""]);
  expect(taken.stderr).toContain("batch-agent: packed/weekly is there already; nothing was written\n");
  writeFileSync(join(home, "file"), "");
  const file = await type(home, ["import-crontab", "-", "--out", "file"], { stdin: crontab });
  expect([file.code, file.stdout]).toEqual([1, ""]);
  expect(file.stderr).toContain("cannot read file: ENOTDIR");
});

test("beside other batches, what the lines share lies in a group of its own", { timeout: limit }, async () => {
  const home = temporaryFolder();
  mkdirSync(join(home, "batches.d/other"), { recursive: true });
  writeFileSync(join(home, "batches.d/other/batch.yaml"), 'cron: "@daily"\n');
  writeFileSync(join(home, "batches.d/other/script.sh"), "echo ${GREETING:-none}\n");
  writeFileSync(join(home, "My crontab.txt"), `MAILTO=ops@example.org\nCRON_TZ=Europe/Paris\n${crontab}`);
  const made = await type(home, ["import-crontab", "My crontab.txt"]);
  const folder = "batches.d/my-crontab-txt";
  expect(made.stdout.split("\n").slice(0, 2)).toEqual([
    `${folder}/_group.yaml  what all lines share`,
    `${folder}/read  from line 5`,
  ]);
  expect(readFileSync(join(home, folder, "read/batch.yaml"), "utf8")).not.toMatch(/ops@|Paris|GREETING/);
  expect(await type(home, ["validate"])).toMatchObject({ code: 0 });
  expect(await type(home, ["exec", "other"])).toMatchObject({ code: 0, stdout: "none\n" });
  expect((await type(home, ["exec", "read"], { env: { HOME: home } })).stdout).toBe(`hello world 100%, ${home}\n`);
});

test.each([
  { name: "UTF-16 with its mark", bytes: Buffer.from("\uFEFF0 3 * * * /bin/x\n", "utf16le"), says: "UTF-16" },
  { name: "UTF-16 without", bytes: Buffer.from("0 3 * * * /bin/x\n", "utf16le"), says: "UTF-16" },
  { name: "UTF-16, big end first", bytes: Buffer.from("0 3 * * * /bin/x\n", "utf16le").swap16(), says: "UTF-16" },
  { name: "an old Mac", bytes: Buffer.from("# daily\r0 3 * * * /bin/x\r0 4 * * * /bin/y\r"), says: "old Mac" },
])("a crontab of $name is refused as a whole, in one line", async ({ bytes, says }) => {
  const home = temporaryFolder();
  writeFileSync(join(home, "tab"), bytes);
  const { code, stderr } = await type(home, ["import-crontab", "tab", "--out", "out"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^tab:1: nothing was taken over: .*${says}.*\n$`));
  expect(existsSync(join(home, "out"))).toBe(false);
});

test("a crontab in Latin-1: what cannot be kept is said with its line, the rest is written", async () => {
  const home = temporaryFolder();
  writeFileSync(
    join(home, "tab"),
    Buffer.from("# T\u00e4glich\n0 3 * * * cp /data/B\u00fccher /b\n0 4 * * * /bin/x\n", "latin1"),
  );
  const { code, stderr } = await type(home, ["import-crontab", "tab", "--user", "--out", "out"]);
  expect(code).toBe(1);
  expect(stderr).toContain("tab:2: left out: it holds bytes that are no UTF-8");
  expect(readdirSync(join(home, "out"))).toEqual(["x"]);
});
