// A base URL with a path, behind a real nginx that strips it and one that does not.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { createTargetReader, pathOfBase, withBase } from "../../agent/http/protocol/base-path.ts";
import { listen, type HttpServer } from "../../agent/http/server.ts";
import type { BatchFile, BatchStatus } from "../../agent/model/batch.ts";
import { openTokenFile } from "../../agent/platform/token.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";
import { isMissing } from "../helpers/tools.ts";

const base = "/ops/batches";
const report: BatchStatus = {
  name: "report",
  state: "scheduled",
  batch: batch({ file: { cron: "* * * * *", enabled: true, tags: ["billing"], env: {} } as unknown as BatchFile }),
  revision: null,
  commit: null,
  problems: [],
  blockedBy: [],
};
const proxies: ChildProcess[] = [];
const servers: HttpServer[] = [];

afterEach(async () => {
  for (const proxy of proxies.splice(0)) {
    proxy.kill("SIGTERM");
    if (proxy.exitCode === null) await once(proxy, "exit");
  }
  for (const server of servers.splice(0)) await server.close();
});

/** Starts an nginx that leads everything below the base to `port`; returns its address. */
async function nginx(port: number, strips: boolean): Promise<string> {
  const home = temporaryFolder();
  mkdirSync(join(home, "tmp"));
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const own = (probe.address() as AddressInfo).port;
  probe.close();
  await once(probe, "close");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${home}/tmp/${kind};`,
  );
  writeFileSync(
    join(home, "nginx.conf"),
    `daemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
     events {}
     http { access_log off; ${temporary.join(" ")}
       server { listen 127.0.0.1:${own};
         location = ${base} { return 302 ${base}/; }
         location ${base}/ { proxy_pass http://127.0.0.1:${port}${strips ? "/" : ""}; proxy_set_header Host $http_host; proxy_http_version 1.1; } } }`,
  );
  proxies.push(
    spawn("nginx", ["-p", home, "-c", join(home, "nginx.conf"), "-e", join(home, "error.log")], { stdio: "ignore" }),
  );
  const url = `http://127.0.0.1:${own}`;
  await eventually(async () => (await fetch(`${url}${base}/healthz`).catch(() => null))?.ok === true);
  return url;
}

async function served(token: string | null = null) {
  const baseUrl = `https://ops.example.org${base}`;
  const file = join(temporaryFolder(), "token");
  if (token !== null) writeFileSync(file, token);
  const site = await serve({
    batches: [report],
    access: { baseUrl, token: token === null ? null : await openTokenFile(file, quietLog()) },
  });
  const server = await listen(site.app, { host: "127.0.0.1", port: 0, basePath: pathOfBase(baseUrl) });
  servers.push(server);
  return { ...site, port: server.port };
}

/** Addresses in a page that lead to its own host. */
const linksOf = (page: string) =>
  [...page.matchAll(/ (?:href|src|action|data-source)="(\/[^"]*)"/g)].map(([, to = ""]) => to);

describe.skipIf(isMissing("nginx")).each([
  ["strips it", true],
  ["leaves it", false],
] as const)("behind a proxy that %s", (_name, strips) => {
  test("every link, asset and stream of every page is there below the base", async () => {
    const site = await served();
    const hostile = '<a href="/evil"> src="/evil"\n';
    const { id, run } = await site.add(execution({ status: "failed" }), { stdout: hostile });
    const url = await nginx(site.port, strips);
    const pages = [
      "/",
      "/timeline",
      "/problems",
      "/batches/report",
      `/executions/${id}`,
      `/executions/${id}?log=stdout`,
      `/runs/${run}`,
    ];
    const seen = new Set<string>();
    for (const path of pages) {
      const response = await fetch(url + base + path, { headers: { Accept: "text/html" } });
      expect([path, response.status]).toEqual([path, 200]);
      const page = await response.text();
      expect(page).not.toMatch(/"\/ops\/batches\/evil/);
      for (const link of linksOf(page)) seen.add(link.replaceAll("&amp;", "&"));
    }
    expect(seen.size).toBeGreaterThan(10);
    for (const link of seen) {
      expect(link.startsWith(`${base}/`)).toBe(true);
      if (/\.js$/.test(link)) continue; // only a built program has them
      expect([link, (await fetch(url + link, { headers: { Accept: "text/html" } })).status]).toEqual([link, 200]);
    }
    const log = await (await fetch(`${url}${base}/api/executions/${id}/stdout`)).text();
    expect(log).toBe(hostile);
    expect((await fetch(`${url}${base}/nothing`)).status).toBe(404);
    const away = new AbortController();
    const events = await fetch(`${url}${base}/api/events`, { signal: away.signal });
    expect(events.headers.get("Content-Type")).toContain("text/event-stream");
    await site.add(execution({ status: "running" }));
    const reader = events.body?.getReader();
    let text = "";
    while (!text.includes("event: execution"))
      text += new TextDecoder().decode((await reader?.read())?.value as Uint8Array | undefined);
    away.abort();
  });

  test("who logs in stays within the base", async () => {
    const site = await served("secret-token");
    const url = await nginx(site.port, strips);
    const html = { Accept: "text/html" };
    const asked = await fetch(`${url}${base}/timeline?hours=6`, { headers: html, redirect: "manual" });
    const login = asked.headers.get("Location") ?? "";
    expect(login).toBe(`${base}/login?next=${encodeURIComponent("/timeline?hours=6")}`);
    const form = await (await fetch(url + login, { headers: html })).text();
    const action = / action="([^"]+)"/.exec(form)?.[1] ?? "";
    const next = /name="next" value="([^"]+)"/.exec(form)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const entered = await fetch(url + action, {
      method: "POST",
      body: new URLSearchParams({ token: "secret-token", next }),
      redirect: "manual",
    });
    expect(entered.headers.get("Location")).toBe(`${base}/timeline?hours=6`);
    const cookie = entered.headers.get("Set-Cookie") ?? "";
    expect(cookie).toContain(`Path=${base}`);
    const headers = { ...html, Cookie: cookie.split(";")[0] ?? "" };
    expect((await fetch(`${url}${base}/timeline?hours=6`, { headers })).status).toBe(200);
    expect(
      (await fetch(`${url}${base}/api/batches`, { headers: { Authorization: "Bearer secret-token" } })).status,
    ).toBe(200);
    // A link from another site comes without the cookie and is asked for once more.
    const foreign = await fetch(`${url}${base}/problems`, { headers: { ...html, "Sec-Fetch-Site": "cross-site" } });
    expect(await foreign.text()).toContain(`content="0; url=${base}/problems"`);
  });
});

