// A log in a real Chromium: numbers, links to lines, the error in sight, wrapping, following.
import { writeFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { openPage } from "../helpers/browser.ts";
import { eventually, inFirstScreen, rarely, runTo, trigger } from "../helpers/dashboard.ts";

vi.setConfig({ testTimeout: 240_000 });

test("lines are numbered, linked to, alone and as ranges, also those that the page does not hold yet", async () => {
  const place = workplace();
  place.put("long", `cron: "${rarely}"\n`, "seq -f 'number %.0f' 1 300000\n");
  const agent = await startAgent(place);
  const { id } = await runTo(agent, place, "long", "succeeded");
  const page = await openPage(`${agent.url}/executions/${id}`);
  const log = page.getByRole("log");
  expect(await log.locator(".chunk > div").last().getAttribute("id")).toBe("L300000");
  await page.locator("#L299990 .n").click();
  expect(page.url()).toMatch(/#L299990$/);
  await page.locator("#L299994 .n").click({ modifiers: ["Shift"] });
  expect(page.url()).toMatch(/#L299990-L299994$/);
  expect(await log.locator(".marked").count()).toBe(5);

  const other = await openPage(`${agent.url}/executions/${id}#L120`);
  await eventually(async () => (await other.locator("#L120").textContent()) === "number 120");
  await eventually(() => inFirstScreen(other.locator("#L120")));
  const silent = await openPage(`${agent.url}/executions/${id}?line=150000#L150000`, { javaScriptEnabled: false });
  expect(await silent.locator("#L150000").textContent()).toBe("number 150000");

  const wrap = page.getByRole("button", { name: "Wrap" });
  expect(await wrap.getAttribute("aria-pressed")).toBe("true");
  await wrap.click();
  expect(await page.evaluate("getComputedStyle(document.getElementById('log')).whiteSpace")).toBe("pre");
  await page.reload();
  await eventually(async () => (await wrap.getAttribute("aria-pressed")) === "false");
});

test("a failure's log opens at the error, not at what was written while cleaning up", async () => {
  const place = workplace();
  place.put(
    "messy",
    `cron: "${rarely}"\n`,
    "seq 1 300 >&2\necho 'ERROR: disk is full' >&2\nfor i in $(seq 200); do echo \"removing $i\" >&2; done\nexit 1\n",
  );
  const agent = await startAgent(place);
  const { id } = await runTo(agent, place, "messy", "failed");
  const page = await openPage(`${agent.url}/executions/${id}`, { viewport: { width: 1400, height: 900 } });
  const log = page.getByRole("log");
  expect(await log.getAttribute("aria-label")).toBe("stderr of messy");
  expect(await log.locator(".error-line").textContent()).toBe("ERROR: disk is full");
  const shown = async () => {
    const [line, box] = [await page.locator("#L301").boundingBox(), await log.boundingBox()];
    return line !== null && box !== null && line.y >= box.y && line.y + line.height <= box.y + box.height;
  };
  await eventually(shown);
  expect(await page.evaluate("scrollY")).toBe(0);
});

test("while one follows, the newest line is in sight, on a desktop and on a phone; numbers go on", async () => {
  const place = workplace();
  place.put(
    "slow",
    `cron: "${rarely}"\n`,
    'seq 1 100\nwhile [ ! -e "$BATCH_STATE_DIR/go" ]; do sleep 0.05; done\necho newest\nwhile [ ! -e "$BATCH_STATE_DIR/end" ]; do sleep 0.05; done\n',
  );
  const agent = await startAgent(place);
  const { id } = await trigger(agent, place, "slow");
  const pages = [];
  for (const viewport of [
    { width: 1400, height: 900 },
    { width: 390, height: 844 },
  ])
    pages.push(await openPage(`${agent.url}/executions/${id}`, { viewport }));
  for (const page of pages)
    await eventually(
      async () => (await page.getByRole("button", { name: "Following" }).getAttribute("aria-pressed")) === "true",
    );
  writeFileSync(`${place.data}/batches/slow/state/go`, "");
  for (const page of pages) {
    await eventually(async () => (await page.locator("#L101").textContent()) === "newest");
    expect([page.viewportSize()?.width, await inFirstScreen(page.locator("#L101"))]).toEqual([
      page.viewportSize()?.width,
      true,
    ]);
  }
});
