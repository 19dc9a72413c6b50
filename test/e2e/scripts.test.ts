// What scripts do with their output, their group and our files, against a running agent.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { isAlive, launcherOf, startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";

const yearly = 'cron: "@yearly"\n';

async function trigger(place: ReturnType<typeof workplace>, name: string): Promise<string> {
  const { stdout } = await type(place.home, ["trigger", name]);
  return stdout.trim();
}
const ended = (agent: RunningAgent, id: string) =>
  eventually(async () => {
    const row = await agent.json<Execution & { outputTruncated: boolean }>(`/api/executions/${id}`);
    return row.finishedAt !== null && row;
  });

test("a chain reads all that a filter and a copier were still writing", async () => {
  const place = workplace();
  place.put("extract", yearly, 'exec > >(while read -r l; do echo "$l;"; done)\nseq 2000\n');
  place.put("load", "after: extract\ninput: previous\n", "wc -l\n");
  place.put("odd", yearly, "echo 1; echo 2 >/dev/stdout; echo 3 | tee /dev/stderr; echo 4\n");
  place.put("even", "after: odd\ninput: previous\n", "cat\n");
  const agent = await startAgent(place);
  for (const [name, next, want] of [
    ["extract", "load", "2000\n"],
    ["odd", "even", "1\n2\n3\n4\n"],
  ] as const) {
    await trigger(place, name);
    const row = await eventually(async () =>
      (await agent.executions(`?batch=${next}`)).find(({ status }) => status === "succeeded"),
    );
    expect(await (await agent.get(`/api/executions/${row.id}/stdout`)).text()).toBe(want);
  }
});

test("a log that gets shorter is on its record, and who follows it goes on", async () => {
  const place = workplace();
  const script = [
    "echo 0123456789",
    'until [ -e "$BATCH_STATE_DIR/go" ]; do sleep 0.02; done',
    ": > /dev/stdout",
    'until [ -e "$BATCH_STATE_DIR/on" ]; do sleep 0.02; done',
    "echo after",
  ];
  place.put("cuts", `${yearly}output: file\n`, `${script.join("\n")}\n`);
  const agent = await startAgent(place);
  const id = await trigger(place, "cuts");
  const follow = type(place.home, ["logs", "-f", id, "--url", agent.url]);
  const log = join(place.data, "batches/cuts/executions", id, "stdout.log");
  await eventually(() => existsSync(log) && readFileSync(log, "utf8") !== "");
  const fds = `/proc/${agent.child.pid}/fd`;
  await eventually(() => execFileSync("ls", ["-l", fds], { encoding: "utf8" }).includes(log)); // it is followed
  await new Promise((done) => setTimeout(done, 1_000)); // looked at, and given to who follows
  writeFileSync(join(place.data, "batches/cuts/state/go"), "");
  await eventually(
    async () => (await agent.json<{ outputTruncated: boolean }>(`/api/executions/${id}`)).outputTruncated,
  );
  await new Promise((done) => setTimeout(done, 1_500)); // seen by who follows
  writeFileSync(join(place.data, "batches/cuts/state/on"), "");
  expect(await ended(agent, id)).toMatchObject({
    status: "succeeded",
    outputTruncated: true,
    message: expect.stringContaining("stdout got shorter while it ran") as string,
  });
  const { stdout, stderr, code } = await follow;
  expect({ stdout, code }).toEqual({ stdout: "0123456789\nafter\n", code: 0 });
  expect(stderr).toContain("stdout got shorter, from 11 to 0 bytes");
});

test("a timeout ends what has left the group, and a launcher that is killed is nobody's end", async () => {
  const place = workplace();
  place.put("guarded", `${yearly}timeout: 2s\n`, "timeout 300 sleep 287.5\n");
  place.put("lives", yearly, 'until [ -e "$BATCH_STATE_DIR/go" ]; do sleep 0.05; done; exit 4\n');
  const agent = await startAgent(place);
  const [guarded, lives] = [await trigger(place, "guarded"), await trigger(place, "lives")];
  await eventually(() => existsSync(join(place.data, "batches/lives/executions", lives, "pid")));
  process.kill(launcherOf(agent.child.pid ?? 0) ?? 0, "SIGKILL");
  expect(await ended(agent, guarded)).toMatchObject({ status: "failed", reason: "timeout" });
  expect(() => execFileSync("pgrep", ["-f", "sleep 287.5"])).toThrow();
  writeFileSync(join(place.data, "batches/lives/state/go"), "");
  expect(await ended(agent, lives)).toMatchObject({ status: "failed", reason: "exit", exitCode: 4 });
  const next = await trigger(place, "lives");
  expect(await ended(agent, next)).toMatchObject({ exitCode: 4 });
});

