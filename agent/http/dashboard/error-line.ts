// Decides where in the last lines of a failed execution's log the error most likely stands. Pure.

/** Words that tools write where they give up, as whole words; `0 errors` and `--error-limit` are none of them. */
const words =
  "error|errno|fatal|panic|exception|traceback|failed|failure|cannot|can't|denied|refused|not found|no such|" +
  "unable to|undefined|segmentation fault|timed? ?out";
const telling = new RegExp(String.raw`(?<![\w-])(?:${words})(?![\w-])|(?<=[a-z])(?:Error|Exception)\b`, "i");
const negated = /\b(?:0|no|without) (?:errors?|failures?|failed)\b/gi;

/** Index of the last line that tells of an error; null where none does. */
export function errorLine(lines: readonly string[]): number | null {
  const found = lines.findLastIndex((line) => telling.test(line.replace(negated, "")));
  return found === -1 ? null : found;
}
