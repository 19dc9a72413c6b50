// TLS with certificates that are not what they should be, and with servers that break it off: real servers, asked with
// an authority of our own in NODE_EXTRA_CA_CERTS and GIT_SSL_CAINFO.
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Delivery } from "../../agent/notify/port.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { authority, type Certificate, type Fault } from "../helpers/certificates.ts";
import { type } from "../helpers/cli.ts";
import { repository } from "../helpers/git.ts";
import { gitServer } from "../helpers/git-server.ts";
import { mailServer } from "../helpers/receivers.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const dist = pathToFileURL(join(import.meta.dirname, "../../dist/")).href;
const closing: (() => void)[] = [];
const certificates = new Map<Fault, Certificate>();
let ofAuthority: Buffer = Buffer.alloc(0);
let caFile = "";

beforeAll(() => {
  const { own, issue } = authority();
  ofAuthority = own;
  for (const fault of ["right", "expired", "not-yet-valid", "wrong-host", "self-signed"] as const)
    certificates.set(fault, issue(fault));
});
beforeEach(() => {
  caFile = join(temporaryFolder(), "ca.pem");
  writeFileSync(caFile, ofAuthority);
});
afterEach(() => closing.splice(0).forEach((close) => close()));

const certificate = (fault: Fault) => certificates.get(fault) as Certificate;

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** An https server and the paths that were posted to it. */
async function httpsServer(fault: Fault) {
  const paths: string[] = [];
  const server = createTlsServer(certificate(fault), (request, response) => {
    paths.push(request.url ?? "");
    request.resume().on("end", () => response.end());
  });
  server.on("tlsClientError", () => undefined);
  closing.push(() => server.closeAllConnections());
  return { port: await listen(server), paths };
}

/** A server of no TLS, which does this to each connection. */
async function oddServer(act: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  closing.push(() => sockets.forEach((socket) => socket.destroy()));
  return listen(
    createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      act(socket);
    }),
  );
}

const odd: Record<string, (socket: Socket) => void> = {
  "stalls in the handshake": (socket) => void socket.resume(),
  "resets in the middle of it": (socket) => void socket.once("data", () => socket.resetAndDestroy()),
  "ends in the middle of it": (socket) =>
    void socket.once("data", () => socket.end(Buffer.from([0x16, 3, 3, 0, 80, 2]))),
  "sends 1 MB of garbage": (socket) => void socket.end(Buffer.alloc(1_000_000, "garbage ")),
  "speaks HTTP without TLS": (socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
};

/** Sends with the built program's own senders, in a process that trusts our authority. */
async function sendAll(asked: { posts: readonly string[]; mails: readonly string[] }): Promise<Delivery[]> {
  const program = `
    import { post } from "${dist}notify/http-post.js";
    import { createMailer } from "${dist}notify/mail.js";
    const { posts, mails } = ${JSON.stringify(asked)};
    const options = { now: Date.now, timeoutMs: 3_000, signal: new AbortController().signal };
    const content = { kind: "mail", subject: "s", text: "t", html: "h" };
    const message = { id: "1", to: "ops@example.org", event: "failure", createdAt: new Date().toISOString(), content };
    const sent = await Promise.all([
      ...posts.map((url) => post({ url, headers: {}, body: "secret" }, options)),
      ...mails.map((url) => createMailer(url, { from: "batch@example.org", hostname: "h" }).send(message)),
    ]);
    console.log(JSON.stringify(sent));
    process.exit();
  `;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: caFile };
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { env });
  return JSON.parse((await run).stdout) as Delivery[];
}

const words: [Fault, RegExp][] = [
  ["expired", /certificate has expired: it must be renewed/],
  ["not-yet-valid", /certificate is not valid yet: is a clock wrong/],
  ["wrong-host", /certificate is for another host( \(DNS:elsewhere\.example\))?: call it by a name/],
  ["self-signed", /certificate is signed by itself: put it in a file that NODE_EXTRA_CA_CERTS names/],
];

