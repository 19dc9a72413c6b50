// The lines of a log on the page: adds, drops and marks them. Text goes in as text; the page never holds more than a
// few thousand lines.
import { plainPen, readLine, type Pen } from "../../../text/ansi.ts";
import type { LogLine, LogPiece } from "./log-stream.ts";
import { clockText, localText } from "./times.ts";

const maxLines = 5_000;

/** A run of lines that came together, and the positions around them. */
interface Chunk {
  element: HTMLElement;
  lines: number;
  start: number;
  end: number;
  /** Number of its first line. */
  first: number;
}

export type LogView = ReturnType<typeof createLogView>;

/** `box` scrolls; `given` holds the lines that came with the page. */
export function createLogView(
  box: HTMLElement,
  given: HTMLElement,
  { start, end, first }: { start: number; end: number; first: number },
) {
  let chunks: Chunk[] = [{ element: given, lines: given.childElementCount, start, end, first }];
  const pens: Record<LogLine["stream"], Pen> = { stdout: plainPen, stderr: plainPen };
  let isHit: (text: string) => boolean = () => false;
  let hasTimes = false;

  const count = () => chunks.reduce((sum, { lines }) => sum + lines, 0);
  const lastNumber = () => {
    const last = chunks.at(-1);
    return last === undefined ? 0 : last.first + last.lines - 1;
  };

  function build(lines: readonly LogLine[], first: number, from: Record<LogLine["stream"], Pen>): HTMLElement {
    const element = document.createElement("div");
    element.className = "chunk";
    let at = "";
    for (const [index, line] of lines.entries()) {
      const row = rowOf(line, first + index, from);
      if (line.at !== at) row.dataset["at"] = line.at;
      at = line.at;
      element.append(row);
    }
    if (hasTimes) addTimes(element);
    return element;
  }

  function rowOf({ stream, text }: LogLine, number: number, from: Record<LogLine["stream"], Pen>): HTMLElement {
    const row = document.createElement("div");
    row.id = `L${number}`;
    if (stream === "stderr") row.className = "err";
    row.append(numberLink(number));
    const read = readLine(text, from[stream]);
    from[stream] = read.pen;
    for (const piece of read.pieces) {
      if (piece.classes === "") row.append(piece.text);
      else {
        const span = document.createElement("span");
        span.className = piece.classes;
        span.textContent = piece.text;
        row.append(span);
      }
    }
    if (isHit(textOf(row))) row.classList.add("hit");
    return row;
  }

  function put(piece: LogPiece, element: HTMLElement): Chunk {
    return { element, lines: piece.lines.length, start: piece.start, end: piece.end, first: piece.firstLine };
  }

  return {
    /** Positions of what is shown. */
    start: () => chunks[0]?.start ?? 0,
    end: () => chunks.at(-1)?.end ?? 0,
    firstNumber: () => chunks[0]?.first ?? 1,
    lastNumber,
    row: (number: number) => box.querySelector<HTMLElement>(`#L${number}`),

    /** Adds lines at the end, up to the position `end`; what then is too much goes at the top. */
    append(lines: readonly LogLine[], end: number): void {
      const all = lines.slice(-maxLines);
      const first = lastNumber() + 1 + lines.length - all.length;
      const element = build(all, first, pens);
      const start = chunks.at(-1)?.end ?? 0;
      (chunks.at(-1)?.element ?? given).after(element);
      chunks.push({ element, lines: all.length, start, end, first });
      while (chunks.length > 1 && count() > maxLines) chunks.shift()?.element.remove();
    },
    /** Adds lines below; what then is too much goes at the top. */
    addLater(given: LogPiece): void {
      const known = Math.max(0, lastNumber() + 1 - given.firstLine);
      const piece = { ...given, lines: given.lines.slice(known), firstLine: given.firstLine + known };
      const element = build(piece.lines, piece.firstLine, { stdout: plainPen, stderr: plainPen });
      const top = box.scrollTop;
      const height = box.scrollHeight;
      chunks.at(-1)?.element.after(element);
      chunks.push(put(piece, element));
      const added = box.scrollHeight - height;
      while (chunks.length > 1 && count() > maxLines) chunks.shift()?.element.remove();
      box.scrollTop = top + box.scrollHeight - height - added;
    },
    /** Adds lines above; what then is too much goes at the bottom. */
    addEarlier(piece: LogPiece): void {
      const element = build(piece.lines, piece.firstLine, { stdout: plainPen, stderr: plainPen });
      const height = box.scrollHeight;
      chunks[0]?.element.before(element);
      box.scrollTop += box.scrollHeight - height;
      chunks.unshift(put(piece, element));
      while (chunks.length > 1 && count() > maxLines) chunks.pop()?.element.remove();
    },
    /** Shows other lines in place of all that are shown. */
    replace(piece: LogPiece): void {
      pens.stdout = pens.stderr = plainPen;
      const element = build(piece.lines, piece.firstLine, pens);
      const [old, ...others] = chunks;
      for (const other of others) other.element.remove();
      old?.element.replaceWith(element);
      chunks = [put(piece, element)];
    },
    /** Marks the lines that `test` finds. */
    markHits(test: (text: string) => boolean): void {
      isHit = test;
      for (const row of box.querySelectorAll(".chunk > div")) row.classList.toggle("hit", test(textOf(row)));
    },
    setTimes(on: boolean): void {
      hasTimes = on;
      for (const time of box.querySelectorAll(".chunk time.at")) time.remove();
      if (on) for (const { element } of chunks) addTimes(element);
    },
  };
}

/** The text of a line, without its time. */
function textOf(row: Element): string {
  const time = row.querySelector("time.at");
  return time === null ? row.textContent : row.textContent.slice(time.textContent.length);
}

/** A line's time is its own or the one of the line above. */
function addTimes(chunk: HTMLElement): void {
  let at = "";
  for (const row of chunk.children as Iterable<HTMLElement> & HTMLCollection) {
    at = row.dataset["at"] ?? at;
    if (at === "") continue;
    const time = document.createElement("time");
    time.className = "at";
    time.dateTime = at;
    time.title = localText(at);
    time.textContent = `${clockText(at)} `;
    row.firstElementChild?.after(time);
  }
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
