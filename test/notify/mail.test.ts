// Mail against a real SMTP server that offers TLS, asks for a login, greylists, refuses, hangs, and is down.
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import type { SMTPServerOptions } from "smtp-server";
import { afterEach, expect, test } from "vitest";
import { createMailer } from "../../agent/notify/mail.ts";
import type { Courier, Message } from "../../agent/notify/port.ts";
import { mailServer, partsOf, selfSigned } from "../helpers/receivers.ts";

const mailers: Courier[] = [];
afterEach(() => mailers.splice(0).forEach((mailer) => mailer.close()));

function mailer(url: string, from: string | null = "batch@example.org"): Courier {
  const made = createMailer(url, { from, hostname: "host.example.org" });
  mailers.push(made);
  return made;
}

function mail(fields: { id?: string; to?: string; subject?: string; text?: string } = {}): Message {
  const {
    id = "01J-failure-1",
    to = "ops@example.org",
    subject = "[batch-agent] report failed",
    text = "It failed.\n",
  } = fields;
  return {
    id,
    to,
    batch: "report",
    execution: "01J" as Message["execution"],
    event: "failure",
    createdAt: "2026-11-24T12:00:00.000Z",
    content: { kind: "mail", subject, text, html: "<p>It failed.</p>" },
  };
}

const refuse = (responseCode: number, text: string) => Object.assign(new Error(text), { responseCode });
const login = (secure: boolean): SMTPServerOptions => ({
  disabledCommands: secure ? [] : ["STARTTLS"],
  allowInsecureAuth: !secure,
  onAuth({ username, password }, _session, done) {
    if (username === "agent@example.org" && password === "p@ss:word") return done(null, { user: username });
    done(refuse(535, `no entry for ${password ?? ""}`));
  },
});

test("a mail holds text and HTML, says by whom it is, and keeps its id for ever", async () => {
  const server = await mailServer();
  expect(
    await mailer(`smtp://127.0.0.1:${server.port}`, "Batches <batch@example.org>").send(
      mail({ text: "Zeile ü\n.\nFrom here\n" }),
    ),
  ).toEqual({ kind: "accepted" });
  const [got] = server.mails as [(typeof server.mails)[number]];
  expect(got).toMatchObject({ from: "batch@example.org", to: ["ops@example.org"] });
  expect(got.headers).toMatchObject({
    from: "Batches <batch@example.org>",
    to: "ops@example.org",
    subject: "[batch-agent] report failed",
    "message-id": "<01J-failure-1@example.org>",
    "auto-submitted": "auto-generated",
    date: "Tue, 24 Nov 2026 12:00:00 +0000",
  });
  expect(partsOf(got).plain.trim()).toBe("Zeile ü\n.\nFrom here");
  expect(partsOf(got).html).toContain("<p>It failed.</p>");
});

test("several mails go over the same connection", async () => {
  const server = await mailServer();
  const { send } = mailer(`smtp://127.0.0.1:${server.port}`);
  for (let i = 0; i < 5; i++) expect(await send(mail({ id: `m${i}` }))).toEqual({ kind: "accepted" });
  expect([server.mails.length, server.connections()]).toEqual([5, 1]);
});

test("nothing in a mail can become a header", async () => {
  const server = await mailServer();
  await mailer(`smtp://127.0.0.1:${server.port}`).send(
    mail({ subject: "x\r\nBcc: spy@example.org", id: "a\r\nX-Evil: 1" }),
  );
  const [got] = server.mails as [(typeof server.mails)[number]];
  expect(got.to).toEqual(["ops@example.org"]);
  expect(Object.keys(got.headers)).not.toEqual(expect.arrayContaining(["bcc"]));
  expect(Object.keys(got.headers)).not.toEqual(expect.arrayContaining(["x-evil"]));
});

test.each(["Bad\r\nBcc: x <a@b.c>", "nobody", "<a@b.c> x"])("a sender that is none: %j", (from) => {
  expect(() => mailer("smtp://127.0.0.1:1", from)).toThrow("--mail-from");
});

