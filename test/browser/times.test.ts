// Times in a real Chromium: in the zone of who looks, with the batch's own beside them where they differ.
import { expect, test, vi } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { openPage } from "../helpers/browser.ts";
import { eventually, rarely, runTo } from "../helpers/dashboard.ts";

vi.setConfig({ testTimeout: 240_000 });

/** `2026-11-24 07:00` there. */
const clockIn = (timeZone: string, at: string) =>
  new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" }).format(new Date(at));

test("every page shows times of who looks, and the batch's own where they differ", async () => {
  const place = workplace();
  place.put("tokyo", `cron: "0 7 * * *"\ntimeZone: Asia/Tokyo\n`, "echo done\n");
  place.put("bad", 'cron: "0 7 * * *"\ntimeZone: Asia/Tokyo\n', "exit 1\n");
  place.put("here", `cron: "${rarely}"\ntimeZone: America/New_York\n`, "true\n");
  const agent = await startAgent(place);
  const { id, run } = await runTo(agent, place, "tokyo", "succeeded");
  await runTo(agent, place, "bad", "failed");
  const own = await runTo(agent, place, "here", "succeeded");
  const { startedAt } = (await (await agent.get(`/api/executions/${id}`)).json()) as { startedAt: string };
  const mine = clockIn("America/New_York", startedAt);
  const theirs = clockIn("Asia/Tokyo", startedAt).slice(11);
  for (const path of ["/executions", `/executions/${id}`, `/runs/${run}`, "/batches/tokyo"]) {
    const page = await openPage(agent.url + path, { timezoneId: "America/New_York" });
    const times = page.locator(`time[datetime="${startedAt}"][data-absolute]`);
    if (path.startsWith("/runs")) await eventually(async () => (await times.count()) > 0);
    await eventually(async () => (await times.first().textContent())?.startsWith(mine));
    expect([path, await times.first().textContent()]).toEqual([path, expect.stringContaining(`${theirs} Asia/Tokyo)`)]);
  }
  const page = await openPage(`${agent.url}/`, { timezoneId: "America/New_York" });
  const next = page.locator("#b-tokyo time[data-clock]");
  await eventually(async () => / \(.*07:00 Tokyo\)$/.test((await next.textContent()) ?? ""));
  expect(await next.getAttribute("title")).toMatch(/GMT-\d \(.*07:00 Asia\/Tokyo\)$/);
  expect(await page.locator("#b-here time[data-clock]").textContent()).not.toContain("(");
  await page.goto(`${agent.url}/executions/${own.id}`);
  await eventually(async () => /GMT-\d$/.test((await page.locator("time[data-absolute]").first().textContent()) ?? ""));
  await page.goto(`${agent.url}/timeline`);
  const title = page.locator("#lanes tr", { hasText: "bad" }).locator("rect title");
  await eventually(async () => (await title.first().textContent())?.includes("Asia/Tokyo)"));

  await page.goto(`${agent.url}/executions`);
  await page.getByLabel("From", { exact: true }).fill("2020-01-01T00:00");
  await page.waitForURL(/since=2020-01-01T05%3A00Z/);
  expect(await page.locator("#executions tbody tr").count()).toBe(3);
  await page.reload();
  await eventually(async () => (await page.getByLabel("From", { exact: true }).inputValue()) === "2020-01-01T00:00");
});

test("the timeline's ticks stand at full hours of who looks", async () => {
  const place = workplace();
  place.put("one", `cron: "${rarely}"\n`, "true\n");
  const agent = await startAgent(place);
  await runTo(agent, place, "one", "succeeded");
  const page = await openPage(`${agent.url}/timeline`, { timezoneId: "Asia/Kolkata" });
  const texts = () => page.locator("svg.ticks text").allTextContents();
  const hours = ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"];
  await eventually(async () => (await texts()).sort().join() === hours.join());
  const x = (await page.locator("svg.ticks text").first().getAttribute("x"))?.replace("%", "");
  const grid = (await page.locator("path.grid").first().getAttribute("d")) ?? "";
  expect(Number(/^M([\d.]+) /.exec(grid)?.[1])).toBeCloseTo((Number(x) / 100) * 1_440, 0);
});
