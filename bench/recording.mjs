// Makes docs/screenshots/terminal.svg anew: `npm run recording`. The built program on a real terminal, with an agent of its
// own, so that it never lies.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { terminalSvg } from "./terminal-svg.mjs";
import { urlOf } from "./world.mjs";

/** @type {typeof import("../agent/text/ansi.ts")} */
const { colourRules, plainPen, readLine } = await import(new URL("../dist/text/ansi.js", import.meta.url).href);
const program = new URL("../dist/main.js", import.meta.url).pathname;
const out = new URL("../docs/screenshots/terminal.svg", import.meta.url).pathname;
const columns = 96;
const rows = 24;
const maxBytes = 100 * 1024;

const home = mkdtempSync(join(tmpdir(), "batch-agent-recording-"));
/** @param {string} name @param {string} settings @param {string} script */
function put(name, settings, script) {
  mkdirSync(join(home, "batches.d/billing", name), { recursive: true });
  writeFileSync(join(home, "batches.d/billing", name, "batch.yaml"), settings);
  writeFileSync(join(home, "batches.d/billing", name, "script.sh"), script);
}
put("extract", 'cron: "0 2 * * 1-5"\nretry: {limit: 2}\n', 'echo "region,total"\necho "north,160"\necho "south,80"\n');
put("report", "after: extract\ninput: previous\n", 'echo "template.txt: no such file" >&2\nexit 3\n');
put("mail", "after: report\n", 'echo "sent to 14 readers"\n');
mkdirSync(join(home, "bin"));
writeFileSync(join(home, "bin/batch-agent"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
chmodSync(join(home, "bin/batch-agent"), 0o755);

const agent = spawn(process.execPath, [program, "run", "--port", "0", "--grace", "1s"], {
  cwd: home,
  stdio: ["ignore", "pipe", "inherit"],
});
const url = await urlOf(agent);
const env = {
  PATH: `${join(home, "bin")}:${process.env["PATH"]}`,
  HOME: home,
  TERM: "xterm-256color",
  BATCH_AGENT_URL: url,
};

/** Types a line on a terminal. @param {string} typed @returns {import("./terminal-svg.mjs").Step} */
function type(typed) {
  const begun = performance.now();
  let text;
  try {
    const line = `stty cols ${columns} rows ${rows}; ${typed}`;
    text = execFileSync("script", ["-qec", line, "/dev/null"], {
      cwd: home,
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  } catch (error) {
    text = /** @type {{ stdout: string }} */ (error).stdout; // ended with another code than 0, which is part of the story
  }
  let pen = plainPen;
  const lines = text
    .replaceAll("\r\n", "\n")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const read = readLine(line.replaceAll(url, "http://127.0.0.1:8080"), pen);
      pen = read.pen;
      return read.pieces;
    });
  return { typed, lines: text.trim() === "" ? [] : lines, tookMs: performance.now() - begun };
}

/** @param {string} path @returns {Promise<any>} */
const get = async (path) => (await fetch(url + path)).json();

/** @template T @param {() => Promise<T | undefined | false>} look @returns {Promise<T>} */
async function until(look) {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** @param {string} query */
const first = (query) => until(async () => (await get(`/api/executions?${query}`)).items[0]);

try {
  const steps = [
    type("cat batches.d/billing/report/batch.yaml"),
    type("batch-agent validate"),
    type("batch-agent next -n 2"),
  ];
  steps.push(type('batch-agent trigger extract --note "try it"'));
  const failed = await first("batch=report&status=failed");
  await first("batch=mail&status=aborted");
  steps.push(type("batch-agent status"), type(`batch-agent logs ${failed.id}`));
  steps.push(type("echo 'column -t -s ,' > batches.d/billing/report/script.sh"));
  await until(async () => (await get("/api/batches/report")).revision !== failed.revision);
  steps.push(type(`batch-agent rerun ${failed.id} --follow`));
  await first("batch=mail&status=succeeded");
  steps.push(type("batch-agent history --since 1h"));
  const colours = new Map(
    [...colourRules().matchAll(/\.(fg\d+)\{color:([^}]+)\}/g)].map(([, name, colour]) => [name ?? "", colour ?? ""]),
  );
  const title = "A chain fails in the middle; its script is mended, and it goes on from there";
  writeFileSync(out, terminalSvg(steps, { columns, rows, title, colours }));
  const { size } = statSync(out);
  console.log(`terminal.svg ${Math.round(size / 1024)} KiB`);
  if (size > maxBytes) throw new Error(`${out} is larger than ${maxBytes} bytes`);
} finally {
  agent.kill("SIGTERM");
  await once(agent, "exit");
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
