// A real terminal, by script(1), and text that tries to steer it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { main } from "./cli.ts";

/** Sets the title and the clipboard, clears the screen, turns the direction of writing, goes back. */
export const evil = "\u001b]0;owned\u0007\u001b]52;c;b3duZWQ=\u0007\u001b[2J\u009b31m\u202e\r\u0008";

/** What may come: line breaks (a terminal adds the carriage return) and the colours of text/table.ts. */
const ours = /\r\n|\n|\u001b\[(?:[12]|22|3[1236]|39)m/g;

/** Characters that steer a terminal, beside our own; `null` for none. `alsoFine`: what else may be shown. */
export function steering(shown: string, alsoFine = /^$/): string {
  return JSON.stringify(
    shown
      .replace(ours, "")
      .replace(alsoFine, "")
      .match(/[\p{Cc}\u202e]/gu),
  );
}

export interface OnTerminal {
  child: ChildProcess;
  /** All that the terminal got so far. */
  shown: () => string;
}

/** Starts the built program on a terminal; what is written to the child's stdin is typed there. */
export function startOnTerminal(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): OnTerminal {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const command = [process.execPath, main, ...args].map(quote).join(" ");
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: cwd, TERM: "xterm", ...env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  let shown = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (shown += text));
  return { child, shown: () => shown };
}

/** Returns all that a terminal gets of a command, to its end. */
export async function onTerminal(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { child, shown } = startOnTerminal(cwd, args, env);
  await once(child, "close");
  return shown();
}
