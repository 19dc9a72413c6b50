// Rows of cells as lines with columns, and colours where a terminal shows them. Knows nothing of what is in them.
import { widthOf } from "./glyphs.ts";

export type Colour = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";
/** A cell: text, or text with a colour. */
export type Cell = string | { text: string; colour: Colour };

const codes: Record<Colour, [number, number]> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
};

/** `text` in a colour; as it is when `colours` is false. */
export function paint(text: string, colour: Colour, colours: boolean): string {
  const [on, off] = codes[colour];
  return colours && text !== "" ? `\u001b[${on}m${text}\u001b[${off}m` : text;
}

export interface TableOptions {
  colours?: boolean;
  /** Columns of the terminal that a line may take; missing: any number. */
  width?: number;
  /** Indexes of columns that are never shortened, such as ids. */
  whole?: readonly number[];
  /** Indexes of columns that are left out where not even shortened ones have room, in this order. */
  leaveOut?: readonly number[];
}

const gap = 2;
/** A column is not shortened to less than this: what is left would say nothing. */
const minColumnWidth = 5;

/**
 * One line a row, columns as wide as their widest cell, two blanks between; no blanks at the end of a line. Where that
 * is more than `width`, the widest columns are shortened, with an ellipsis, and those of `leaveOut` go if need be.
 */
export function tableLines(rows: readonly (readonly Cell[])[], options: TableOptions = {}): string[] {
  const { colours = false, width = Infinity, whole = [], leaveOut = [] } = options;
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, widthOf(textOf(cell)))));
  const [out] = leaveOut;
  if (out !== undefined && minWidth(widths, whole) > width) {
    const after = (columns: readonly number[]) =>
      columns.flatMap((column) => (column === out ? [] : [column > out ? column - 1 : column]));
    const fewer = rows.map((row) => row.filter((_, column) => column !== out));
    return tableLines(fewer, { ...options, whole: after(whole), leaveOut: after(leaveOut) });
  }
  fitColumns(widths, width, whole);
  return rows.map((row) => {
    const last = row.findLastIndex((cell) => textOf(cell) !== "");
    return row
      .slice(0, last + 1)
      .map((cell, column) => {
        const columns = widths[column] ?? 0;
        const text = shortened(textOf(cell), columns);
        const blanks = column === last ? "" : " ".repeat(columns - widthOf(text));
        return (typeof cell === "string" ? text : paint(text, cell.colour, colours)) + blanks;
      })
      .join(" ".repeat(gap));
  });
}

/** Columns that a line takes at least. */
function minWidth(widths: readonly number[], whole: readonly number[]): number {
  const least = widths.map((width, column) => (whole.includes(column) ? width : Math.min(width, minColumnWidth)));
  return least.reduce((sum, one) => sum + one + gap, -gap);
}

/** Takes from the widest column until all fit, or none can be shortened further. */
function fitColumns(widths: number[], width: number, whole: readonly number[]): void {
  let over = widths.reduce((sum, one) => sum + one + gap, -gap) - width;
  const soft = widths.map((_, column) => column).filter((column) => !whole.includes(column));
  while (over > 0) {
    soft.sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    const [widest, second] = soft;
    if (widest === undefined) return;
    const from = widths[widest] ?? 0;
    const to = Math.max(
      minColumnWidth,
      from - over,
      Math.min(from - 1, second === undefined ? 0 : (widths[second] ?? 0)),
    );
    if (to >= from) return;
    widths[widest] = to;
    over -= from - to;
  }
}

/** `text` in at most so many columns. */
export function shortened(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let width = 1; // of the ellipsis
  for (const glyph of text) {
    width += widthOf(glyph);
    if (width > columns) break;
    kept += glyph;
  }
  return `${kept}…`;
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}
