// What a team would write itself: croner and spawn, output to files, nothing on record, no limit on what runs at once.
// Usage: croner.mjs FOLDER COUNT DUE-AT, where FOLDER holds script.sh and a folder for each batch.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { Cron } from "croner";
import { batchName } from "../world.mjs";

const [home = "", count = "0", dueAt = "0"] = process.argv.slice(2);
let running = Number(count);
for (let i = 0; i < Number(count); i++)
  new Cron(new Date(Number(dueAt)), () => {
    const logs = ["out", "err"].map((name) => openSync(join(home, batchName(i), name), "a"));
    const child = spawn("bash", ["script.sh"], { cwd: home, stdio: ["ignore", ...logs], detached: true });
    for (const log of logs) closeSync(log);
    child.once("exit", () => {
      running -= 1;
      if (running === 0) process.exit();
    });
  });
