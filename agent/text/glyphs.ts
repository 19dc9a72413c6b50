// Text of others on a terminal: how wide it is, and nothing in it that steers. Logs have rules of their own:
// terminal.ts.

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/;

/** Columns of a terminal: two for wide letters and emoji, none for what joins the letter before it. */
export function widthOf(text: string): number {
  let width = 0;
  for (const glyph of text) {
    if (/\p{M}/u.test(glyph)) continue;
    width += wide.test(glyph) || /\p{Emoji_Presentation}/u.test(glyph) ? 2 : 1;
  }
  return width;
}

/** Control characters, escapes and marks that turn the direction of writing become `�`. */
export function sanitize(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, "\ufffd");
}
