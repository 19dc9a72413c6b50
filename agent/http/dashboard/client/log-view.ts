// The lines of a log on the page: adds, drops and searches them. Text goes in as text; the page never holds more than
// a few thousand lines.
import { plainPen, readLine, type Pen } from "../../../text/ansi.ts";

const maxLines = 5_000;

/** A run of lines that came together, with the bytes of the log it stands for. */
interface Chunk {
  element: HTMLElement;
  lines: number;
  start: number;
  end: number;
  /** Number of its first line. */
  first: number;
}

export interface LogView {
  /** Adds lines at the end. */
  append: (text: string, end: number) => void;
  /** Adds lines at the top; what then is too much goes at the bottom. True if something went. */
  prepend: (text: string, start: number) => boolean;
  /** Offsets of what is shown. */
  start: () => number;
  end: () => number;
  /** Marks lines that hold `text`, whatever the case; goes `step` on from the one it was at. What to say about it. */
  search: (text: string, step: -1 | 0 | 1) => string;
}

/**
 * `box` scrolls; `given` holds the lines that came with the page, from byte `start` to `end`, the first of them
 * numbered `first`.
 */
export function createLogView(
  box: HTMLElement,
  given: HTMLElement,
  start: number,
  end: number,
  first: number,
): LogView {
  let chunks: Chunk[] = [{ element: given, lines: given.childElementCount, start, end, first }];
  let pen: Pen = plainPen;
  let current: Element | null = null;
  let wanted = "";

  /** `numberOf`: the number of the first of so many lines. */
  function build(
    text: string,
    from: Pen,
    numberOf: (lines: number) => number,
  ): { element: HTMLElement; lines: number; pen: Pen; first: number } {
    const element = document.createElement("div");
    element.className = "chunk";
    let at = from;
    const all = text.split("\n");
    const lines = all.slice(-maxLines);
    const first = numberOf(all.length) + all.length - lines.length;
    for (const [index, line] of lines.entries()) {
      const row = document.createElement("div");
      row.id = `L${first + index}`;
      row.append(numberLink(first + index));
      const read = readLine(line.replaceAll("\u240d", "\r"), at);
      at = read.pen;
      for (const piece of read.pieces) {
        if (piece.classes === "") row.append(piece.text);
        else {
          const span = document.createElement("span");
          span.className = piece.classes;
          span.textContent = piece.text;
          row.append(span);
        }
      }
      if (wanted !== "" && holds(row)) row.classList.add("hit");
      element.append(row);
    }
    return { element, lines: lines.length, pen: at, first };
  }

  const holds = (row: Element) => row.textContent.toLowerCase().includes(wanted);
  const count = () => chunks.reduce((sum, { lines }) => sum + lines, 0);

  return {
    append(text, to) {
      const last = chunks.at(-1);
      const built = build(text, pen, () => (last === undefined ? 1 : last.first + last.lines));
      pen = built.pen;
      const from = last?.end ?? to;
      box.append(built.element);
      chunks.push({ element: built.element, lines: built.lines, start: from, end: to, first: built.first });
      while (chunks.length > 1 && count() > maxLines) {
        const gone = chunks.shift();
        gone?.element.remove();
      }
    },
    prepend(text, from) {
      const before = chunks[0];
      if (before === undefined) return false;
      const built = build(text, plainPen, (lines) => before.first - lines);
      const height = box.scrollHeight;
      before.element.before(built.element);
      box.scrollTop += box.scrollHeight - height;
      chunks = [
        { element: built.element, lines: built.lines, start: from, end: before.start, first: built.first },
        ...chunks,
      ];
      let went = false;
      while (chunks.length > 1 && count() > maxLines) {
        chunks.pop()?.element.remove();
        went = true;
      }
      return went;
    },
    start: () => chunks[0]?.start ?? 0,
    end: () => chunks.at(-1)?.end ?? 0,
    search(text, step) {
      wanted = text.toLowerCase();
      const rows = [...box.querySelectorAll(".chunk > div")];
      for (const row of rows) row.classList.toggle("hit", wanted !== "" && holds(row));
      current?.classList.remove("current");
      if (wanted === "") {
        current = null;
        return "";
      }
      const hits = rows.filter((row) => row.classList.contains("hit"));
      if (hits.length === 0) return "no match in these lines";
      const at = current === null ? -1 : hits.indexOf(current);
      const next = at === -1 ? hits.length - 1 : (at + step + hits.length) % hits.length;
      current = hits[next] ?? null;
      current?.classList.add("current");
      current?.scrollIntoView({ block: "center" });
      return `${next + 1} of ${hits.length} lines`;
    },
  };
}

/** Its text is drawn by the style sheet, so that numbers are not copied with the lines. */
function numberLink(line: number): HTMLAnchorElement {
  const link = document.createElement("a");
  link.className = "n";
  link.href = `#L${line}`;
  link.dataset["n"] = String(line);
  link.setAttribute("aria-label", `Line ${line}`);
  link.tabIndex = -1;
  return link;
}