test("what a script puts in the place of our files stops no list and no other batch", async () => {
  const place = workplace();
  const odd: Record<string, string> = {
    fifo: 'for f in exit progress stdout.log stop-reason times; do rm -f "$d/$f"; mkfifo "$d/$f"; done',
    loop: 'for f in exit progress stdout.log stderr.log times; do ln -sfn "$f" "$d/$f"; done',
    folder: 'for f in exit progress stdout.log stderr.log times; do rm -f "$d/$f"; mkdir "$d/$f"; done',
    device: 'for f in exit progress stdout.log stderr.log times; do ln -sfn /dev/zero "$d/$f"; done',
  };
  for (const [name, text] of Object.entries(odd))
    place.put(name, `${yearly}timeout: 5s\n`, `d=$(dirname "$BATCH_PROGRESS")\n${text}\nsleep 0.5\n`);
  place.put("other", 'cron: "* * * * * *"\n', "true\n");
  let agent = await startAgent(place);
  const ids = [];
  for (const name of Object.keys(odd)) ids.push(await trigger(place, name));
  for (const id of ids) expect(await ended(agent, id)).toMatchObject({ status: "succeeded", stdoutBytes: 0 });
  const paths = ["/api/executions", "/api/batches", "/", "/timeline", ...ids.map((id) => `/api/executions/${id}`)];
  for (const path of [...paths, ...ids.map((id) => `/api/executions/${id}/stdout`)])
    expect([path, (await agent.get(path)).status]).toEqual([path, 200]);
  await agent.exit("SIGKILL");
  agent = await startAgent(place);
  for (const path of paths) expect([path, (await agent.get(path)).status]).toEqual([path, 200]);
  expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
});

test("nothing of the launcher is left two seconds after its agent", async () => {
  const place = workplace();
  place.put("quick", 'cron: "* * * * * *"\n', "true\n");
  const agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=succeeded")).length > 0);
  const launcher = launcherOf(agent.child.pid ?? 0) ?? 0;
  expect(isAlive(launcher)).toBe(true);
  await agent.exit("SIGTERM");
  await eventually(() => !isAlive(launcher), 2_000);
});

test.skipIf(process.getuid?.() !== 0)(
  "what root's script writes into its revision is noticed, then refused",
  async () => {
    const place = workplace();
    const script = "echo stale > result.csv; echo 'echo \"a line that is in no revision\"' >> script.sh\nls\n";
    for (const name of ["one", "two"]) place.put(name, yearly, script);
    const agent = await startAgent(place);
    const runs: { revision: string | null; stdout: string; stderr: string }[] = [];
    for (const name of ["one", "two", "one"]) {
      const { id, revision } = await ended(agent, await trigger(place, name));
      const read = async (log: string) => (await agent.get(`/api/executions/${id}/${log}`)).text();
      runs.push({ revision, stdout: await read("stdout"), stderr: await read("stderr") });
    }
    expect(new Set(runs.map(({ revision }) => revision)).size).toBe(1);
    // bash reads a script as it runs it: the first has done what cron would let it do.
    expect(runs[0]?.stdout).toContain("a line that is in no revision");
    const { items: problems } = await agent.json<{ items: { code: string }[] }>("/api/problems");
    expect(problems).toContainEqual(expect.objectContaining({ code: "revision-changed" }));
    const revisions = join(place.data, "revisions");
    const sealable = execFileSync("bash", ["-c", "touch p; chattr +i p && chattr -i p && echo yes; rm -f p"], {
      cwd: revisions,
      encoding: "utf8",
    });
    for (const { stdout, stderr } of sealable === "" ? [] : runs.slice(1)) {
      expect(stdout).toBe("batch.yaml\nresult.csv\nscript.sh\n");
      expect(stderr).toMatch(/script\.sh: Operation not permitted/);
    }
    expect(readdirSync(revisions)).toEqual([runs[0]?.revision]);
  },
);
