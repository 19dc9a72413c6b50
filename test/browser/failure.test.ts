// What somebody woken at night sees of a failure, in the first screen of a desktop and of a phone.
import { expect, test, vi } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { openPage } from "../helpers/browser.ts";
import { eventually, inFirstScreen, rarely, runTo, trigger } from "../helpers/dashboard.ts";

vi.setConfig({ testTimeout: 240_000 });

const desktop = { width: 1400, height: 900 };
const phone = { width: 390, height: 844 };
const steps = ["one-extract", "two-check", "three-load", "four-aggregate", "five-report", "six-mail"];

/** A chain of six whose fourth succeeds once and then, after an edit, fails. */
async function chain() {
  const place = workplace();
  steps.forEach((name, i) =>
    place.put(name, i === 0 ? `cron: "${rarely}"\n` : `after: ${steps[i - 1] ?? ""}\n`, `echo ${name}\n`),
  );
  const agent = await startAgent(place);
  const last = (status: string, count: number) =>
    eventually(async () => (await agent.executions(`?batch=six-mail&status=${status}`)).length === count);
  await trigger(agent, place, "one-extract");
  await last("succeeded", 1);
  const { revision } = await agent.batch("four-aggregate");
  place.put("four-aggregate", null, 'echo reading\nprintf "connecting\\nERROR: no column net_total\\n" >&2\nexit 3\n');
  await eventually(async () => (await agent.batch("four-aggregate")).revision !== revision);
  for (const count of [1, 2]) {
    await trigger(agent, place, "one-extract");
    await last("aborted", count);
  }
  return { place, agent };
}

test("a failure is answered in the first screen, on a desktop and on a phone", async () => {
  const { agent } = await chain();
  const [failed] = await agent.executions("?batch=four-aggregate&status=failed");
  for (const viewport of [desktop, phone]) {
    const page = await openPage(`${agent.url}/executions/${failed?.id ?? ""}`, { viewport });
    const answer = page.locator("#answer");
    expect(await answer.locator(".what").textContent()).toMatch(/failed .* exit code 3/);
    expect(await answer.locator(".last-word").textContent()).toBe("ERROR: no column net_total");
    expect(await answer.textContent()).toContain("2 failures in a row");
    expect(await answer.textContent()).toMatch(/1 file has changed since the last success: ?script\.sh \+3 −1/);
    for (const part of [".what", ".last-word", ".log", ".command"])
      expect([part, viewport.width, await inFirstScreen(answer.locator(part))]).toEqual([part, viewport.width, true]);
    const node = page.locator(".chain a[aria-current] .node");
    await eventually(() => inFirstScreen(node));
    expect(await node.getAttribute("class")).toContain("failed");
    expect(await page.title()).toMatch(/^\(1 failing\) /);
  }
});

test("the command is copied, and is the one that runs it again", async () => {
  const { agent } = await chain();
  const [failed] = await agent.executions("?batch=four-aggregate&status=failed");
  const page = await openPage(`${agent.url}/executions/${failed?.id ?? ""}`);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await eventually(async () => (await page.locator("#connection").textContent()) === "Copied");
  expect(await page.evaluate("navigator.clipboard.readText()")).toBe(`batch-agent rerun ${failed?.id ?? ""}`);
  const silent = await openPage(page.url(), { javaScriptEnabled: false });
  expect(await silent.locator(".command code").textContent()).toContain("batch-agent rerun");
  await eventually(async () => (await silent.getByRole("button", { name: "Copy" }).count()) === 0); // once styled
});

