// Search over the whole of a log by the agent: from match to match, wherever they lie.

export interface LogSearch {
  /** Looks for another text. */
  ask: (text: string, near: number) => Promise<void>;
  /** Goes to the next or previous match. */
  step: (by: -1 | 1) => Promise<void>;
  /** Returns whether a line of the log holds the text. */
  holds: (text: string) => boolean;
}

/** `show` brings a line into sight; `say` tells how many there are. */
export function createSearch(
  page: string,
  view: string,
  show: (line: number) => Promise<void>,
  say: (text: string) => void,
): LogSearch {
  let wanted = "";
  let ignoresCase = true;
  let lines: number[] = [];
  let more = false;
  let at = 0;
  let asked = 0;

  async function go(): Promise<void> {
    say(`${at + 1} of ${lines.length}${more ? " or more" : ""}`);
    await show(lines[at] ?? 1);
  }

  return {
    async ask(text, near) {
      wanted = text;
      ignoresCase = !/\p{Lu}/u.test(text);
      const mine = (asked += 1);
      if (text === "") {
        lines = [];
        say("");
        return;
      }
      const response = await fetch(`${page}/search?log=${view}&q=${encodeURIComponent(text)}`, { cache: "no-store" });
      if (mine !== asked) return;
      if (!response.ok) {
        say(response.status === 503 ? "others are searching; try again" : "cannot be searched");
        return;
      }
      const answer = (await response.json()) as { lines: number[]; more: boolean };
      if (mine !== asked) return;
      ({ lines, more } = answer);
      if (lines.length === 0) {
        say("no match");
        return;
      }
      const next = lines.findIndex((line) => line >= near);
      at = next === -1 ? lines.length - 1 : next;
      await go();
    },
    async step(by) {
      if (lines.length === 0) return;
      at = (at + by + lines.length) % lines.length;
      await go();
    },
    holds: (text) => wanted !== "" && (ignoresCase ? text.toLowerCase() : text).includes(wanted),
  };
}
