// Loaded into an agent by `node --import`: kills it right before, or right after, one of its syncs of a file.
// KILL_AT_SYNC: `before 7`, `after 3`; without it nothing is done.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [when = "", number = ""] = (process.env["KILL_AT_SYNC"] ?? "").split(" ");
let left = Number(number);
const die = () => void process.kill(process.pid, "SIGKILL");

/**
 * @param {(file: number, done: fs.NoParamCallback) => void} sync
 * @returns {(file: number, done: fs.NoParamCallback) => void}
 */
function counted(sync) {
  return (file, done) => {
    left -= 1;
    if (left === 0 && when === "before") die();
    else if (left === 0) sync(file, die);
    else sync(file, done);
  };
}

if (left > 0) {
  Object.assign(fs, { fsync: counted(fs.fsync), fdatasync: counted(fs.fdatasync) });
  syncBuiltinESMExports();
}
