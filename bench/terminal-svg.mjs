// What was typed and shown on a terminal → an animated SVG that needs no script: lines come when they came, commands are
// typed, and the screen scrolls. Who wants less motion gets the last screen.

/**
 * @typedef {object} Step
 * @property {string} typed    the command
 * @property {{ text: string, classes: string }[][]} lines  what it showed, in pieces of one style
 * @property {number} tookMs
 */

const charWidth = 8.4;
const lineHeight = 20;
const margin = 16;
const msPerChar = 45;
const msToRead = 2_200;
const msAtEnd = 5_000;
/** Programs that take longer are shown as if they had not. */
const maxTookMs = 1_500;
const prompt = "$ ";

/** @param {string} text */
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/**
 * @param {readonly Step[]} steps
 * @param {{ columns: number, rows: number, title: string, colours: ReadonlyMap<string, string> }} screen `colours`:
 * class of a piece → its colour
 */
export function terminalSvg(steps, { columns, rows, title, colours }) {
  /** @type {{ at: number, body: string, typing?: { from: number, chars: number } }[]} */
  const lines = [];
  let now = 400;
  for (const { typed, lines: shown, tookMs } of steps) {
    lines.push({
      at: now,
      body: `<tspan class="prompt">${prompt}</tspan><tspan class="typed">${escape(typed)}</tspan>`,
      typing: { from: now + 300, chars: typed.length },
    });
    now += 300 + typed.length * msPerChar + Math.min(tookMs, maxTookMs);
    for (const pieces of shown)
      lines.push({
        at: now,
        body: pieces.map(({ text, classes }) => `<tspan class="${classes}">${escape(text)}</tspan>`).join(""),
      });
    now += msToRead;
  }
  const total = now + msAtEnd;
  const part = (/** @type {number} */ ms) => `${((ms / total) * 100).toFixed(3)}%`;

  /** @type {string[]} */
  const rules = [];
  /** @type {string[]} */
  const texts = [];
  /** @type {string[]} */
  const covers = [];
  lines.forEach(({ at, body, typing }, i) => {
    const top = margin + i * lineHeight;
    texts.push(`<text class="l l${i}" x="${margin}" y="${top + 15}">${body}</text>`);
    rules.push(`@keyframes l${i}{0%{opacity:0}${part(at)}{opacity:1}to{opacity:1}}.l${i}{animation-name:l${i}}`);
    if (typing === undefined) return;
    const width = typing.chars * charWidth;
    const x = margin + prompt.length * charWidth;
    covers.push(
      `<rect class="c c${i}" x="${x}" y="${top}" width="${(columns - prompt.length) * charWidth}" height="${lineHeight}"/>`,
    );
    const end = typing.from + typing.chars * msPerChar;
    rules.push(
      `@keyframes c${i}{0%{transform:none}${part(typing.from)}{transform:none;animation-timing-function:steps(${typing.chars})}` +
        `${part(end)}{transform:translateX(${width}px)}${part(end + 1)}{transform:translateX(9999px)}to{transform:translateX(9999px)}}` +
        `.c${i}{animation-name:c${i}}`,
    );
  });

  /** @type {Map<number, number>} Moment → how many lines have gone out at the top. */
  const scrolled = new Map();
  lines.forEach(({ at }, i) => {
    if (i >= rows) scrolled.set(at, i - rows + 1);
  });
  const moves = [...scrolled].map(([at, gone]) => `${part(at)}{transform:translateY(-${gone * lineHeight}px)}`);
  const last = Math.max(0, lines.length - rows) * lineHeight;
  rules.push(`@keyframes s{0%{transform:none}${moves.join("")}to{transform:translateY(-${last}px)}}`);

  const width = Math.ceil(columns * charWidth + 2 * margin);
  const height = rows * lineHeight + 2 * margin;
  const used = [...new Set(steps.flatMap((step) => step.lines.flat().flatMap(({ classes }) => classes.split(" "))))];
  const colourRules = used.flatMap((name) => (colours.has(name) ? [`.${name}{fill:${colours.get(name)}}`] : []));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">
<title>${escape(title)}</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d0d7de;white-space:pre}
.prompt{fill:#56d364}.typed{fill:#fff}.bold{font-weight:bold}.faint{opacity:.7}.underline{text-decoration:underline}
${colourRules.join("")}
.c{fill:#0d1117;transform:translateX(9999px)}
.s{transform:translateY(-${last}px)}
@media (prefers-reduced-motion:no-preference){.l,.c,.s{animation:${total}ms step-end infinite}.s{animation-name:s}
${rules.join("\n")}
}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
<clipPath id="screen"><rect width="${width}" height="${height - 2 * margin}" y="${margin}"/></clipPath>
<g clip-path="url(#screen)"><g class="s">
${[...texts, ...covers].join("\n")}
</g></g>
</svg>
`;
}
