// The `.env` of a folder that anybody may have committed to: what of it counts, and where a token goes.
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { connect } from "../../agent/cli/connect.ts";
import { readDotEnv } from "../../agent/cli/dot-env.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

async function listener() {
  const heard: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    heard.push(request.headers.authorization);
    response.writeHead(401).end();
  });
  closers.push(() => server.close());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { heard, port: String((server.address() as AddressInfo).port) };
}

test("only the agent's own names count, and what is set already wins", () => {
  const path = join(temporaryFolder(), ".env");
  writeFileSync(
    path,
    "BATCH_AGENT_DATA=d\nBATCH_AGENT_PORT=1\nBATCH_AGENT_HOST=h\nPATH=/evil\nNODE_OPTIONS=x\nTZ=UTC\n",
  );
  expect(readDotEnv(path, { BATCH_AGENT_PORT: "2", BATCH_AGENT_HOST: "" })).toEqual({
    BATCH_AGENT_DATA: "d",
    BATCH_AGENT_HOST: "h",
  });
  expect(readDotEnv(`${path}.none`, {})).toEqual({});
});

test("a FIFO or a folder of that name is an error at once", () => {
  const home = temporaryFolder();
  execFileSync("mkfifo", [join(home, "fifo")]);
  mkdirSync(join(home, "folder"));
  for (const name of ["fifo", "folder"]) expect(() => readDotEnv(join(home, name), {})).toThrow("cannot read");
});

test.each([
  ["the address from the file, the token from the shell", { url: "file", token: "shell" }, false],
  ["the port from the file, the token from the shell", { url: "port", token: "shell" }, false],
  ["the address from the file, the token by flag", { url: "file", token: "flag" }, false],
  ["both from the file", { url: "file", token: "file" }, true],
  ["the address from the shell, the token from the file", { url: "shell", token: "file" }, true],
  ["both from the shell", { url: "shell", token: "shell" }, true],
  ["the address by flag, though the file has another", { url: "flag", token: "shell" }, true],
])("%s", async (_name, { url, token }, sent) => {
  const file = join(temporaryFolder(), "token");
  writeFileSync(file, "topsecret\n");
  const { heard, port } = await listener();
  const address = { BATCH_AGENT_URL: `http://127.0.0.1:${port}` };
  const dotEnv: Record<string, string> = {
    ...(url === "file" ? address : {}),
    ...(url === "port" ? { BATCH_AGENT_PORT: port } : {}),
    ...(url === "flag" ? { BATCH_AGENT_URL: "http://127.0.0.1:1" } : {}),
    ...(token === "file" ? { BATCH_AGENT_TOKEN_FILE: file } : {}),
  };
  const shell = { ...(url === "shell" ? address : {}), ...(token === "shell" ? { BATCH_AGENT_TOKEN_FILE: file } : {}) };
  const options = {
    url: url === "flag" ? address.BATCH_AGENT_URL : undefined,
    tokenFile: token === "flag" ? file : undefined,
  };
  const client = await connect(options, { ...dotEnv, ...shell }, dotEnv);
  await expect(client.json("/readyz")).rejects.toThrow(sent ? "does not take this token" : "the token is not sent");
  expect(heard).toEqual([sent ? "Bearer topsecret" : undefined]);
});

test("a file that names a foreign address cannot name a token elsewhere on the disk", async () => {
  const file = join(temporaryFolder(), "token");
  writeFileSync(file, "topsecret\n");
  const dotEnv = { BATCH_AGENT_URL: "http://agent.invalid:1", BATCH_AGENT_TOKEN_FILE: file };
  const sent: unknown[] = [];
  const real = globalThis.fetch;
  globalThis.fetch = ((_url: string, init: RequestInit) => {
    sent.push(init.headers);
    return Promise.resolve(new Response("", { status: 401 }));
  }) as typeof fetch;
  closers.push(() => (globalThis.fetch = real));
  await expect((await connect({}, dotEnv, dotEnv)).json("/readyz")).rejects.toThrow("the token is not sent");
  expect(JSON.stringify(sent)).not.toContain("topsecret");
});