test("a failing batch says so at its top, in the menu and in the title, and no more once it is well", async () => {
  const place = workplace();
  place.put("flaky", `cron: "${rarely}"\n`, 'echo "disk full" >&2\n[ -e "$BATCH_STATE_DIR/well" ]\n');
  place.put("broken", 'cron: "61 * * * *"\n', "true\n");
  const agent = await startAgent(place);
  await runTo(agent, place, "flaky", "failed");
  await runTo(agent, place, "flaky", "failed");
  const page = await openPage(`${agent.url}/batches/flaky`, { viewport: phone });
  const top = page.getByRole("region", { name: "Failing" });
  expect(await top.textContent()).toMatch(/Failing since .* 2 times in a row/);
  expect(await top.textContent()).toContain("disk full");
  expect(await inFirstScreen(top)).toBe(true);
  expect(await page.locator("#failing-count").textContent()).toBe("1 failing");
  expect(await page.locator("#problem-count").textContent()).toBe("1");
  expect(await page.title()).toBe("(1 failing) flaky · batch-agent");

  place.put("flaky", null, "true\n");
  await eventually(async () => {
    await trigger(agent, place, "flaky");
    return (await agent.executions("?batch=flaky&status=succeeded")).length > 0;
  });
  await eventually(async () => (await page.title()) === "flaky · batch-agent");
  expect(await top.count()).toBe(0);
  expect(await page.locator("#failing-count").textContent()).toBe("");

  const [first] = (await agent.executions("?batch=flaky&status=failed")).slice(-1);
  await page.goto(`${agent.url}/executions/${first?.id ?? ""}`);
  expect(await page.locator("#answer").textContent()).toMatch(/First failure.*Succeeded again/);
});

test("what was aborted because the batch before it failed says how to go on from the failure", async () => {
  const place = workplace();
  place.put("first", `cron: "${rarely}"\n`, "exit 3\n");
  place.put("second", "after: first\n", "true\n");
  const agent = await startAgent(place);
  const { run } = await runTo(agent, place, "first", "failed");
  const aborted = await eventually(async () => (await agent.executions("?batch=second&status=aborted"))[0]);
  const page = await openPage(`${agent.url}/executions/${aborted.id}`, { viewport: phone });
  expect(await page.locator("#answer .command code").textContent()).toBe(`batch-agent rerun ${run}`);
});

test("a live update keeps the focus, the place in a box, and text that is being selected", async () => {
  const place = workplace();
  const script = Array.from({ length: 200 }, (_, index) => `# line ${index}\n`).join("");
  place.put("long", `cron: "${rarely}"\n`, `${script}exit 3\n`);
  const agent = await startAgent(place);
  await runTo(agent, place, "long", "failed");
  const page = await openPage(`${agent.url}/batches/long`);
  const source = page.locator("pre.source");
  const failures = async (count: number) =>
    eventually(async () =>
      (await page.getByRole("region", { name: "Failing" }).textContent())?.includes(`${count} times`),
    );
  await page.evaluate("document.querySelector('pre.source').scrollTop = 500");
  await source.focus();
  await runTo(agent, place, "long", "failed");
  await failures(2);
  expect(await page.evaluate("[document.activeElement.className, document.activeElement.scrollTop]")).toEqual([
    "source",
    500,
  ]);

  await page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))");
  await runTo(agent, place, "long", "failed");
  await eventually(async () => (await page.title()).length > 0 && (await agent.executions("?batch=long")).length === 3);
  expect(await page.evaluate("getSelection().toString()")).toBe("long");
  await page.evaluate("getSelection().removeAllRanges()");
  await failures(3);
});

test("a running one shows the command that cancels it", async () => {
  const place = workplace();
  place.put("slow", `cron: "${rarely}"\n`, "sleep 60\n");
  const agent = await startAgent(place);
  const { id } = await trigger(agent, place, "slow");
  const page = await openPage(`${agent.url}/executions/${id}`, { viewport: phone });
  expect(await page.locator(".command code").textContent()).toBe(`batch-agent cancel ${id}`);
  expect(await inFirstScreen(page.locator(".command"))).toBe(true);
  expect(await page.getByRole("region", { name: "Stop it" }).textContent()).toMatch(
    /^Running for [\d.]+ m?s, 0 bytes of/,
  );
});
