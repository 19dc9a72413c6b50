// The dashboard in a real Chromium against the built agent with real batches.
import { writeFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { forgive, openPage, seriousFindings } from "../helpers/browser.ts";
import { eventually, rarely, trigger } from "../helpers/dashboard.ts";

vi.setConfig({ testTimeout: 240_000 }); // a browser on a loaded machine

async function world() {
  const place = workplace();
  place.put(
    "steady",
    `description: Counts sheep\ntags: [night]\ncron: "${rarely}"\nenv: {TOKEN: hunter2}\n`,
    "echo one\n",
  );
  place.put(
    "failing",
    `description: Sends invoices\ntags: [billing]\ncron: "${rarely}"\n`,
    'echo "<script>alert(1)</script>"\nprintf "\\033[31mno such customer\\033[0m\\n" >&2\nexit 3\n',
  );
  place.put(
    "slow",
    `cron: "${rarely}"\n`,
    'for i in 1 2 3; do echo "line $i"; while [ ! -e "$BATCH_STATE_DIR/go$i" ]; do sleep 0.05; done; done\necho "the last line"\n',
  );
  place.put("first", `cron: "${rarely}"\n`, "echo 1\n");
  place.put("second", "after: first\n", "echo 2\n");
  place.put("broken", 'cron: "61 * * * *"\nenv:\n  PASSWORD: hunter2\n', "echo\n");
  const agent = await startAgent(place);
  return { place, agent };
}

test("open, filter, follow a chain; a failure is read with its stderr and what changed", async () => {
  const { place, agent } = await world();
  await trigger(agent, place, "failing");
  await trigger(agent, place, "first");
  await eventually(async () => (await agent.executions("?batch=second&status=succeeded")).length === 1);
  await eventually(async () => (await agent.executions("?batch=failing&status=failed")).length === 1);
  const page = await openPage(agent.url);
  expect(await page.locator(".batches tbody tr").first().getAttribute("id")).toBe("b-failing");

  await page.getByRole("searchbox").fill("sheep");
  await eventually(async () => (await page.locator(".batches tbody tr").count()) === 1);
  expect(page.url()).toContain("q=sheep");
  await page.getByRole("searchbox").fill("");
  await page.getByLabel("Last result").selectOption("failed");
  await eventually(async () => (await page.locator(".batches tbody th a").first().textContent()) === "failing");

  await page.locator("#b-failing .status.failed").click();
  await page.waitForURL(/\/executions\//);
  expect(await page.locator("#answer .last-word").textContent()).toBe("no such customer");
  expect(await page.locator("#answer .fg1").textContent()).toBe("no such customer");
  expect(await page.locator("#answer").textContent()).toContain("has not succeeded before");
  expect(await page.locator("#log").textContent()).toContain("no such customer");
  await page.locator(".tabs a", { hasText: "stdout" }).click();
  await eventually(async () => (await page.locator("#log").textContent())?.includes("<script>alert(1)</script>"));

  await page.goto(`${agent.url}/batches/second`);
  await page.locator(".chain a", { hasText: "first" }).click();
  await page.waitForURL(/\/batches\/first/);
  await page.locator("tbody a.line").first().click();
  await page.waitForURL(/\/executions\//);
  await page.locator("#run-title a").click();
  await page.waitForURL(/\/runs\//);
  await page.locator(".chain a", { hasText: "second" }).click();
  await page.waitForURL(/\/executions\//);
  expect(await page.locator("#facts").textContent()).toContain("after first");
});

test("a running execution: its lines arrive, it is paused and goes on, its end is seen, on the list too", async () => {
  const { place, agent } = await world();
  const go = (step: number) => writeFileSync(`${place.data}/batches/slow/state/go${step}`, "");
  const list = await openPage(agent.url);
  await eventually(async () => (await list.locator("#connection").textContent()) === "");
  const execution = await trigger(agent, place, "slow");
  await eventually(async () => (await list.locator("#b-slow .status.running").count()) === 1);

  const page = await openPage(`${agent.url}/executions/${execution.id}`);
  const log = page.locator("#log");
  await eventually(async () => (await log.textContent())?.includes("line 1"));
  await eventually(
    async () => (await page.getByRole("button", { name: "Following" }).getAttribute("aria-pressed")) === "true",
  );
  go(1);
  await eventually(async () => (await log.textContent())?.includes("line 2"));
  await page.getByRole("button", { name: "Following" }).click();
  go(2);
  await eventually(async () =>
    (await (await agent.get(`/api/executions/${execution.id}/stdout`)).text()).includes("line 3"),
  );
  expect(await log.textContent()).not.toContain("line 3");
  await page.getByRole("button", { name: "Follow" }).click();
  await eventually(async () => (await log.textContent())?.includes("line 3"));
  go(3);
  await eventually(async () => (await page.locator("#standing").textContent())?.includes("succeeded"));
  await eventually(async () => (await log.textContent())?.includes("the last line"));
  expect((await log.locator(".chunk > div").allTextContents()).filter((line) => line !== "")).toEqual([
    "line 1",
    "line 2",
    "line 3",
    "the last line",
  ]);
  await eventually(async () => (await list.locator("#b-slow .status.succeeded").count()) === 1);

  await page.getByRole("searchbox").fill("line 2");
  await eventually(async () => (await page.locator("#log-found").textContent()) === "1 of 1");
  expect(await page.locator(".hit.current").textContent()).toBe("line 2");
});

test("goes live again by itself after a proxy's bad answer, and shows the first batch there is", async () => {
  const place = workplace();
  const agent = await startAgent(place);
  const page = await openPage("about:blank");
  let bad = true;
  await page.route("**/api/events*", (route) => (bad ? route.fulfill({ status: 502, body: "" }) : route.continue()));
  await page.goto(agent.url);
  await eventually(async () => (await page.locator("#connection").textContent())?.startsWith("not live"));
  expect(await page.locator("#agent-state").isVisible()).toBe(false); // what it last said
  expect(await page.locator("#list").textContent()).toContain("There are no batches yet");
  bad = false;
  await eventually(async () => (await page.locator("#connection").textContent()) === "");
  place.put("new", `cron: "${rarely}"\n`, "true\n");
  await eventually(async () => (await page.locator("#b-new").count()) === 1);
  expect(await page.getByLabel("Order").count()).toBe(1); // there is something to filter now
  for (const complaint of forgive()) expect(complaint).toContain("502");
});

test("a large log opens at its tail, goes back by pieces, and the page holds only so much of it", async () => {
  const { place, agent } = await world();
  place.put("large", `cron: "${rarely}"\n`, "seq -f 'this is line number %.0f' 1 2000000\n");
  await eventually(async () => (await agent.get("/api/batches/large")).status === 200);
  const { id } = await trigger(agent, place, "large");
  await eventually(async () => (await agent.executions("?batch=large&status=succeeded")).length === 1);
  const page = await openPage(`${agent.url}/executions/${id}`);
  await eventually(
    async () => (await page.locator("#log .chunk > div").last().textContent()) === "this is line number 2000000",
  );
  for (let i = 0; i < 5; i++) {
    const before = await page.locator("#log .chunk > div").first().textContent();
    await page.locator(".earlier").click();
    await eventually(async () => (await page.locator("#log .chunk > div").first().textContent()) !== before);
  }
  const numbers = (await page.locator("#log .chunk > div").allTextContents()).map((line) =>
    Number(/\d+$/.exec(line)?.[0]),
  );
  expect(numbers.length).toBeGreaterThan(2_000);
  expect(numbers.length).toBeLessThanOrEqual(5_000);
  expect(numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1)).toBe(true);
});

describe("every page", () => {
  test("has nothing serious for axe in light and dark, shows no secret, and fits a phone", async () => {
    const { place, agent } = await world();
    const failed = await trigger(agent, place, "failing");
    const first = await trigger(agent, place, "first");
    await trigger(agent, place, "slow");
    await eventually(async () => (await agent.executions("?batch=second&status=succeeded")).length === 1);
    await eventually(async () => (await agent.executions("?batch=failing&status=failed")).length === 1);
    const paths = [
      "/",
      "/?q=nothing-has-this-name",
      "/executions",
      "/executions?status=queued",
      "/batches/first",
      "/batches/failing?file=batch.yaml",
      "/batches/steady?file=batch.yaml",
      "/batches/broken",
      `/executions/${failed.id}`,
      `/executions/${failed.id}?times=1`,
      `/executions/${first.id}`,
      `/runs/${first.run}`,
      `/runs/${failed.run}`,
      "/timeline",
      "/timeline?zoom=hour",
      "/problems",
    ];
    for (const colorScheme of ["light", "dark"] as const) {
      for (const path of paths) {
        const page = await openPage(agent.url + path, { colorScheme, reducedMotion: "reduce" });
        expect([path, colorScheme, await seriousFindings(page)]).toEqual([path, colorScheme, []]);
        expect(await page.content()).not.toContain("hunter2");
        if (colorScheme === "dark") {
          for (const width of [390, 360]) {
            await page.setViewportSize({ width, height: 844 });
            expect([path, await page.evaluate("document.documentElement.scrollWidth")]).toEqual([path, width]);
          }
        }
        await page.context().close();
      }
    }
    const missing = await openPage(`${agent.url}/batches/none`);
    expect(await missing.locator("h1").textContent()).toBe("Not found");
    expect(forgive().join()).toContain("404");
  });

  test("the login is a form that axe passes, on a phone too, and says what was wrong", async () => {
    const place = workplace();
    writeFileSync(`${place.data}.token`, "a-token-of-some-length\n");
    const agent = await startAgent(place, ["--token-file", `${place.data}.token`]);
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await openPage(agent.url, { colorScheme, viewport: { width: 390, height: 844 } });
      await page.waitForURL(/login/);
      expect(await seriousFindings(page)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
      await page.getByLabel("Token").fill("wrong");
      await page.getByRole("button", { name: "Log in" }).click();
      await eventually(async () => (await page.getByRole("alert").count()) === 1);
      expect(await seriousFindings(page)).toEqual([]);
      await page.getByLabel("Token").fill("a-token-of-some-length");
      await page.getByRole("button", { name: "Log in" }).click();
      await eventually(async () => (await page.locator("h1").textContent()) === "Batches");
      await page.context().close();
    }
    for (const complaint of forgive()) expect(complaint).toContain("401");
  });

  test("works without scripts", async () => {
    const { place, agent } = await world();
    const { id } = await trigger(agent, place, "failing");
    await eventually(async () => (await agent.executions("?batch=failing&status=failed")).length === 1);
    const page = await openPage(agent.url, { javaScriptEnabled: false });
    await page.getByRole("searchbox").fill("invoices");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.waitForURL(/q=invoices/);
    expect(await page.locator(".batches tbody tr").count()).toBe(1);
    await page.goto(`${agent.url}/executions/${id}?log=stderr`);
    expect(await page.locator("#log").textContent()).toContain("no such customer");
    await page.locator(".tabs a", { hasText: "stdout" }).click();
    await eventually(async () => (await page.locator("#log").textContent())?.includes("alert(1)"));
  });

  test("is walked by keyboard: the skip link, the navigation, a batch", async () => {
    const { agent } = await world();
    const page = await openPage(agent.url);
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
    await page.locator(".top nav a", { hasText: "Timeline" }).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/timeline/);
    expect(await page.locator("[aria-current=page]").textContent()).toBe("Timeline");
  });
});
