// A line of a log → pieces of text with class names: colours and bold pass as classes, whatever else steers a
// terminal is left out. Shared by the server's pages and the scripts in the browser; gives text and names of its own
// making, never markup.

/** How text is written: indices into the 256 colours, -1 for the default. */
export interface Pen {
  fg: number;
  bg: number;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
}

export interface Piece {
  text: string;
  /** Space between; empty for plain text. */
  classes: string;
}

export const plainPen: Pen = {
  fg: -1,
  bg: -1,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
};

/** Holds what is shown of one line; the rest is said as a number. */
const maxChars = 4_000;
const maxPieces = 400;

/** CSI, OSC and its like, and two-character escapes; a sequence that never ends takes no more than the line. */
const escape = /\u001b(?:\[([0-9;:?<=>]*)[ -/]*([@-~])?|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~]?)/g;
/** Other control characters, and marks that turn the direction of writing. */
const controls = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029]/g;

/**
 * `line` without its line break; `pen` as the line before left it. What a carriage return has overwritten is not
 * shown.
 */
export function readLine(line: string, pen: Pen): { pieces: Piece[]; pen: Pen } {
  let end = line.length;
  while (line[end - 1] === "\r") end -= 1;
  const ended = line.slice(0, end);
  const whole = ended.slice(ended.lastIndexOf("\r") + 1);
  const shown = whole.slice(0, maxChars);
  const pieces: Piece[] = [];
  let now = pen;
  let at = 0;
  for (const match of shown.matchAll(escape)) {
    add(pieces, shown.slice(at, match.index), now);
    at = match.index + match[0].length;
    if (match[2] === "m") now = applySgr(now, match[1] ?? "");
  }
  add(pieces, shown.slice(at), now);
  if (whole.length > shown.length)
    pieces.push({ text: ` … ${whole.length - shown.length} more characters`, classes: "cut" });
  return { pieces, pen: now };
}

function add(pieces: Piece[], text: string, pen: Pen): void {
  if (text === "") return;
  const sanitized = text.replace(controls, "\ufffd");
  const classes = classesOf(pen);
  const last = pieces.at(-1);
  if (last !== undefined && (last.classes === classes || pieces.length >= maxPieces)) last.text += sanitized;
  else pieces.push({ text: sanitized, classes });
}

function classesOf(pen: Pen): string {
  const [fg, bg] = pen.inverse
    ? [pen.bg === -1 ? "fg-back" : `fg${pen.bg}`, pen.fg === -1 ? "bg-fore" : `bg${pen.fg}`]
    : [pen.fg === -1 ? "" : `fg${pen.fg}`, pen.bg === -1 ? "" : `bg${pen.bg}`];
  return [
    fg,
    bg,
    pen.bold ? "bold" : "",
    pen.dim ? "faint" : "",
    pen.italic ? "italic" : "",
    pen.underline ? "underline" : "",
  ]
    .filter((name) => name !== "")
    .join(" ");
}

function applySgr(pen: Pen, parameters: string): Pen {
  const codes = parameters.split(/[;:]/).map(Number);
  const next = { ...pen };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) Object.assign(next, plainPen);
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code === 39) next.fg = -1;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code === 49) next.bg = -1;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else if (code === 38 || code === 48) {
      const [index, used] = extendedColour(codes.slice(i + 1));
      if (index !== null) next[code === 38 ? "fg" : "bg"] = index;
      i += used;
    }
  }
  return next;
}

/** `5;n` is one of the 256; `2;r;g;b` becomes the nearest of them. */
function extendedColour([kind, first = -1, second = 0, third = 0]: number[]): [number | null, number] {
  if (kind === 5) return [Number.isInteger(first) && first >= 0 && first < 256 ? first : null, 2];
  if (kind !== 2) return [null, 0];
  const level = (value: number) => Math.min(5, Math.max(0, Math.round((value / 255) * 5)));
  return [16 + 36 * level(first) + 6 * level(second) + level(third), 4];
}

/** The 16 colours as they are read on the dark ground of a log. */
const basic = [
  "#8b949e",
  "#ff7b72",
  "#56d364",
  "#e3b341",
  "#79c0ff",
  "#e29bff",
  "#56d4dd",
  "#d0d7de",
  "#a4adb8",
  "#ffa198",
  "#7ee787",
  "#f2cc60",
  "#a5d6ff",
  "#f0b6ff",
  "#8ff0f5",
  "#ffffff",
];
const basicGround = [
  "#21262d",
  "#8e1519",
  "#196c2e",
  "#7a5200",
  "#1158c7",
  "#7a3fb0",
  "#0f6b74",
  "#57606a",
  "#484f58",
  "#b62324",
  "#238636",
  "#9e6a03",
  "#1f6feb",
  "#8957e5",
  "#1b7c83",
  "#8b949e",
];

/** Style rules for all classes of colour that `readLine` gives. */
export function colourRules(): string {
  const rules: string[] = [];
  for (let index = 0; index < 256; index++) {
    rules.push(
      `.fg${index}{color:${basic[index] ?? hex(index, 0.35)}}.bg${index}{background:` +
        `${basicGround[index] ?? hex(index, 0)}}`,
    );
  }
  return rules.join("\n");
}

/**
 * One of the upper 240: a cube of 6×6×6, then greys. `lift` moves it towards white, so that dark text stays legible.
 */
function hex(index: number, lift: number): string {
  const levels = [0, 95, 135, 175, 215, 255];
  const cube = index - 16;
  const grey = 8 + (index - 232) * 10;
  const parts =
    index >= 232
      ? [grey, grey, grey]
      : [levels[Math.floor(cube / 36)] ?? 0, levels[Math.floor(cube / 6) % 6] ?? 0, levels[cube % 6] ?? 0];
  return `#${parts
    .map((part) =>
      Math.round(part + (255 - part) * lift)
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}
