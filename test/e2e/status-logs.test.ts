// status and logs, as typed, against a running agent.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createClient } from "../../agent/cli/agent-client.ts";
import { logs } from "../../agent/cli/logs.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, usage, workplace } from "../helpers/agent.ts";
import { freePort, main, type, typeOnTerminal } from "../helpers/cli.ts";
import { execution } from "../helpers/make.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const yearly = 'cron: "@yearly"\n';

async function ranOnce(
  place: ReturnType<typeof workplace>,
  agent: Awaited<ReturnType<typeof startAgent>>,
  name: string,
): Promise<Execution> {
  const { stdout } = await type(place.home, ["trigger", name]);
  return eventually(async () =>
    (await agent.executions()).find(({ id, finishedAt }) => id === stdout.trim() && finishedAt !== null),
  );
}

describe("status", { timeout: 120_000 }, () => {
  test("a table of batches with what needs a person first; filters, JSON, exit codes", async () => {
    const place = workplace();
    place.put("fine", `${yearly}tags: [nightly]\n`, "true");
    place.put("sad", yearly, "exit 3");
    place.put("wrong", "cron: nonsense\n", "true");
    const agent = await startAgent(place);
    await ranOnce(place, agent, "fine");
    await ranOnce(place, agent, "sad");
    const say = (...args: string[]) => type(place.home, ["status", "--url", agent.url, ...args]);

    const plain = await say();
    expect(plain.code).toBe(0);
    const lines = plain.stdout.split("\n");
    expect(lines[0]).toBe(`batch-agent 0.1.0 at ${agent.url}: ready`);
    expect(lines.slice(4, 7).map((line) => line.split(/ +/)[0])).toEqual(["wrong", "sad", "fine"]);
    expect(lines[5]).toMatch(/^sad +scheduled +failed: exit 3 +(now|\d+ s ago) +\S+ m?s +in \d+ (d|h)/);
    expect(plain.stdout).toContain("wrong/batch.yaml:1:7: bad-cron: ");
    expect(plain.stdout).not.toContain("\u001b");

    const json = JSON.parse((await say("--json", "--tag", "nightly")).stdout) as {
      url: string;
      ready: { ready: boolean };
      batches: { name: string }[];
      problems: unknown[];
    };
    expect([json.url, json.ready.ready, json.batches.map(({ name }) => name), json.problems]).toEqual([
      agent.url,
      true,
      ["fine"],
      [],
    ]);
    expect(json.batches[0]).toEqual(await agent.batch("fine"));

    const shown = async (...args: string[]) =>
      (await say(...args)).stdout
        .split("\n")
        .slice(4)
        .flatMap((line) => /^(fine|sad|wrong) /.exec(line)?.[1] ?? []);
    expect(await shown("--failed")).toEqual(["sad"]);
    expect(await shown("--state", "scheduled")).toEqual(["sad", "fine"]);
    expect(await shown("fine")).toEqual(["fine"]);
    expect(await say("fin")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("did you mean fine?") as string,
    });
    expect((await say("--check")).code).toBe(1);
    expect((await say("fine", "--check")).code).toBe(0);
    expect((await say("--state", "odd")).code).toBe(2);
  });

  test("a choice that nothing matches says so, and a group that is not there is an error", async () => {
    const place = workplace();
    place.put("billing/a", yearly, "true");
    const agent = await startAgent(place);
    const say = (...args: string[]) => type(place.home, ["status", "--url", agent.url, ...args]);
    expect((await say("--tag", "none")).stdout).toContain("no batches match");
    expect(await say("--group", "biling")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("has no group biling\nhint: did you mean billing?") as string,
    });
    expect((await say("--group", "billing")).stdout).toMatch(/^a +scheduled/m);
  });

  test("colours on a terminal only, and not where NO_COLOR is set; more than fit are counted", async () => {
    const place = workplace();
    for (let i = 0; i < 40; i++) place.put(`b${i}`, yearly, "true");
    const agent = await startAgent(place);
    const there = { BATCH_AGENT_URL: agent.url };
    const coloured = await typeOnTerminal(place.home, ["status"], there);
    expect(coloured.stdout).toContain("\u001b[32mready\u001b[39m");
    expect(coloured.stdout).toContain("and 10 more batches: --all");
    const plain = await typeOnTerminal(place.home, ["status", "--all"], { ...there, NO_COLOR: "1" });
    expect(plain.stdout).not.toContain("\u001b");
    expect(plain.stdout.split("\n").filter((line) => line.includes("scheduled"))).toHaveLength(40);
    expect(
      (await type(place.home, ["status"], { env: there })).stdout
        .split("\n")
        .filter((line) => line.includes("scheduled")),
    ).toHaveLength(40);
  });

  test("the agent of the .env in the working directory is found", async () => {
    const place = workplace();
    place.put("a", yearly, "true");
    const port = await freePort();
    writeFileSync(join(place.home, ".env"), `BATCH_AGENT_PORT=${port}\nBATCH_AGENT_HOST=0.0.0.0\n`);
    await startAgent(place, ["--port", String(port), "--host", "127.0.0.1"]);
    // An empty variable is none, and what Kubernetes tells pods of a Service called batch-agent is not meant for the
    // agent.
    for (const env of [{}, { BATCH_AGENT_PORT: "" }, { BATCH_AGENT_PORT: "tcp://10.0.0.1:80" }] as Record<
      string,
      string
    >[]) {
      expect((await type(place.home, ["status"], { env })).stdout).toContain(`at http://127.0.0.1:${port}: ready`);
    }
  });

  test("nobody there, something else there, and a token that is asked for", async () => {
    const home = temporaryFolder();
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const silent = await type(home, ["status", "--url", nobody]);
    expect(silent).toMatchObject({ code: 1, stdout: "" });
    expect(silent.stderr).toBe(
      `batch-agent: no agent answers at ${nobody}: connection refused\nhint: is one running (batch-agent run), and there? Another address: --url or BATCH_AGENT_URL\n`,
    );
    expect((await type(home, ["logs", "x", "--url", "ftp://x"])).stderr).toContain('--url: "ftp://x" is not a URL');

    const server = createServer((request, response) => {
      if (request.url?.startsWith("/odd") === true) return void response.end("<html>");
      const known = request.headers.authorization === "Bearer s3cret";
      response.writeHead(known ? 200 : 401, {
        "Content-Type": known ? "application/json" : "application/problem+json",
      });
      const details = { version: "9", running: 0, queued: 0, batches: 0, problems: 0, watch: {} };
      response.end(JSON.stringify(known ? { items: [], ready: true, reasons: [], details } : { detail: "no" }));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      expect((await type(home, ["status", "--url", url])).stderr).toBe(
        `batch-agent: the agent at ${url} asks for a token\nhint: name the file that holds it with --token-file or BATCH_AGENT_TOKEN_FILE\n`,
      );
      writeFileSync(join(home, "token"), "s3cret\n");
      writeFileSync(join(home, "old"), "stale\n");
      expect((await type(home, ["status", "--url", url, "--token-file", "token"])).stdout).toContain("batch-agent 9");
      expect(
        (await type(home, ["status", "--url", `${url}/`], { env: { BATCH_AGENT_TOKEN_FILE: "token" } })).code,
      ).toBe(0);
      expect((await type(home, ["status", "--url", url, "--token-file", "old"])).stderr).toContain(
        "does not take this token",
      );
      expect((await type(home, ["status", "--url", url, "--token-file", "gone"])).stderr).toContain(
        "cannot read the token",
      );
      expect((await type(home, ["status", "--url", `${url}/odd`])).stderr).toContain("is not a batch-agent");
    } finally {
      server.close();
    }
  });
});

