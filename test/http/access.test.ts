// Who is let in: by which name the agent is called, with which token, by which cookie. The token lies in a real file.
import { renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isOurHost, localPath } from "../../agent/http/protocol/access.ts";
import { isLoopback } from "../../agent/text/loopback.ts";
import { openTokenFile } from "../../agent/platform/token.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { serve } from "../helpers/http.ts";
import { execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const secret = "correct-horse-battery-staple";

async function guarded(options: { baseUrl?: string } = {}) {
  const file = join(temporaryFolder(), "token");
  writeFileSync(file, `${secret}\n`);
  const log = quietLog();
  const clock = fakeClock(t0);
  const served = await serve({
    clock,
    access: { token: await openTokenFile(file, log), baseUrl: options.baseUrl ?? null },
  });
  const ask = (path: string, headers: Record<string, string> = {}) => served.app.request(path, { headers });
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
  const post = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    served.app.request("/login", { method: "POST", body: new URLSearchParams(fields), headers });
  async function logIn(): Promise<{ Cookie: string }> {
    const response = await post({ token: secret });
    return { Cookie: response.headers.get("set-cookie")?.split(";")[0] ?? "" };
  }
  return { ...served, log, clock, file, ask, bearer, post, logIn };
}

describe("hosts", () => {
  test.each([
    ["localhost:8080", true],
    ["127.0.0.1:8080", true],
    ["[::1]:8080", true],
    ["10.1.2.3", true],
    ["[fd00::1]", true],
    ["batch-agent", true],
    ["batch-agent.ops.svc:80", true],
    ["batch-agent.ops.svc.cluster.local", true],
    ["batch.localhost", true],
    ["batches.example.com", true],
    ["BATCHES.example.com:443", true],
    ["evil.example", false],
    ["evil.example:8080", false],
    ["127.0.0.1.evil.example", false],
    ["localhost.evil.example", false],
    ["batches.example.com.evil.example", false],
    ["evil.example#localhost", false],
    ["", false],
    ["a b", false],
  ])("%s", (host, ours) => expect(isOurHost(host, "https://batches.example.com/agent")).toBe(ours));

  test("a strange one is refused whatever it asks for, unless a token is asked for", async () => {
    const { app } = await serve();
    for (const path of ["/", "/api/batches", "/metrics", "/healthz"]) {
      const response = await app.request(path, { headers: { Host: "evil.example" } });
      expect(response.status, path).toBe(421);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    }
    expect((await app.request("/api/batches", { headers: { Host: "localhost:8080" } })).status).toBe(200);
    const { ask, bearer } = await guarded();
    expect((await ask("/api/batches", { Host: "evil.example", ...bearer(secret) })).status).toBe(200);
  });

  test.each([
    ["127.0.0.1", true],
    ["127.0.1.1", true],
    ["::1", true],
    ["localhost", true],
    ["0.0.0.0", false],
    ["::", false],
    ["10.0.0.1", false],
    ["127.0.0.1.example", false],
  ] as const)("%s is reached from here only: %s", (address, only) => expect(isLoopback(address)).toBe(only));
});

test("without a token there is no login and no POST", async () => {
  const { app } = await serve();
  expect((await app.request("/login")).status).toBe(404);
  const response = await app.request("/login", { method: "POST", body: new URLSearchParams({ token: "x" }) });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

describe("a token", () => {
  test("is asked for by everything but health and the login", async () => {
    const { ask, bearer, add } = await guarded();
    const { id } = await add(execution({ status: "succeeded" }), { stdout: "secret\n" });
    for (const path of [
      "/api/batches",
      "/api/executions",
      `/api/executions/${id}/stdout`,
      `/api/executions/${id}/logs`,
      "/metrics",
      "/api/graph",
      "/api/problems",
      "/",
      "/nothing",
    ]) {
      const response = await ask(path);
      expect(
        [response.status, response.headers.get("www-authenticate"), response.headers.get("content-type")],
        path,
      ).toEqual([401, 'Bearer realm="batch-agent"', "application/problem+json"]);
      expect(await response.json()).toMatchObject({ status: 401, title: "Unauthorized", instance: path });
    }
    for (const path of ["/healthz", "/readyz", "/login", "/style.css"])
      expect((await ask(path)).status, path).toBe(200);
    expect(await (await ask(`/api/executions/${id}/stdout`, bearer(secret))).text()).toBe("secret\n");
    expect((await ask("/api/batches", { Authorization: `bearer  ${secret} ` })).status).toBe(200);
  });

  test.each(["wrong", `${secret}x`, secret.slice(1), secret.toUpperCase(), "''"])(
    "that is %s lets nobody in",
    async (token) => {
      const { ask, bearer } = await guarded();
      expect((await ask("/api/batches", bearer(token))).status).toBe(401);
      expect((await ask("/api/batches", { Authorization: `Basic ${btoa(`x:${secret}`)}` })).status).toBe(401);
    },
  );

  test("counts as its file has it now; while that cannot be used nobody is let in", async () => {
    const { ask, bearer, file, logIn, log } = await guarded();
    const cookie = await logIn();
    const statusOf = async (headers: Record<string, string>) => (await ask("/api/batches", headers)).status;
    expect(await statusOf(cookie)).toBe(200);
    const other = `${file}.new`;
    writeFileSync(other, "another");
    renameSync(other, file);
    expect([await statusOf(bearer(secret)), await statusOf(cookie), await statusOf(bearer("another"))]).toEqual([
      401, 401, 200,
    ]);
    writeFileSync(file, "\n");
    expect([
      await statusOf({}),
      await statusOf(bearer("another")),
      await statusOf(bearer("")),
      await statusOf(cookie),
    ]).toEqual([401, 503, 401, 401]);
    rmSync(file);
    expect([await statusOf({}), await statusOf(bearer("another"))]).toEqual([401, 503]);
    expect(log.said.filter(({ message }) => message.includes("nobody is let in")).length).toBe(2);
    writeFileSync(file, secret);
    expect([await statusOf(bearer(secret)), await statusOf(cookie)]).toEqual([200, 200]);
  });

  test("in a mounted secret changes with the link the kubelet swaps", async () => {
    const folder = temporaryFolder();
    for (const [name, token] of [
      ["..one", "first"],
      ["..two", "second"],
    ] as const)
      writeFileSync(join(folder, name), token);
    symlinkSync("..one", join(folder, "token"));
    const source = await openTokenFile(join(folder, "token"), quietLog());
    expect(await source.current()).toBe("first");
    symlinkSync("..two", join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "token"));
    expect(await source.current()).toBe("second");
    unlinkSync(join(folder, "..two"));
    expect(await source.current()).toBe(null);
  });

  test.each([
    ["missing", null],
    ["empty", " \n"],
    ["two lines", "a\nb\n"],
    ["endless", "x".repeat(5_000)],
  ])("file that is %s is an error at the start", async (_what, text) => {
    const file = join(temporaryFolder(), "token");
    if (text !== null) writeFileSync(file, text);
    await expect(openTokenFile(file, quietLog())).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringContaining("--token-file") as string,
    });
  });
});

