// What the reports of a test run come to. `again FIRST` prints the files worth a second run; `sum FIRST [SECOND]` prints
// the counts, and names what passed only when run again. Reports are those of vitest's JSON reporter.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

/** Beyond so many files that fail it is no accident of a busy machine. */
const maxFilesAgain = 3;

/**
 * @typedef {{ fullName: string, status: "passed" | "failed" | "pending" | "skipped" | "todo" | "disabled" }} Assertion
 * @typedef {{ name: string, status: "passed" | "failed", assertionResults: Assertion[] }} File
 * @typedef {{ testResults: File[] }} Report
 */

/** @param {Report} report */
const failedFiles = (report) => report.testResults.filter(({ status }) => status === "failed").map(({ name }) => name);

/** @param {Report} first */
export function filesAgain(first) {
  const files = failedFiles(first);
  return files.length <= maxFilesAgain ? files : [];
}

/**
 * Counts tests; a file that could not be loaded counts as one that failed. What was run again counts as it went then.
 * @param {Report} first
 * @param {Report} [second]
 */
export function sum(first, second = { testResults: [] }) {
  const again = new Map(second.testResults.map((file) => [file.name, file]));
  const files = first.testResults.map((file) => again.get(file.name) ?? file);
  const all = files.flatMap(({ assertionResults }) => assertionResults);
  const broken = files.filter(({ status, assertionResults }) => status === "failed" && assertionResults.length === 0);
  const count = (/** @type {(status: Assertion["status"]) => boolean} */ isOne) =>
    all.filter(({ status }) => isOne(status)).length;
  const onlyAgain = first.testResults.flatMap(({ name, status, assertionResults }) => {
    if (status !== "failed" || again.get(name)?.status !== "passed") return [];
    const failed = assertionResults.filter((one) => one.status === "failed");
    return failed.length === 0 ? [name] : failed.map(({ fullName }) => `${name}: ${fullName}`);
  });
  return {
    passed: count((status) => status === "passed"),
    failed: count((status) => status === "failed") + broken.length,
    passedOver: count((status) => status !== "passed" && status !== "failed"),
    onlyAgain,
  };
}

const [command, ...paths] = process.argv.slice(2);
if (command === "again" || command === "sum") {
  const [first, second] = paths.map((path) => /** @type {Report} */ (JSON.parse(readFileSync(path, "utf8"))));
  if (first === undefined) throw new Error("name a report");
  if (command === "again") for (const file of filesAgain(first)) console.log(relative(process.cwd(), file));
  else {
    const { passed, failed, passedOver, onlyAgain } = sum(first, second);
    for (const test of onlyAgain)
      console.log(`failed at first, passed when run again: ${relative(process.cwd(), test)}`);
    if (passedOver > 0) console.log(`${passedOver} passed over: this machine lacks what they need`);
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed > 0 ? 1 : 0;
  }
}