describe("certificates", () => {
  test("webhooks and heartbeats go to who has the right one, and say what is wrong with any other", async () => {
    const faults = ["right", ...words.map(([fault]) => fault)] as const;
    const servers = await Promise.all(faults.map(httpsServer));
    const sent = await sendAll({ posts: servers.map(({ port }) => `https://localhost:${port}/T0P`), mails: [] });
    expect(sent[0]).toEqual({ kind: "accepted" });
    for (const [index, [, why]] of words.entries())
      expect(sent[index + 1]).toMatchObject({ kind: "later", down: true, why: expect.stringMatching(why) as string });
    expect(servers.map(({ paths }) => paths)).toEqual([["/T0P"], [], [], [], []]);
    expect(JSON.stringify(sent)).not.toContain("T0P");
  });

  test.each([
    ["smtps", (made: Certificate) => ({ ...made, secure: true })],
    ["smtp", (made: Certificate) => ({ ...made, disabledCommands: ["AUTH"] })],
  ] as const)("mail over %s likewise, and nothing in the clear", async (scheme, options) => {
    const faults = ["right", ...words.map(([fault]) => fault)] as const;
    const servers = await Promise.all(faults.map((fault) => mailServer(options(certificate(fault)) as object)));
    // 0.0.0.0 reaches this machine, and is not known to be it.
    const sent = await sendAll({ posts: [], mails: servers.map(({ port }) => `${scheme}://0.0.0.0:${port}`) });
    expect(sent[0]).toEqual({ kind: "accepted" });
    for (const [index, [, why]] of words.entries())
      expect(sent[index + 1]).toMatchObject({ kind: "later", down: true, why: expect.stringMatching(why) as string });
    expect(servers.map(({ mails }) => mails.map(({ secure }) => secure))).toEqual([[true], [], [], [], []]);
  });

  test("the authority that nobody named is what is asked for", async () => {
    const { port } = await httpsServer("right");
    const asked = await type(temporaryFolder(), ["status", "--url", `https://localhost:${port}`]);
    expect(asked).toMatchObject({ code: 1 });
    expect(asked.stderr).toMatch(/authority that is not known here: put the authority's own in a file that NODE_EXTRA/);
  });
});

test.each([
  ["stalls in the handshake", /no answer within 3 s/],
  ["resets in the middle of it", /closed the connection during the TLS handshake|ECONNRESET/],
  ["ends in the middle of it", /closed the connection during the TLS handshake|ECONNRESET/],
  ["sends 1 MB of garbage", /does not speak TLS: look at the scheme and the port/],
  ["speaks HTTP without TLS", /does not speak TLS: look at the scheme and the port/],
])("a server that %s is asked again later, and told in words", async (name, why) => {
  const port = await oddServer(odd[name] as (socket: Socket) => void);
  const [sent] = await sendAll({ posts: [`https://localhost:${port}/T0P`], mails: [] });
  expect(sent).toMatchObject({ kind: "later", down: true, why: expect.stringMatching(why) as string });
});

test("mail to a server that breaks TLS off is asked again later, and told in words", async () => {
  const kinds = Object.entries(odd).filter(([name]) => !name.includes("stalls"));
  const ports = await Promise.all(kinds.map(([, act]) => oddServer(act)));
  const sent = await sendAll({ posts: [], mails: ports.map((port) => `smtps://localhost:${port}`) });
  for (const delivery of sent) expect(delivery).toMatchObject({ kind: "later", down: true });
  expect(JSON.stringify(sent)).not.toMatch(/openssl|SSL routines/);
});

test("an agent with good and bad addresses: the good ones are served, the bad ones are a problem in words", async () => {
  const place = workplace();
  const [right, expired] = [await httpsServer("right"), await httpsServer("expired")];
  const urls = [expired, right].map(({ port }) => `https://localhost:${port}/T0P`);
  const notify = `notify: { webhook: ${JSON.stringify(urls)}, ping: ${JSON.stringify(urls.map((url) => `${url}/ping`))} }`;
  place.put("report", `cron: "@yearly"\n${notify}\n`, "exit 3\n");
  const agent = await startAgent(place, [], { env: { NODE_EXTRA_CA_CERTS: caFile } });
  await type(place.home, ["trigger", "report", "--data", place.data]);
  await eventually(() => right.paths.length === 3);
  expect(right.paths.toSorted()).toEqual(["/T0P", "/T0P/ping/3", "/T0P/ping/start"]);
  const problem = await eventually(async () => {
    const { items } = await agent.json<{ items: { code: string; message: string }[] }>("/api/problems");
    return items.find(({ code }) => code === "not-delivered");
  });
  expect(problem.message).toMatch(/^https:\/\/localhost:\d+: 3 waiting, its TLS certificate has expired/);
  expect(expired.paths).toEqual([]);
});

test("a repository over https: the words of git, and what to do", async () => {
  const home = temporaryFolder();
  const work = repository(join(home, "work"));
  work.commit({ "report/batch.yaml": 'cron: "@yearly"\n', "report/script.sh": "true\n" });
  execFileSync("git", ["clone", "-q", "--bare", work.path, join(home, "served/repo.git")]);
  const agents = await Promise.all(
    (["right", "expired", "wrong-host", "self-signed"] as const).map(async (fault) => {
      const server = await gitServer(join(home, "served"), null, certificate(fault));
      const env = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_SSL_CAINFO: caFile };
      const args = ["--git-url", server.url("repo.git"), "--git-interval", "1s"];
      return { fault, agent: await startAgent(workplace(), args, { env, folder: false }) };
    }),
  );
  for (const { fault, agent } of agents) {
    if (fault === "right") {
      await eventually(async () => (await agent.batch("report")).state === "scheduled");
      continue;
    }
    const problem = await eventually(async () => {
      const { items } = await agent.json<{ items: { code: string; message: string; hint: string }[] }>("/api/problems");
      return items.find(({ code }) => code === "git-not-followed");
    });
    // GnuTLS, which Debian's git is built with, tells none of them from the others.
    expect([fault, problem.message]).toEqual([fault, expect.stringMatching(/repository's TLS certificate/)]);
    if (fault === "self-signed") expect(problem.message).toMatch(/GIT_SSL_CAINFO/);
  }
});