test("without a path in the base URL pages stay as they are", async () => {
  const site = await serve({ access: { baseUrl: "https://ops.example.org" } });
  expect(linksOf(await (await site.app.request("/")).text())).toContain("/timeline");
});

test.each([
  ["/ops/batches", "/"],
  ["/ops/batches/", "/"],
  ["/ops/batches?tag=x", "/?tag=x"],
  ["/ops/batches/batches/report?a=/ops/batches", "/batches/report?a=/ops/batches"],
  ["/ops/batches/api/executions/01ABC/stdout", "/api/executions/01ABC/stdout"],
  ["/batches/report", "/batches/report"],
  ["/ops/batchesX", "/ops/batchesX"],
  ["/ops/batches/nothing", "/ops/batches/nothing"],
  ["/", "/"],
  ["*", "*"],
])("%s is read as %s", async (target, wanted) => {
  const { app } = await serve();
  expect(createTargetReader("/ops/batches", app)(target)).toBe(wanted);
});

test("a base that is called as one of our own paths is read below first, then as it is", async () => {
  const { app } = await serve();
  const read = createTargetReader("/batches", app);
  expect(read("/batches/batches/report")).toBe("/batches/report");
  expect(read("/batches/api/batches")).toBe("/api/batches");
  expect(read("/batches/report")).toBe("/batches/report"); // stripped by a proxy: there is nothing at /report
});

test("only attributes that hold addresses get the base", () => {
  const page =
    '<a href="/x"><a href="//else.where"><p title="/x"> href=&quot;/x&quot;</p><input value="/x"/><a href="#x">';
  expect(withBase(page, "/b")).toBe(page.replace('href="/x"', 'href="/b/x"'));
});
