// Makes the pictures in docs/screenshots anew: `npm run screenshots`. A real Chromium on a demo folder, so that they
// never lie.
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { startDemo, writeDemo } from "./demo.mjs";

const out = join(dirname(fileURLToPath(import.meta.url)), "../docs/screenshots");
const maxBytes = 150 * 1024;
const desktop = { width: 1280, height: 620 };
const phone = { width: 390, height: 844 };

const home = mkdtempSync(join(tmpdir(), "batch-agent-demo-"));
writeDemo(home);
const { url, agent, get } = await startDemo(home);
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  const [failed] = (await get("/api/executions?batch=night-aggregate&status=failed&limit=1")).items;
  const [night] = (await get("/api/executions?batch=night-mail&status=succeeded&limit=2")).items.slice(-1);
  /** @type {[string, string, "light" | "dark", { width: number, height: number }][]} */
  const pictures = [
    ["batches", "/", "light", desktop],
    ["failure", `/executions/${failed.id}`, "light", desktop],
    ["failure-phone", `/executions/${failed.id}`, "dark", phone],
    ["timeline", "/timeline", "light", desktop],
    ["run", `/runs/${night.run}`, "dark", desktop],
  ];
  mkdirSync(out, { recursive: true });
  for (const [name, path, colorScheme, viewport] of pictures) {
    const page = await browser.newPage({ viewport, colorScheme, timezoneId: "Europe/Berlin", reducedMotion: "reduce" });
    await page.goto(url + path, { waitUntil: "load" });
    await page.waitForFunction("document.documentElement.classList.contains('scripted')");
    const file = join(out, `${name}.png`);
    await page.screenshot({ path: file });
    await page.close();
    const { size } = statSync(file);
    console.log(`${name}.png ${Math.round(size / 1024)} KiB`);
    if (size > maxBytes) throw new Error(`${file} is larger than ${maxBytes} bytes`);
  }
} finally {
  await browser.close();
  agent.kill("SIGTERM");
  await once(agent, "exit");
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
