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

/** One line a row, columns as wide as their widest cell, two blanks between; no blanks at the end of a line. */
export function tableLines(rows: readonly (readonly Cell[])[], colours = false): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, widthOf(textOf(cell)))));
  return rows.map((row) => {
    const last = row.findLastIndex((cell) => textOf(cell) !== "");
    return row
      .slice(0, last + 1)
      .map((cell, column) => {
        const text = textOf(cell);
        const blanks = column === last ? "" : " ".repeat((widths[column] ?? 0) - widthOf(text));
        return (typeof cell === "string" ? text : paint(text, cell.colour, colours)) + blanks;
      })
      .join("  ");
  });
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}