describe("the login", () => {
  test("leads from a page to the form and back, with a cookie that is not the token", async () => {
    const { ask, post } = await guarded();
    const page = await ask("/problems?x=1", { Accept: "text/html,*/*" });
    expect([page.status, page.headers.get("location")]).toEqual([303, "/login?next=%2Fproblems%3Fx%3D1"]);
    const form = await (await ask("/login?next=%2Fproblems%3Fx%3D1")).text();
    expect(form).toMatch(/<form [^>]*method="post" action="\/login">/);
    expect(form).toContain('value="/problems?x=1"');
    const response = await post({ token: ` ${secret}\n`, next: "/problems?x=1" });
    expect([response.status, response.headers.get("location")]).toEqual([303, "/problems?x=1"]);
    const cookie = response.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(
      /^batch_agent_session=\d+\.[0-9a-f]{64}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    expect(cookie).not.toContain(secret);
    expect((await ask("/", { Accept: "text/html", Cookie: cookie.split(";")[0] ?? "" })).status).toBe(200);
    expect((await ask("/api/executions", { Cookie: cookie.split(";")[0] ?? "" })).status).toBe(200);
  });

  test("has a Secure cookie behind https", async () => {
    const { post } = await guarded({ baseUrl: "https://batches.example.com" });
    expect((await post({ token: secret })).headers.get("set-cookie")).toContain("; Secure");
  });

  test("lasts a week, and no changed cookie counts", async () => {
    const { ask, logIn, clock } = await guarded();
    const { Cookie } = await logIn();
    const statusOf = async (cookie: string) => (await ask("/api/batches", { Cookie: cookie })).status;
    const [end = "", signed = ""] = Cookie.replace("batch_agent_session=", "").split(".");
    for (const forged of [
      `${Number(end) + 60}.${signed}`,
      `${end}.${"0".repeat(64)}`,
      `${end}.`,
      `.${signed}`,
      signed,
      "",
      `${end}.${signed}x`,
    ]) {
      expect(await statusOf(`batch_agent_session=${forged}`), forged).toBe(401);
    }
    clock.jump(clock.now() + 7 * 86_400_000 - 1_000);
    expect(await statusOf(Cookie)).toBe(200);
    clock.jump(clock.now() + 2_000);
    expect(await statusOf(Cookie)).toBe(401);
  });

  test("lasts a week also when the clock was set, and outlives a correction", async () => {
    const { ask, logIn, clock } = await guarded();
    const statusOf = async (cookie: string) => (await ask("/api/batches", { Cookie: cookie })).status;
    const { Cookie } = await logIn();
    for (const ms of [3_600_000, -3_600_000, -7_200_000]) {
      clock.jump(t0 + ms);
      expect(await statusOf(Cookie)).toBe(200);
    }
    clock.jump(Date.UTC(2038, 0, 20));
    const { Cookie: ofTheFuture } = await logIn();
    expect(await statusOf(ofTheFuture)).toBe(200);
    clock.jump(t0);
    expect([await statusOf(ofTheFuture), await statusOf(Cookie)]).toEqual([401, 200]);
  });

  test("says what is wrong and shows the form again", async () => {
    const { post } = await guarded();
    const response = await post({ token: "wrong", next: "/problems" });
    expect([response.status, response.headers.get("set-cookie")]).toEqual([401, null]);
    const page = await response.text();
    expect(page).toContain("wrong token");
    expect(page).toContain('value="/problems"');
  });

  test("can be left", async () => {
    const { ask, post, logIn } = await guarded();
    for (const path of ["/login", "/", "/problems"])
      expect(await (await ask(path, await logIn())).text()).toContain("Log out");
    expect(await (await (await serve()).app.request("/")).text()).not.toContain("Log out");
    const response = await post({ leave: "" });
    expect(response.headers.get("set-cookie")).toContain("batch_agent_session=; Max-Age=0");
  });

  test.each([
    [{ "Sec-Fetch-Site": "cross-site" }, 403],
    [{ "Sec-Fetch-Site": "same-site" }, 403],
    [{ Origin: "http://evil.example" }, 403],
    [{ Origin: "null" }, 403],
    [{ Origin: "http://localhost" }, 303],
    [{ Origin: "https://localhost" }, 303], // TLS may end in front of us
    [{ Origin: "http://localhost:81" }, 403],
    [{ "Sec-Fetch-Site": "same-origin", Origin: "null" }, 303],
    [{}, 303],
  ])("of a form with %j gives %i", async (headers, status) => {
    const { post } = await guarded();
    expect((await post({ token: secret }, headers as Record<string, string>)).status).toBe(status);
  });

  test.each([
    ["https://ops.example.org", 303],
    ["http://localhost", 303],
    ["https://example.org", 403],
    ["https://ops.example.org:444", 403],
    ["null", 403],
  ])("of a form of %s gives %i behind a proxy that is reached by the base URL", async (Origin, status) => {
    const { post } = await guarded({ baseUrl: "https://ops.example.org/batches" });
    expect((await post({ token: secret }, { Origin })).status).toBe(status);
  });

  test("takes no large form", async () => {
    const { post } = await guarded();
    expect((await post({ token: "x".repeat(20_000) })).status).toBe(413);
  });

  test.each([
    ["/", "/"],
    ["/batches/x?y=1", "/batches/x?y=1"],
    ["//evil.example", "/"],
    ["/\\evil.example", "/"],
    ["/a\\b", "/"],
    ["https://evil.example", "/"],
    ["javascript:alert(1)", "/"],
    ["/\t/evil.example", "/"],
    ["/a/..//evil.example", "/"],
    ["/login?next=/login", "/"],
    [undefined, "/"],
  ])("goes on to %s as %s", (asked, path) => expect(localPath(asked)).toBe(path));

  test("a link from another site is asked for once more from here, so that the cookie comes along", async () => {
    const { ask, logIn } = await guarded();
    const from = { Accept: "text/html", "Sec-Fetch-Site": "cross-site" };
    const response = await ask("/executions/1?a=b&c=%22", from);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('content="0; url=/executions/1?a=b&amp;c=%22"');
    expect((await ask("/", { ...from, "Sec-Fetch-Site": "same-origin" })).status).toBe(303);
    expect((await ask("/", { ...from, ...(await logIn()) })).status).toBe(200);
  });
});

describe("wrong tries", () => {
  test("ten a minute, then the next wrong one has to wait, while a right one is let in", async () => {
    const { ask, bearer, post, logIn, clock } = await guarded();
    const cookie = await logIn();
    for (let i = 0; i < 5; i++) expect((await ask("/api/batches", bearer(`wrong-${i}`))).status).toBe(401);
    for (let i = 5; i < 10; i++) expect((await post({ token: `wrong-${i}` })).status).toBe(401);
    const refused = await ask("/api/batches", bearer("wrong-10"));
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
    expect((await post({ token: "wrong-11" })).status).toBe(429);
    expect((await ask("/api/batches", bearer(secret))).status).toBe(200);
    expect((await post({ token: secret })).status).toBe(303);
    expect((await ask("/api/batches", cookie)).status).toBe(200);
    clock.jump(clock.now() + 86_400_000); // no time has passed
    expect((await ask("/api/batches", bearer("wrong-13"))).status).toBe(429);
    await clock.advance(60_000);
    expect((await ask("/api/batches", bearer("wrong-12"))).status).toBe(401);
  });

  test("two agents on one host have cookies of their own, by port or by path", async () => {
    const nameOf = async (host: string, baseUrl?: string) => {
      const { post } = await guarded(baseUrl === undefined ? {} : { baseUrl });
      const response = await post({ token: secret }, { Host: host });
      return response.headers.get("set-cookie")?.split("=")[0];
    };
    expect(await nameOf("ops:8080")).toBe("batch_agent_session_8080");
    expect(await nameOf("ops:8081")).toBe("batch_agent_session_8081");
    expect(await nameOf("ops")).toBe("batch_agent_session");
    expect(await nameOf("10.0.0.1:8080", "https://ops.example.org/day/a")).toBe("batch_agent_session_day_a");
  });

  test("a program with an old token does not lock out others behind its proxy", async () => {
    const { ask, bearer } = await guarded();
    for (let i = 0; i < 50; i++) expect((await ask("/metrics", bearer("old"))).status).toBe(401);
    expect((await ask("/metrics", bearer(secret))).status).toBe(200);
  });
});

describe("the agent", () => {
  test("asks for the token it was given a file of", async () => {
    const place = workplace();
    const file = join(place.home, "token");
    writeFileSync(file, `${secret}\n`);
    const agent = await startAgent(place, ["--token-file", file]);
    expect((await agent.get("/healthz")).status).toBe(200);
    expect((await agent.get("/api/batches")).status).toBe(401);
    expect((await fetch(`${agent.url}/api/batches`, { headers: { Authorization: `Bearer ${secret}` } })).status).toBe(
      200,
    );
    const login = await fetch(`${agent.url}/login`, {
      method: "POST",
      body: new URLSearchParams({ token: secret, next: "/api/problems" }),
      redirect: "manual",
    });
    const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
    expect(await (await fetch(`${agent.url}/api/problems`, { headers: { Cookie: cookie } })).json()).toEqual({
      items: [],
    });
    expect((await fetch(`${agent.url}/login`, { method: "PUT" })).status).toBe(405);
    expect(agent.log()).not.toContain(secret);
    expect(agent.log()).not.toContain("ANYBODY");
  });

  test("does not start when the file is not there, and warns when it is open to the network", async () => {
    const place = workplace();
    await expect(startAgent(place, ["--token-file", join(place.home, "none")])).rejects.toThrow(
      /--token-file: .*none cannot be used/,
    );
    const agent = await startAgent(place, ["--host", "0.0.0.0"]);
    expect(agent.log()).toContain("ANYBODY who reaches 0.0.0.0");
  });
});
