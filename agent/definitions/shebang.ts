// First line of script.sh → options for bash. A script runs as `bash ./script.sh`, so a first line that asks for
// another interpreter would be passed over in silence: that is a fault. Pure.
import type { Fault } from "./text-file.ts";

/** Options whose value is the next word. */
const withValue = /^[-+][a-zA-Z]*[oO]$|^--(?:rcfile|init-file)$/;
const option = /^(?:[-+][a-zA-Z]+|--[a-z-]*|-)$/;
/** Options with which bash would take no script from a file. */
const isNotForFiles = (word: string) => /^-[a-zA-Z]/.test(word) && /[cs]/.test(word);

/** Returns the options that the first line asks for, none where it is no `#!` line; or what is wrong with it. */
export function parseShebang(text: string): { options: string[] } | { fault: Fault } {
  const line = text.split("\n", 1)[0]?.replace(/\r$/, "") ?? "";
  if (!line.startsWith("#!")) return { options: [] };
  const words = line
    .slice(2)
    .trim()
    .split(/[ \t]+/);
  let [interpreter = ""] = words.splice(0, 1);
  if (baseName(interpreter) === "env") {
    while (words[0] === "-S" || words[0] === "--split-string" || words[0] === "--") words.shift();
    // `-Sbash -e` and `-S bash -e` are the same to env.
    if (words[0]?.startsWith("-S") === true) words[0] = words[0].slice(2);
    interpreter = words.shift() ?? "";
  }
  const name = baseName(interpreter);
  if (name !== "bash" && name !== "sh") {
    const asked = interpreter === "" ? "nothing" : interpreter;
    return fault(
      `the first line asks for ${asked}, but a script runs as: bash ./script.sh`,
      "write #!/bin/bash, and start the other program from there, with its code in a file of its own: exec " +
        `${name || "program"} ./main`,
    );
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (!option.test(word) || isNotForFiles(word))
      return fault(
        `the first line gives bash the argument ${JSON.stringify(word)}, which is not an option for running a script`,
        "only options may stand there, such as #!/bin/bash -eu; remove the rest",
      );
    if (withValue.test(word)) at += 1;
  }
  return { options: words.filter((word) => word !== "") };
}

function fault(message: string, hint: string): { fault: Fault } {
  return { fault: { code: "shebang", path: [], place: { line: 1, column: 1 }, message, hint } };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
