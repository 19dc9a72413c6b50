// A folder of some forty batches with a past of failures, retries and thousands of short runs, for pictures and for
// looking at pages. `node bench/demo.mjs FOLDER` keeps an agent running on it until it is interrupted.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ulid } from "ulid";
import { urlOf } from "./world.mjs";

const program = join(dirname(fileURLToPath(import.meta.url)), "../dist/main.js");
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const night = ["night-extract", "night-check", "night-load", "night-aggregate", "night-report", "night-mail"];

const aggregateBefore = `#!/bin/bash
set -eu
echo "reading 48,210 rows from staging.orders"
for part in 1 2 3 4; do
  echo "part $part of 4: totals written"
done
echo "done"
`;
const aggregateAfter = `#!/bin/bash
set -eu
echo "reading 48,210 rows from staging.orders"
for part in 1 2 3 4; do
  echo "part $part of 4: totals written"
done
echo "checking totals against the ledger"
printf 'connecting to ledger.internal:5432 ...\\n' >&2
printf '\\033[33mwarning: schema 41 expected, found 42\\033[0m\\n' >&2
printf '\\033[31mERROR: column "net_total" of relation "ledger" does not exist (schema 42)\\033[0m\\n' >&2
exit 3
`;

/** Batches as `name: [batch.yaml, script.sh]`. @returns {Record<string, [string, string]>} */
function batches() {
  /** @type {Record<string, [string, string]>} */
  const all = {
    "night-extract": [
      'description: "Copies the orders of the day out of the shop database"\ntags: [night, finance]\n' +
        'cron: "0 2 * * *"\ntimeZone: Europe/Berlin\nonFailure: night-alert\nenv: {SHOP_DSN: "postgres://shop"}\n',
      'echo "connected to shop"\nfor table in orders items customers; do echo "copied $table"; done\n',
    ],
    "night-check": ["tags: [night, finance]\nafter: night-extract\n", 'echo "48,210 rows, 0 doubtful"\n'],
    "night-load": ["tags: [night, finance]\nafter: night-check\n", 'echo "loaded 48,210 rows"\n'],
    "night-aggregate": [
      'description: "Adds the orders up by day, country and product"\ntags: [night, finance]\n' +
        "after: night-load\nonFailure: night-alert\ntimeout: 30m\n",
      aggregateBefore,
    ],
    "night-report": ["tags: [night, finance]\nafter: night-aggregate\n", 'echo "report written"\n'],
    "night-mail": ["tags: [night, finance]\nafter: night-report\n", 'echo "sent to 14 readers"\n'],
    "night-alert": ["tags: [night]\n", 'echo "told the ones on call"\n'],
    "poll-queue": [
      'description: "Takes work from the queue"\ntags: [often]\ncron: "* * * * *"\nkeep: {executions: 1000}\n',
      "true\n",
    ],
    "poll-mailbox": ['tags: [often]\ncron: "*/2 * * * *"\nkeep: {executions: 1000}\n', "true\n"],
    heartbeat: ['tags: [often]\ncron: "*/5 * * * *"\nkeep: {executions: 1000}\n', "true\n"],
    "crm-sync": ['tags: [crm]\ncron: "15 * * * *"\nretry: {limit: 3, delay: 5m}\n', 'echo "HTTP 503" >&2\nexit 22\n'],
    "reindex-search": [
      'description: "Builds the search index anew"\ntags: [shop]\ncron: "0 4 * * 0"\n',
      'for i in $(seq 1 2000); do echo "indexed batch $i of 2000"; echo "$((i / 20)) segment $i" > ' +
        '"$BATCH_PROGRESS"; sleep 2; done\n',
    ],
    "weekday-digest": ['tags: [people]\ncron: "0 7 * * 1-5"\ntimeZone: America/New_York\n', 'echo "digest sent"\n'],
    "month-end-close": ['tags: [finance]\ncron: "0 22 L * *"\n', 'echo "closed"\n'],
    "second-friday-rotation": ['tags: [people]\ncron: "0 9 * * 5#2"\n', 'echo "rotated"\n'],
    "fast-probe": ['tags: [often]\ncron: "*/30 * * * * *"\n', "true\n"],
    "join-figures": ["tags: [finance]\nafter: [week-a, week-b, week-c, week-d, week-e]\n", 'echo "joined"\n'],
    "week-root": ['tags: [finance]\ncron: "0 5 * * 1"\n', 'echo "prepared"\n'],
    "broken-settings": ['cron: "61 * * * *"\n', "true\n"],
    "paused-import": ['enabled: false\ncron: "0 * * * *"\n', "true\n"],
  };
  for (const letter of "abcde") all[`week-${letter}`] = ["tags: [finance]\nafter: week-root\n", `echo "${letter}"\n`];
  const names = [
    "backup-db",
    "backup-files",
    "clean-tmp",
    "rotate-logs",
    "fetch-rates",
    "fetch-weather",
    "scan-images",
  ];
  const more = [
    "thumbnails",
    "sitemap",
    "price-feed",
    "stock-levels",
    "newsletter",
    "invoices",
    "dunning",
    "geoip-update",
    "certificates-renew-and-distribute-to-all-edges",
  ];
  [...names, ...more].forEach((name, i) => {
    all[name] = [
      `description: "Runs ${name.replaceAll("-", " ")} for the shop and everything around it, as agreed"\n` +
        `tags: [shop]\ncron: "${(i * 7) % 60} ${i % 3 === 0 ? "*" : i % 24} * * *"\n`,
      'echo "done"\n',
    ];
  });
  return all;
}

