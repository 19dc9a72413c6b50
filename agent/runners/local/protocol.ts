// Describes what agent and launcher say to each other: one JSON object a line, orders one way and answers the other.

/** Order to start one script. All paths are absolute. */
export interface LaunchOrder {
  id: string;
  /** Folder of the execution; made where it is not there. */
  folder: string;
  /** The batch's own folder that lasts; made where it is not there. */
  stateDir: string;
  cwd: string;
  bash: string;
  options: readonly string[];
  env: Readonly<Record<string, string>>;
  /**
   * Files that are the script's stdin, one after the other; those that are not there, or are no files, are passed
   * over.
   */
  inputs: readonly string[];
  output: "file" | "pipe";
}

export type LaunchAnswer =
  /** Nothing was started. */
  | { id: string; kind: "failed"; message: string }
  /** The shell beside the script has ended, with a code of its own or by a signal. `at`: ms since the epoch. */
  | { id: string; kind: "ended"; code: number | null; signal: string | null; at: number };

/** Calls `onLine` for each whole line of what is pushed. */
export function createLineReader(onLine: (line: string) => void): (chunk: string) => void {
  let parts: string[] = [];
  return (chunk) => {
    const lines = chunk.split("\n");
    for (const [i, line] of lines.entries()) {
      parts.push(line);
      if (i === lines.length - 1) break;
      const whole = parts.join("");
      parts = [];
      if (whole !== "") onLine(whole);
    }
  };
}
