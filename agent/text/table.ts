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
  /** Indexes of columns with names, which say which row it is: shortened last, and in their middle. */
  names?: readonly number[];
}

const gap = 2;
/** A column is not shortened to less than this: what is left would say nothing. */
const minColumnWidth = 5;
/** Names differ at both ends; other columns are left out before a name gets less than this. */
const minNameWidth = 15;
/** Other columns are shortened to this before names are. */
const fewWordsWidth = 12;

/**
 * One line a row, columns as wide as their widest cell, two blanks between; no blanks at the end of a line. Where that
 * is more than `width`, columns that hold nothing but their heading go, the widest ones are shortened, with an
 * ellipsis, and those of `leaveOut` go if need be.
 */
export function tableLines(rows: readonly (readonly Cell[])[], options: TableOptions = {}): string[] {
  const { colours = false, width = Infinity, whole = [], names = [] } = options;
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, widthOf(textOf(cell)))));
  const out = columnToDrop(rows, widths, options);
  if (out !== null) return tableLines(...withoutColumn(rows, options, out));
  fitColumns(widths, width, whole, names);
  return rows.map((row) => {
    const last = row.findLastIndex((cell) => textOf(cell) !== "");
    return row
      .slice(0, last + 1)
      .map((cell, column) => {
        const columns = widths[column] ?? 0;
        const text = (names.includes(column) ? shortenedInside : shortened)(textOf(cell), columns);
        const blanks = column === last ? "" : " ".repeat(columns - widthOf(text));
        return (typeof cell === "string" ? text : paint(text, cell.colour, colours)) + blanks;
      })
      .join(" ".repeat(gap));
  });
}

/** Returns the column to leave out so that the others have room; null when all may stay. */
function columnToDrop(
  rows: readonly (readonly Cell[])[],
  widths: readonly number[],
  { width = Infinity, whole = [], leaveOut = [], names = [] }: TableOptions,
): number | null {
  const total = widths.reduce((sum, one) => sum + one + gap, -gap);
  if (total <= width) return null;
  const empty = widths.findIndex((_, column) => rows.slice(1).every((row) => textOf(row[column] ?? "") === ""));
  if (rows.length > 1 && empty >= 0) return empty;
  const minWidths = widths.map((one, column) =>
    whole.includes(column) ? one : Math.min(one, names.includes(column) ? minNameWidth : minColumnWidth),
  );
  return minWidths.reduce((sum, one) => sum + one + gap, -gap) > width ? (leaveOut[0] ?? null) : null;
}

function withoutColumn(
  rows: readonly (readonly Cell[])[],
  options: TableOptions,
  out: number,
): [Cell[][], TableOptions] {
  const { whole = [], leaveOut = [], names = [] } = options;
  const after = (columns: readonly number[]) =>
    columns.flatMap((column) => (column === out ? [] : [column > out ? column - 1 : column]));
  return [
    rows.map((row) => row.filter((_, column) => column !== out)),
    { ...options, whole: after(whole), leaveOut: after(leaveOut), names: after(names) },
  ];
}

/** Takes from the widest column until all fit; from names only when the others have given all they can. */
function fitColumns(widths: number[], width: number, whole: readonly number[], names: readonly number[]): void {
  const soft = widths.map((_, column) => column).filter((column) => !whole.includes(column));
  const others = soft.filter((column) => !names.includes(column));
  if (names.length > 0) shrink(widths, width, others, () => fewWordsWidth);
  shrink(widths, width, soft, (column) => (names.includes(column) ? minNameWidth : minColumnWidth));
  shrink(widths, width, others, () => minColumnWidth);
  shrink(widths, width, soft, () => minColumnWidth);
}

function shrink(
  widths: number[],
  width: number,
  columns: readonly number[],
  minWidthOf: (column: number) => number,
): void {
  let over = widths.reduce((sum, one) => sum + one + gap, -gap) - width;
  while (over > 0) {
    const [widest, second] = columns
      .filter((column) => (widths[column] ?? 0) > minWidthOf(column))
      .sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest === undefined) return;
    const from = widths[widest] ?? 0;
    const next = second === undefined ? 0 : (widths[second] ?? 0);
    const to = Math.max(minWidthOf(widest), from - over, Math.min(from - 1, next));
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

/** `text` in at most so many columns, without its middle: names that begin alike mostly end differently. */
function shortenedInside(text: string, columns: number): string {
  const over = widthOf(text) - columns;
  if (over <= 0) return text;
  const glyphs = Array.from(text);
  const keep = Math.max(1, glyphs.length - over - 1);
  const head = Math.floor(keep / 3);
  const inside = `${glyphs.slice(0, head).join("")}…${glyphs.slice(glyphs.length - (keep - head)).join("")}`;
  return shortened(inside, columns);
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}
