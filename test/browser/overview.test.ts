// The list of batches in a real Chromium: one line a row, schedules in words, groups, tags, chains together.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { openPage } from "../helpers/browser.ts";
import { eventually, rarely, runTo } from "../helpers/dashboard.ts";

vi.setConfig({ testTimeout: 240_000 });

const long = "A description that goes on and on, as descriptions do once everybody has added a word to it. ".repeat(3);

function put(batches: string, path: string, yaml: string): void {
  mkdirSync(join(batches, path), { recursive: true });
  writeFileSync(join(batches, path, "batch.yaml"), yaml);
  writeFileSync(join(batches, path, "script.sh"), "true\n");
}

async function world() {
  const place = workplace();
  const { batches } = place;
  put(batches, "plain", 'cron: "*/5 * * * *"\n');
  put(
    batches,
    "a-name-with-many-words-that-is-nearly-as-long-as-a-name-can-be",
    `description: "${long}"\ntags: [one, two, three, four, five]\ncron: "0 7 * * 1-5"\ntimeZone: Asia/Tokyo\n`,
  );
  put(batches, "billing/z-first", `description: "${long}"\ncron: "${rarely}"\n`);
  put(batches, "billing/eu/m-second", "after: z-first\n");
  put(batches, "billing/a-third", "after: m-second\n");
  for (const letter of "bcdef") put(batches, `side-${letter}`, "after: z-first\n");
  put(batches, "join", "after: [side-b, side-c, side-d, side-e, side-f]\n");
  const agent = await startAgent(place);
  const { run } = await runTo(agent, place, "z-first", "succeeded");
  return { place, agent, run };
}

test("a row is one line at 1400 px, whatever it holds; what is shortened is whole in a title", async () => {
  const { agent } = await world();
  const page = await openPage(agent.url, { viewport: { width: 1400, height: 900 } });
  const rows = page.locator(".batches tbody tr");
  const heights = [];
  for (const row of await rows.all()) heights.push((await row.boundingBox())?.height ?? 0);
  expect(heights.length).toBe(11);
  expect(Math.max(...heights)).toBeLessThan(44);
  const named = page.locator("#b-a-name-with-many-words-that-is-nearly-as-long-as-a-name-can-be");
  expect(await named.locator("th").getAttribute("title")).toBe(long);
  expect(await named.locator(".schedule").textContent()).toContain("weekdays 07:00 Asia/Tokyo");
  expect(await page.locator("#b-plain .schedule").textContent()).toBe("every 5 minutes");
  expect(await page.locator("#b-join .schedule").textContent()).toBe("after side-b, side-c, side-d and 2 more");
});

test("groups are chosen, with all below them; chains stand together if asked for", async () => {
  const { agent } = await world();
  const page = await openPage(agent.url);
  const names = () => page.locator(".batches tbody th > a:first-child").allTextContents();
  await page.locator('select[name="group"]').selectOption("billing");
  await eventually(async () => (await names()).length === 3);
  expect(page.url()).toContain("group=billing");
  await page.getByLabel("Order").selectOption("chain");
  await eventually(async () => (await names()).join() === "z-first,m-second,a-third");
  await page.locator('select[name="group"]').selectOption("billing/eu");
  await eventually(async () => (await names()).join() === "m-second");
});

test("no name is split in mid-word on a phone, and nothing scrolls sideways", async () => {
  const { agent, run } = await world();
  for (const path of ["/", "/executions", `/runs/${run}`, "/timeline", "/batches/z-first"]) {
    const page = await openPage(agent.url + path, { viewport: { width: 390, height: 844 } });
    expect([path, await page.evaluate("document.documentElement.scrollWidth")]).toEqual([path, 390]);
    // A word that is split has a line break where no hyphen or space is.
    const split =
      await page.evaluate(`[...document.querySelectorAll(".top nav a, tbody th > a, tbody td > a, tbody .status")].filter((link) => {
      const node = [...link.childNodes].find((one) => one.nodeType === 3 && one.data.trim() !== "");
      if (node === undefined) return false;
      const tops = [...node.data].map((_, i) => { const r = document.createRange(); r.setStart(node, i); r.setEnd(node, i + 1); return r.getBoundingClientRect().top; });
      return [...node.data].some((letter, i) => i > 0 && tops[i] - tops[i - 1] > 5 && /\\w/.test(letter) && /\\w/.test(node.data[i - 1]));
    }).map((link) => link.textContent)`);
    expect([path, split]).toEqual([path, []]);
  }
});
