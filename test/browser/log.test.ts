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

/** Writes to both streams in turns, a second apart so that the order is known. */
const inTurns =
  'echo one; sleep 0.3; echo two >&2; sleep 0.3; printf "\\033[32mthree\\033[0m\\n"; sleep 0.3; echo four >&2\n';

test("both streams stand in the order they were written, one of them by choice, with times on demand", async () => {
  const place = workplace();
  place.put("turns", `cron: "${rarely}"\n`, inTurns);
  const agent = await startAgent(place);
  const { id } = await runTo(agent, place, "turns", "succeeded");
  const page = await openPage(`${agent.url}/executions/${id}`, { timezoneId: "Asia/Tokyo" });
  const log = page.getByRole("log");
  const lines = () => log.locator(".chunk > div").allTextContents();
  expect(await lines()).toEqual(["one", "two", "three", "four"]);
  expect(await log.locator(".fg2").textContent()).toBe("three");
  expect(await log.locator(".err").allTextContents()).toEqual(["two", "four"]);

  const times = page.getByRole("button", { name: "Times" });
  await times.click();
  expect(await times.getAttribute("aria-pressed")).toBe("true");
  const shown = await log.locator("time").all();
  expect(shown.length).toBe(4);
  const [first, last] = [await log.locator("#L1 time").getAttribute("datetime"), log.locator("#L4 time")];
  const text = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Tokyo", timeStyle: "medium" });
  expect(await log.locator("#L1").textContent()).toMatch(
    new RegExp(`^${text.format(new Date(first ?? ""))}\\.\\d one$`),
  );
  expect(Date.parse((await last.getAttribute("datetime")) ?? "")).toBeGreaterThan(Date.parse(first ?? ""));
  await times.click();
  expect(await lines()).toEqual(["one", "two", "three", "four"]);

  await page.getByRole("link", { name: /^stderr/ }).click();
  await eventually(async () => (await lines()).join() === "two,four");
  const silent = await openPage(`${agent.url}/executions/${id}`, { javaScriptEnabled: false });
  await silent.getByRole("button", { name: "Times" }).click();
  await silent.waitForURL(/times=1/);
  expect(await silent.locator("#L2").textContent()).toMatch(/^\d\d:\d\d:\d\d\.\d two$/);
});

test("the whole of a large log is searched, with next and previous, and read from any place on", async () => {
  const place = workplace();
  place.put(
    "large",
    `cron: "${rarely}"\n`,
    "seq -f 'number %.0f of a log' 1 400000\necho 'NEEDLE in stderr' >&2\nsleep 0.3\nseq -f 'number %.0f of a log' 400001 800000\n",
  );
  const agent = await startAgent(place);
  const { id } = await runTo(agent, place, "large", "succeeded");
  const page = await openPage(`${agent.url}/executions/${id}`);
  const inSight = async (line: number) => {
    const [row, box] = [await page.locator(`#L${line}`).boundingBox(), await page.getByRole("log").boundingBox()];
    return row !== null && box !== null && row.y >= box.y && row.y + row.height <= box.y + box.height;
  };
  const search = page.getByRole("searchbox");
  await search.fill("number 77777");
  await eventually(async () => (await page.locator("#log-found").textContent()) === "11 of 11"); // 777770 to 777779
  await eventually(() => inSight(777_780));
  await page.getByRole("button", { name: "Next match" }).click();
  await eventually(() => inSight(77_777));
  expect(await page.locator("#L77777").textContent()).toBe("number 77777 of a log");
  await page.getByRole("button", { name: "Previous match" }).click();
  await eventually(() => inSight(777_780));
  await search.fill("needle");
  await eventually(async () => (await page.locator("#log-found").textContent()) === "1 of 1");
  await eventually(async () => (await page.locator(".err.current").textContent()) === "NEEDLE in stderr");
  await search.fill("no such text");
  await eventually(async () => (await page.locator("#log-found").textContent()) === "no match");

  await page.evaluate("location.hash = '#L123456-L123460'");
  await eventually(() => inSight(123_456));
  expect(await page.locator(".marked").count()).toBe(5);
  await page.getByRole("link", { name: "Load later lines" }).click();
  await eventually(async () => (await page.locator("#log .chunk").count()) === 2);
  const numbers: number[] = await page.evaluate(
    "[...document.querySelectorAll('#log .chunk > div')].map(({ id }) => Number(id.slice(1)))",
  );
  expect(numbers.every((number, i) => i === 0 || number === (numbers[i - 1] ?? 0) + 1)).toBe(true);
  await page.getByRole("log").focus();
  await page.keyboard.press("End");
  await eventually(() => inSight(800_001));
  await page.keyboard.press("Home");
  await eventually(() => inSight(1));
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
  expect(await log.getAttribute("aria-label")).toBe("Output of messy");
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
