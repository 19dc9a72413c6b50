// What others than the folder say (answers of a server, the environment, files that options name, git) on a real
// terminal: nothing reaches it but line breaks and our own colours, and nothing ends in a stack.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { evil, onTerminal, startOnTerminal, steering } from "../helpers/terminal.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const id = "01JD0000000000000000000000";
const closing: (() => void)[] = [];

afterEach(() => closing.splice(0).forEach((close) => close()));

/** A server that says the same to every request, byte by byte as it is given. */
async function server(answer: (path: string) => string): Promise<string> {
  const listening = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (request) => {
      const path = request.toString("latin1").split(" ")[1] ?? "";
      socket.end(Buffer.from(answer(path), "utf8"));
    });
  }).listen(0, "127.0.0.1");
  await once(listening, "listening");
  closing.push(() => listening.close());
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

const http = (status: string, type: string, body: string, more = "") =>
  `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n` +
  `Connection: close\r\n\r\n${body}`;
const json = (value: unknown) => http("200 OK", "application/json", JSON.stringify(value));

/** Every text of an answer is hostile. */
function hostile(path: string): string {
  const at = new Date(0).toISOString();
  const row = {
    ...{ id, run: id, batch: evil, group: evil, revision: evil, commit: evil, params: { [evil]: evil }, attempt: 1 },
    trigger: { kind: evil, dueAt: at, by: evil, actor: evil, note: evil },
    ...{ status: "failed", reason: evil, message: evil, exitCode: 3, signal: evil, pid: 1, place: null },
    ...{ waitingFor: evil, createdAt: at, startedAt: at, finishedAt: at, durationMs: 1, progress: null },
    ...{ stdoutBytes: 1, stderrBytes: 1, outputTruncated: true, unusual: evil, late: true, estimatedEndAt: null },
  };
  const problem = { batch: evil, file: evil, line: 1, column: 1, path: evil, code: evil, message: evil, hint: evil };
  const batch = {
    ...{ name: "b", group: evil, state: "chained", definition: { after: [evil], tags: [evil] }, inherited: {} },
    ...{ revision: evil, commit: evil, next: [], blockedBy: [evil], lastExecution: row, failingSince: null },
    ...{ stats: { counts: {} }, problems: [problem], tags: [evil], description: evil },
  };
  const details = {
    version: evil,
    timeZone: "UTC",
    running: 0,
    queued: 0,
    batches: 1,
    problems: 1,
    watch: { mode: evil },
  };
  if (path === "/readyz") return json({ ready: false, reasons: [evil], details });
  if (path.startsWith("/api/batches")) return json({ items: [batch, { ...batch, name: evil }] });
  if (path === "/api/problems") return json({ items: [problem] });
  if (path === "/api/groups") return json({ items: [{ name: evil }] });
  if (path.includes("/log?")) return http("200 OK", "application/octet-stream", frame(evil));
  return path.startsWith(`/api/executions/${id}`) ? json(row) : json({ items: [row], nextCursor: null });
}

/** A log's frame as `…/log?format=frames` sends it. */
function frame(text: string): string {
  const head = Buffer.alloc(24);
  head.writeUInt8(1, 0);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return head.toString("latin1") + text;
}

function place(): string {
  const home = temporaryFolder();
  mkdirSync(join(home, "b/good"), { recursive: true });
  writeFileSync(join(home, "b/good/batch.yaml"), 'cron: "@daily"\n');
  writeFileSync(join(home, "b/good/script.sh"), "true\n");
  writeFileSync(join(home, "token"), `${evil}\n`);
  return home;
}

const commands: string[][] = [
  ["status"],
  ["status", "--json"],
  ["status", "--group", evil],
  ["history"],
  ["history", "--json"],
  ["history", `x${evil}`],
  ["logs", id],
  ["logs", "-f", id],
  ["logs", "--timestamps", "b"],
  ["plan", "b"],
];

test.each(commands.map((args) => [args.join(" ").replaceAll(evil, "…"), args] as const))(
  "hostile answers to %s",
  async (_name, args) => {
    const url = await server(hostile);
    const shown = await onTerminal(place(), [...args, args[0] === "plan" ? "--against" : "--url", url]);
    expect(shown).toContain("owned");
    expect(shown).not.toMatch(/\n +at |no batch-agent/);
    // A script's own carriage returns pass.
    expect(steering(shown, args[0] === "logs" ? /\r/g : undefined)).toBe("null");
  },
);

test.each<[name: string, answer: string]>([
  ["a refusal", http("404 Not Found", "application/problem+json", JSON.stringify({ detail: evil, title: evil }))],
  ["HTML", http("200 OK", "text/html", `<title>${evil}</title>`)],
  ["a status text", http(`500 ${evil}`, "text/plain", evil)],
  ["a header", http("500 Oops", "text/plain; \u009b31m", evil, "Retry-After: \u009b31m\u202e\r\n")],
  ["a redirect", http("302 Found", "text/plain", evil, "Location: http://127.0.0.1:1/\u009b31m\u202e\r\n")],
  ["a redirect to another scheme", http("302 Found", "text/plain", evil, "Location: \u009b31m://x\r\n")],
  ["no HTTP", `${evil}\r\n\r\n`],
  ["a list of anything", json({ items: [null, 5, evil, { name: 7 }, { name: "b", lastExecution: { status: 1 } }] })],
  ["a list that is none", json({ items: { [evil]: evil }, reasons: evil, details: null })],
  ["a word", json(evil)],
])("%s instead of an answer", async (_name, answer) => {
  const url = await server(() => answer);
  const home = place();
  await Promise.all(
    [["status"], ["logs", "b"], ["history"], ["plan", "b", "--against", url]].map(async (args) => {
      const shown = await onTerminal(home, args[0] === "plan" ? args : [...args, "--url", url]);
      expect(shown).not.toBe("");
      expect([args[0], shown]).not.toEqual([args[0], expect.stringMatching(/\n +at /)]);
      expect(steering(shown)).toBe("null");
    }),
  );
});