describe("logs", { timeout: 120_000 }, () => {
  test("what did not start says why there is no output, and a run leads to its executions", async () => {
    const place = workplace();
    place.put("first", yearly, "exit 3");
    place.put("second", "after: first\n", "true");
    const agent = await startAgent(place);
    const { run } = await ranOnce(place, agent, "first");
    await eventually(async () => (await agent.executions("?batch=second&status=aborted")).length === 1);
    const say = (...args: string[]) => type(place.home, ["logs", "--url", agent.url, ...args]);
    expect(await say("second")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringContaining("second did not start, so there is no output: aborted, first failed") as string,
    });
    expect(await say(run)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        `${run} is a run, not an execution\nhint: batch-agent history --run ${run}`,
      ) as string,
    });
  });

  test("stdout to stdout and stderr to stderr, one of them, their tails; by id or by name", async () => {
    const place = workplace();
    place.put("talk", yearly, "seq 5; seq 11 15 >&2; printf 'é\\x00\\x1b]0;t\\a\\xff'");
    const agent = await startAgent(place);
    const { id } = await ranOnce(place, agent, "talk");
    const say = (...args: string[]) => type(place.home, ["logs", ...args], { env: { BATCH_AGENT_URL: agent.url } });
    const whole = await say(id);
    expect(whole).toEqual({
      code: 0,
      stdout: "1\n2\n3\n4\n5\né\0\u001b]0;t\u0007\ufffd",
      stderr: "11\n12\n13\n14\n15\n",
    });
    expect(await say("talk")).toEqual(whole);
    expect(await say(id, "--stream", "stderr", "--tail", "2")).toEqual({ code: 0, stdout: "", stderr: "14\n15\n" });
    expect((await say(id, "-f", "--stream", "stdout", "--tail", "2")).stdout).toBe("5\né\0\u001b]0;t\u0007\ufffd");
    expect(
      (
        await typeOnTerminal(place.home, ["logs", id, "--stream", "stdout", "--tail", "1"], {
          BATCH_AGENT_URL: agent.url,
        })
      ).stdout,
    ).toBe("é^@^[]0;t^G\ufffd");
    expect(await say("nobody")).toMatchObject({
      code: 1,
      stderr: `batch-agent: the agent at ${agent.url} has no batch nobody\n`,
    });
    place.put("new", yearly, "true");
    await eventually(async () => (await agent.get("/api/batches/new")).ok);
    expect(await say("new")).toMatchObject({ code: 1, stderr: "batch-agent: new has not run yet\n" });
    expect(await say(id.slice(0, -1) + (id.endsWith("0") ? "1" : "0"))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no execution") as string,
    });
  });

  test("-f goes on to the end, and gives the script's exit code", async () => {
    const place = workplace();
    place.put(
      "slow",
      yearly,
      'echo begin; until [ -e "$BATCH_STATE_DIR/go" ]; do sleep 0.1; done; echo end; echo bad >&2; exit 7',
    );
    const agent = await startAgent(place);
    const id = (await type(place.home, ["trigger", "slow"])).stdout.trim();
    const child = spawn(process.execPath, [main, "logs", "-f", "slow", "--url", agent.url], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    await eventually(() => out === "begin\n");
    writeFileSync(join(place.data, "batches/slow/state/go"), "");
    const [code] = (await once(child, "close")) as [number];
    expect([code, out, err]).toEqual([7, "begin\nend\n", "bad\nbatch-agent: slow failed: exit code 7\n"]);
    expect((await type(place.home, ["logs", "-f", id, "--url", agent.url])).code).toBe(7);
    expect((await type(place.home, ["logs", id, "--url", agent.url])).code).toBe(0);
  });

  test("-f outlasts silences, however long and however many", async () => {
    const running = { ...execution({ status: "running" }), finishedAt: null };
    let asked = 0;
    const server = createServer((request, response) => {
      if (!request.url?.includes("/log"))
        return response
          .setHeader("Content-Type", "application/json")
          .end(
            JSON.stringify(
              asked > 4 ? { ...running, status: "succeeded", exitCode: 0, finishedAt: running.createdAt } : running,
            ),
          );
      asked += 1;
      response.writeHead(200).flushHeaders();
      // As after five minutes in which nothing came.
      return asked < 5 ? setTimeout(() => response.destroy(), 20) : response.end();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const said: string[] = [];
    const output = { write: () => Promise.resolve(), terminal: false };
    const client = createClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, null);
    const code = await logs(
      client,
      running.id,
      { follow: true, stream: "stdout", tail: null, timestamps: false, raw: false },
      {
        stdout: output,
        stderr: output,
        complain: (text) => void said.push(text),
        wait: () => Promise.resolve(),
        monotonic: () => asked * 300_000,
      },
    );
    server.close();
    expect([code, said, asked > 4]).toEqual([0, [], true]);
  });

  test("-f loses and repeats nothing when the agent is killed and comes back", async () => {
    const place = workplace();
    place.put(
      "long",
      yearly,
      'i=0; until [ -e "$BATCH_STATE_DIR/go" ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done; echo last',
    );
    const port = ["--port", String(await freePort())];
    const first = await startAgent(place, port);
    const id = (await type(place.home, ["trigger", "long"])).stdout.trim();
    const child = spawn(process.execPath, [main, "logs", "-f", id, "--url", first.url], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    await eventually(() => out.includes("line 20\n"));
    await first.exit("SIGKILL");
    await eventually(() => err.includes("waiting for it"));
    const seen = out.length;
    await startAgent(place, port);
    await eventually(() => out.length > seen + 200);
    writeFileSync(join(place.data, "batches/long/state/go"), "");
    const [code] = (await once(child, "close")) as [number];
    expect(code).toBe(0);
    expect(out).toBe(readFileSync(join(place.data, `batches/long/executions/${id}/stdout.log`), "utf8"));
    expect(out.endsWith("last\n")).toBe(true);
  });

  test("a large log is read no faster than it is taken; who has read enough is no error", async () => {
    const place = workplace();
    place.put("big", yearly, "echo x");
    const agent = await startAgent(place);
    const { id } = await ranOnce(place, agent, "big");
    const size = 512 * 1024 * 1024;
    truncateSync(join(place.data, `batches/big/executions/${id}/stdout.log`), size);
    const child = spawn(process.execPath, [main, "logs", id, "--url", agent.url], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let count = 0;
    let most = 0;
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      // a reader that stands still: time enough to run full
      if (count === 0) await new Promise((done) => setTimeout(done, 1_500));
      count += chunk.length;
      if (count % (16 * 1024 * 1024) < chunk.length && child.exitCode === null)
        most = Math.max(most, usage(child.pid as number).rssBytes);
    }
    expect(count).toBe(size);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(300 * 1024 * 1024);

    const cut = spawn(
      "bash",
      ["-c", `set -o pipefail; '${process.execPath}' '${main}' logs ${id} --url ${agent.url} | head -c 10`],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let err = "";
    cut.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    cut.stdout.resume();
    expect([((await once(cut, "close")) as [number])[0], err]).toEqual([0, ""]);
  });
});