/** Finance has a group, with one for the weekly figures in it. @param {string} home @param {string} name */
const folderOf = (home, name) =>
  join(
    home,
    "batches.d",
    name.startsWith("night") ? "finance" : name.startsWith("week-") ? "finance/weekly" : "",
    name,
  );

const iso = (/** @type {number} */ at) => new Date(at).toISOString();

/** Writes the folder and its past. @param {string} home */
export function writeDemo(home) {
  const now = Date.now();
  /** @type {Map<string, object[]>} */
  const past = new Map();
  /** @param {string} batch @param {number} at @param {number} durationMs @param {Record<string, unknown>} [fields] */
  const add = (batch, at, durationMs, fields = {}) => {
    const id = ulid(at);
    const failed = fields["status"] === "failed";
    const row = {
      id,
      run: id,
      batch,
      revision: "3f9ac01b2d4e",
      commit: null,
      trigger: { kind: "cron", dueAt: iso(at), by: null },
      attempt: 1,
      status: "succeeded",
      reason: failed ? "exit" : null,
      message: failed ? "exit code 1" : null,
      exitCode: failed ? 1 : 0,
      signal: null,
      pid: 4711,
      createdAt: iso(at),
      startedAt: iso(at + 40),
      finishedAt: iso(at + 40 + durationMs),
      durationMs,
      progress: null,
      estimatedEndAt: null,
      stdoutBytes: 120,
      stderrBytes: 0,
      unusual: null,
      boot: "6f2bf7e0-0a3c-4b6c-8d30-2f6f3ed7a001",
      ...fields,
    };
    past.set(batch, [...(past.get(batch) ?? []), row]);
    return row;
  };
  const wobble = (/** @type {number} */ i) => 0.8 + ((i * 37) % 41) / 100;
  for (let i = 990; i > 0; i--) {
    const at = now - i * minuteMs;
    add("poll-queue", at, 300 * wobble(i), i % 97 === 0 ? { status: "failed" } : {});
    add("poll-mailbox", now - i * 2 * minuteMs, 900 * wobble(i));
    add("heartbeat", now - i * 5 * minuteMs, 150 * wobble(i), i === 30 ? { status: "failed" } : {});
  }
  for (let day = 6; day > 0; day--) {
    let [at, by, run] = [Math.floor(now / dayMs) * dayMs - day * dayMs + hourMs, null, ""];
    night.forEach((name, step) => {
      const took = [12, 3, 9, 21, 4, 1][step] ?? 1;
      const row = add(name, at, took * minuteMs * wobble(day + step), {
        ...(run === "" ? {} : { run }),
        trigger: { kind: step === 0 ? "cron" : "after", dueAt: iso(at), by },
      });
      if (run === "") run = row.id;
      [at, by] = [Date.parse(row.finishedAt) + 200, /** @type {any} */ (row.id)];
    });
  }
  Object.keys(batches()).forEach((name, b) => {
    if (past.has(name) || name.startsWith("night") || name === "broken-settings" || name === "reindex-search") return;
    const each = name === "fast-probe" ? 90 : 30;
    for (let i = each; i > 0; i--) {
      const at = now - i * (name === "fast-probe" ? 30_000 : hourMs) - b * minuteMs;
      const failed =
        (name === "backup-files" && i < 4) ||
        (name === "fetch-rates" && i === 9) ||
        (name === "invoices" && i % 7 === 0);
      add(name, at, (b + 2) * 9_000 * wobble(i), failed ? { status: "failed" } : {});
    }
  });
  for (let i = 30; i > 0; i--) add("reindex-search", now - i * dayMs, 50 * minuteMs * wobble(i));
  mkdirSync(join(home, "batches.d"), { recursive: true });
  for (const [name, [settings, script]] of Object.entries(batches())) {
    const folder = folderOf(home, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "batch.yaml"), settings);
    writeFileSync(join(folder, "script.sh"), script);
  }
  writeFileSync(
    join(home, "batches.d/finance/_group.yaml"),
    "description: Everything the accountants wait for\ndefaults:\n  timeout: 2h\n  timeZone: Europe/Berlin\n" +
      "  env: {LEDGER: ledger.internal}\n",
  );
  for (const [name, rows] of past) {
    const head = {
      name,
      firstSeenAt: iso(now - 30 * dayMs),
      removedAt: null,
      revision: null,
      commit: null,
      schedule: null,
    };
    mkdirSync(join(home, "data/batches", name), { recursive: true });
    writeFileSync(
      join(home, "data/batches", name, "history.json"),
      `${JSON.stringify(head).slice(0, -1)},"executions":[\n` +
        `${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]}\n`,
    );
  }
}