test("without a sender it is the login's address, or the host's", async () => {
  const server = await mailServer(login(false));
  await mailer(`smtp://agent%40example.org:p%40ss%3Aword@127.0.0.1:${server.port}`, null).send(mail());
  const plain = await mailServer();
  await mailer(`smtp://127.0.0.1:${plain.port}`, null).send(mail());
  expect([server.mails[0]?.from, plain.mails[0]?.from]).toEqual(["agent@example.org", "batch-agent@host.example.org"]);
});

test("STARTTLS with a login; TLS from the start only with a certificate that is trusted", async () => {
  const { key, cert } = selfSigned();
  const starttls = await mailServer({ ...login(true), key, cert });
  expect(await mailer(`smtp://agent%40example.org:p%40ss%3Aword@localhost:${starttls.port}`).send(mail())).toEqual({
    kind: "accepted",
  });
  expect(starttls.mails[0]).toMatchObject({ secure: true, user: "agent@example.org" });

  const tls = await mailServer({ ...login(true), secure: true, key, cert });
  const refused = await mailer(`smtps://agent%40example.org:p%40ss%3Aword@localhost:${tls.port}`).send(mail());
  expect(refused).toMatchObject({
    kind: "later",
    down: true,
    why: expect.stringMatching(/signed by itself/) as string,
  });
  expect(
    await mailer(`smtps://agent%40example.org:p%40ss%3Aword@localhost:${tls.port}/?tls.rejectUnauthorized=false`).send(
      mail(),
    ),
  ).toEqual({ kind: "accepted" });
  expect(tls.mails).toHaveLength(1);
});

test("a password goes to another machine over TLS only", async () => {
  const server = await mailServer(login(false));
  // 0.0.0.0 reaches this machine, and is not known to be it.
  const answer = await mailer(`smtp://agent%40example.org:p%40ss%3Aword@0.0.0.0:${server.port}`).send(mail());
  expect(answer).toMatchObject({ kind: "later", down: true });
  expect(server.mails).toEqual([]);
});

test("a wrong login waits to be mended, and the password is not told", async () => {
  const server = await mailServer(login(false));
  const answer = await mailer(`smtp://agent%40example.org:wr0ng@127.0.0.1:${server.port}`).send(mail());
  expect(answer).toMatchObject({ kind: "later", down: true, why: expect.stringContaining("535") as string });
  expect(JSON.stringify(answer)).not.toContain("wr0ng");
});

test.each<{ name: string; options: SMTPServerOptions; want: object }>([
  {
    name: "greylisting",
    options: { onRcptTo: (_to, _session, done) => done(refuse(450, "come back later")) },
    want: { kind: "later", down: false },
  },
  {
    name: "no such receiver",
    options: { onRcptTo: (_to, _session, done) => done(refuse(550, "no such user")) },
    want: { kind: "refused", why: expect.stringContaining("no such user") as string },
  },
  {
    name: "the sender is refused",
    options: { onMailFrom: (_from, _session, done) => done(refuse(550, "not you")) },
    want: { kind: "later", down: true },
  },
  {
    name: "the mail is refused",
    options: { onData: (stream, _session, done) => void stream.resume().on("end", () => done(refuse(554, "spam"))) },
    want: { kind: "refused" },
  },
  {
    name: "no room",
    options: { onData: (stream, _session, done) => void stream.resume().on("end", () => done(refuse(452, "no room"))) },
    want: { kind: "later", down: false },
  },
  {
    name: "too busy",
    options: { onConnect: (_session, done) => done(refuse(421, "too busy")) },
    want: { kind: "later", down: true },
  },
])("$name", async ({ options, want }) => {
  const server = await mailServer(options);
  expect(await mailer(`smtp://127.0.0.1:${server.port}`).send(mail())).toMatchObject(want);
});

test("nobody there; and one that hangs is broken off by closing", async () => {
  const server = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const hanging = mailer(`smtp://127.0.0.1:${port}`);
  const sent = hanging.send(mail());
  await once(server, "connection");
  hanging.close();
  expect(await sent).toMatchObject({ kind: "later" });
  server.close();
  expect(await mailer(`smtp://127.0.0.1:${await freePort()}`).send(mail())).toMatchObject({
    kind: "later",
    down: true,
    why: expect.stringContaining("ECONNREFUSED") as string,
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  await new Promise<void>((done) => connect(port, "127.0.0.1").on("error", () => done()));
  return port;
}
