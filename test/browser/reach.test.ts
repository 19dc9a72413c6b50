// The dashboard by keyboard, its help, its timeline and a run, in a real Chromium.
import { expect, test, vi } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { openPage, seriousFindings } from "../helpers/browser.ts";
import { eventually, inFirstScreen, rarely, runTo, trigger } from "../helpers/dashboard.ts";

vi.setConfig({ testTimeout: 240_000 });

async function world() {
  const place = workplace();
  place.put("alpha", `cron: "${rarely}"\n`, "true\n");
  place.put("beta", "after: alpha\n", "sleep 0.3\n");
  place.put("gamma", `cron: "${rarely}"\n`, "exit 4\n");
  const agent = await startAgent(place);
  const { run } = await trigger(agent, place, "alpha");
  await eventually(async () => (await agent.executions("?batch=beta&status=succeeded")).length === 1);
  await runTo(agent, place, "gamma", "failed");
  return { agent, run };
}

test("keys: go to pages, search, walk the rows, and a help that lists them", async () => {
  const { agent } = await world();
  const page = await openPage(agent.url);
  const focused = () => page.evaluate("document.activeElement.textContent");
  for (const [key, path] of [
    ["e", "/executions"],
    ["t", "/timeline"],
    ["p", "/problems"],
    ["b", "/"],
  ] as const) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.waitForURL(agent.url + path);
  }
  await page.keyboard.press("j");
  expect(await focused()).toContain("failed");
  await page.keyboard.press("j");
  expect(await focused()).not.toContain("failed");
  await page.keyboard.press("k");
  expect(await focused()).toContain("failed");
  await page.keyboard.press("/");
  expect(await page.evaluate("document.activeElement.name")).toBe("q");
  await page.keyboard.type("gb?");
  expect(await page.getByRole("searchbox").inputValue()).toBe("gb?");
  await page.keyboard.press("Escape");
  await page.locator("main").focus();
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Help" });
  expect(await help.textContent()).toContain("Go to the executions");
  expect(await seriousFindings(page)).toEqual([]);
  await page.keyboard.press("Escape");
  expect(await help.count()).toBe(0);
  await page.getByRole("button", { name: "Help" }).click();
  expect(await help.count()).toBe(1);
  await help.getByRole("button", { name: "Close" }).click();
  expect(await help.count()).toBe(0);
});

test("without scripts there is no key and no button that needs them", async () => {
  const { agent } = await world();
  const page = await openPage(agent.url, { javaScriptEnabled: false });
  await page.waitForLoadState("load"); // the style sheet hides it
  expect(await page.getByRole("button", { name: "Help" }).count()).toBe(0);
  await page.getByRole("link", { name: "Executions" }).click();
  await page.getByRole("link", { name: "failed", exact: true }).click();
  expect(await page.locator(".executions tbody tr").count()).toBe(1);
  await page.getByRole("link", { name: "Timeline" }).click();
  await page.getByRole("link", { name: "Day before" }).click();
  await page.waitForURL(/at=/);
  expect(await page.locator("#lanes").textContent()).toContain("Nothing ran in this time");
});

test("the timeline: a failure is seen, any day and zoom are links, colours are named", async () => {
  const { agent } = await world();
  const page = await openPage(`${agent.url}/timeline`, {
    viewport: { width: 1400, height: 900 },
    timezoneId: "Asia/Kolkata",
  });
  const lane = page.locator(".timeline tbody tr", { hasText: "gamma" });
  expect(await lane.locator("a rect.failed").count()).toBe(1);
  expect(await lane.locator("title").last().textContent()).toMatch(
    /^gamma failed: exit code, .* GMT\+5:30 \(.*UTC\), took /,
  );
  expect(await page.locator("[data-zone-name]").textContent()).toMatch(/Asia\/(Kolkata|Calcutta)/);
  expect(await inFirstScreen(page.getByRole("group", { name: "Legend" }))).toBe(true);
  for (const zoom of ["Hour", "6 hours", "Week", "Day"]) {
    await page.getByRole("link", { name: zoom, exact: true }).click();
    await eventually(async () =>
      (await page.locator('[aria-label="Time"] [aria-current]').allTextContents()).includes(zoom),
    );
    expect(await page.locator(".timeline tbody tr", { hasText: "gamma" }).locator("a rect.failed").count()).toBe(1);
  }
  await page.getByRole("link", { name: "Day before" }).click();
  await page.waitForURL(/at=/);
  await page.getByRole("link", { name: "Day after" }).click();
  await eventually(async () => (await page.locator(".timeline tbody tr", { hasText: "gamma" }).count()) === 1);
});

test("a run: its graph, its times, the path that took longest", async () => {
  const { agent, run } = await world();
  const page = await openPage(`${agent.url}/runs/${run}`);
  expect(await page.locator(".gantt tbody tr").count()).toBe(2);
  expect(await page.locator("#run").textContent()).toMatch(/Total time .*critical path alpha → beta/);
  await page.locator(".gantt tbody tr", { hasText: "beta" }).locator("svg a").click();
  await page.waitForURL(/\/executions\//);
  expect(await page.locator("h1").textContent()).toContain("beta");
});
