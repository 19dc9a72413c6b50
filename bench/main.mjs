// `npm run bench [-- measure…] [--rounds N] [--full] [--json]`: each measure in turns with what one would do without
// this program.
import { readdirSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { median, table } from "./report.mjs";
import { cleanUp } from "./world.mjs";

/**
 * @typedef {object} Row     one line of the table; the figures of all rounds, in the order they were taken
 * @property {string} what   with N in it
 * @property {string} unit
 * @property {number[]} ours
 * @property {number[]} [plain]     of the plain alternative, round by round
 * @property {string} [alternative] what that is
 * @property {string} [goal]        in words
 * @property {(ours: number, ratio: number) => boolean} [met]
 *
 * @typedef {object} Options
 * @property {number} rounds
 * @property {boolean} full  also the sizes that take many minutes
 *
 * @typedef {(options: Options) => Promise<Row[]>} Measure
 */

const known = readdirSync(new URL("measures", import.meta.url)).map((file) => file.replace(".mjs", ""));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    full: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) throw new Error(`no measure ${unknown.join(", ")}; there are ${known.join(", ")}`);
process.on("SIGINT", () => process.exit(130));
process.on("exit", cleanUp);

const machine = {
  cpu: cpus()[0]?.model ?? "?",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
};
if (!values.json)
  console.log(
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}; median of ` +
      `${values.rounds} rounds in turns\n`,
  );
const results = [];
for (const name of positionals.length > 0 ? positionals : known) {
  const { measure } = /** @type {{ measure: Measure }} */ (await import(`./measures/${name}.mjs`));
  const rows = (await measure({ rounds: Number(values.rounds), full: values.full })).map((row) => {
    const ours = median(row.ours);
    const plain = row.plain === undefined ? null : median(row.plain);
    const ratio = plain === null ? null : ours / plain;
    return {
      ...row,
      measure: name,
      rounds: { ours: row.ours, plain: row.plain ?? null },
      ours,
      plain,
      ratio,
      met: row.met?.(ours, ratio ?? NaN) ?? null,
    };
  });
  results.push(...rows);
  if (!values.json) console.log(table(name, rows));
}
if (values.json) console.log(JSON.stringify({ machine, results }, null, 2));
process.exit();