/**
 * Starts an agent on the folder, and what a night brings: a chain that fails three times after an edit, and something
 * that runs. @param {string} home
 */
export async function startDemo(home) {
  const data = join(home, "data");
  const agent = spawn(
    process.execPath,
    [program, "run", join(home, "batches.d"), "--data", data, "--port", "0", "--grace", "1s"],
    {
      cwd: home,
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const url = await urlOf(agent);
  const trigger = (/** @type {string} */ name) =>
    execFileSync(process.execPath, [program, "trigger", name, "--data", data], { encoding: "utf8" }).trim();
  /** @param {string} path @returns {Promise<any>} */
  const get = async (path) => (await fetch(url + path)).json();
  /** @param {() => Promise<boolean>} look */
  const until = async (look) => {
    while (!(await look())) await new Promise((done) => setTimeout(done, 200));
  };
  await until(async () => (await get("/readyz")).ready);
  const chain = async () => {
    const before = (await get("/api/executions?batch=night-mail&limit=500")).items.length;
    trigger("night-extract");
    await until(async () => (await get("/api/executions?batch=night-mail&limit=500")).items.length > before);
  };
  await chain();
  const { revision } = await get("/api/batches/night-aggregate");
  writeFileSync(join(folderOf(home, "night-aggregate"), "script.sh"), aggregateAfter);
  await until(async () => (await get("/api/batches/night-aggregate")).revision !== revision);
  for (let i = 0; i < 3; i++) await chain();
  trigger("crm-sync");
  trigger("reindex-search");
  return { url, agent, get };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const home = resolve(process.argv[2] ?? "demo");
  writeDemo(home);
  const { url, agent } = await startDemo(home);
  console.log(url);
  process.on("SIGINT", () => agent.kill("SIGTERM"));
  process.on("SIGTERM", () => agent.kill("SIGTERM"));
}