describe("what the environment, files and options hold", () => {
  test.each<[name: string, args: string[], env: Record<string, string>]>([
    ["an address", ["status"], { BATCH_AGENT_URL: evil }],
    ["an address of hostile parts", ["status"], { BATCH_AGENT_URL: `http://127.0.0.1:1/${evil}?${evil}` }],
    ["a host", ["history"], { BATCH_AGENT_HOST: evil }],
    ["a port", ["status"], { BATCH_AGENT_PORT: evil }],
    ["the name of a token file", ["status"], { BATCH_AGENT_TOKEN_FILE: `no${evil}` }],
    ["a token file", ["status", "--token-file", "token"], {}],
    ["a data folder", ["trigger", "x"], { BATCH_AGENT_DATA: `no${evil}` }],
    ["a data folder that is a file", ["trigger", "x", "--data", "token"], {}],
    ["a time zone", ["next", "b"], { BATCH_AGENT_TIME_ZONE: evil }],
    ["TZ", ["next", "b"], { TZ: evil }],
    ["a locale and a terminal", ["validate", "b"], { LANG: evil, LC_ALL: evil, TERM: evil, COLUMNS: evil }],
    ["a git address", ["run"], { BATCH_AGENT_GIT_URL: `ftp://${evil}` }],
    ["a git ref", ["run", "--git-url", "https://127.0.0.1:1/a", "--git-ref", evil], {}],
    ["a mail server", ["run", "b"], { BATCH_AGENT_SMTP_URL: evil }],
    ["a file for the mail server's address", ["run", "b", "--smtp-url-file", "token"], {}],
    ["a limit", ["run", "b", "--log-limit", evil], {}],
    ["an unknown runner", ["run", "b", "--runner", evil], {}],
    ["a number", ["next", "b", "-n", evil], {}],
    ["a stream", ["logs", "b", "--stream", evil], {}],
    ["a state", ["status", "--state", evil], {}],
    ["a parameter", ["exec", "good", "b", "--param", evil], {}],
    ["a parameter that is not declared", ["exec", "good", "b", "--param", `A${evil}=1`], {}],
    ["a format", ["validate", "b", "--format", evil], {}],
    ["a folder to write to", ["import-crontab", "token", "--out", `token/${evil}`], {}],
    ["a kubeconfig", ["run", "b", "--runner", "kubernetes", "--kubeconfig", `no${evil}`], {}],
  ])("%s", async (_name, args, env) => {
    const shown = await onTerminal(place(), args, env);
    expect(shown).not.toBe("");
    expect(shown).not.toMatch(/\n +at /);
    expect(steering(shown)).toBe("null");
  });

  test.each([evil, `BATCH_AGENT_PORT=${evil}`, `BATCH_AGENT_URL=http://127.0.0.1:1/${evil}`, `A="${evil}`])(
    "a .env that holds %j",
    async (line) => {
      const home = place();
      writeFileSync(join(home, ".env"), `${line}\n`);
      const shown = await onTerminal(home, ["status"]);
      expect(shown).not.toBe("");
      expect(steering(shown)).toBe("null");
    },
  );
});

test("the agent's own log of hostile batches, and of a git that says anything", async () => {
  const home = place();
  for (const [name, yaml] of [
    [`bad${evil}`, `cron: ${JSON.stringify(evil)}\n${JSON.stringify(evil)}: 1\n`],
    ["loud", `cron: "* * * * * *"\ndescription: ${JSON.stringify(evil)}\nenv: {A: ${JSON.stringify(evil)}}\n`],
  ] as const) {
    mkdirSync(join(home, "b", name));
    writeFileSync(join(home, "b", name, "batch.yaml"), yaml);
    writeFileSync(
      join(home, "b", name, "script.sh"),
      `echo '${evil}' >&2; echo '7 ${evil}' >"$BATCH_PROGRESS"; exit 3\n`,
    );
  }
  writeFileSync(join(home, "git"), `#!/bin/sh\nprintf '%s\\n' '${evil}'\nprintf '%s\\n' '${evil}' >&2\nexit 128\n`);
  chmodSync(join(home, "git"), 0o755);
  const options = ["--data", "d", "--port", "0", "--host", "127.0.0.1"];
  const batches = startOnTerminal(home, ["run", "b", ...options]);
  const git = startOnTerminal(home, ["run", "--git-url", "https://127.0.0.1:1/a", "--data", "e", "--port", "0"], {
    PATH: `${home}:${process.env["PATH"] ?? ""}`,
  });
  await eventually(() => /loud.*(exit code 3|failed)/s.test(batches.shown()), 60_000);
  await eventually(() => /cannot be followed/.test(git.shown()), 60_000);
  for (const { child } of [batches, git]) {
    const ended = once(child, "close");
    child.stdin?.write("\u0003");
    await ended;
  }
  for (const { shown } of [batches, git])
    expect(steering(shown().replace("^C", ""), /\u001b\[(?:0|3[0-9]|9[0-7])m/g)).toBe("null");
}, 150_000);
