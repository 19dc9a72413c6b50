// Logs on a terminal: colours pass, whatever else could steer the terminal is shown instead of obeyed. Holds no log.

/** Longest colour sequence that passes; a longer one is no colour. */
const maxColour = 64;

export interface TerminalFilter {
  /** Returns what may be shown of the next bytes; a sequence or a letter that is not whole yet is held back. */
  push: (bytes: Uint8Array) => string;
  /** Returns what was held back, and an end to a colour that is still on. */
  end: () => string;
}

/**
 * A filter for one stream of UTF-8. Line breaks, tabs, carriage returns and SGR (`ESC [ … m`: colours, bold) pass;
 * every other control character, ESC and C1 included, is shown as cat -v shows it, such as `^[`, and one that turns
 * the direction of writing by its number, such as `<U+202E>`.
 */
export function createTerminalFilter(): TerminalFilter {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let held = "";
  let coloured = false;

  function filter(text: string, last: boolean): string {
    const begun = last ? null : new RegExp(`\\u001b(?:\\[[0-9;:]{0,${maxColour}})?$`).exec(text);
    held = begun === null ? "" : begun[0];
    const whole = begun === null ? text : text.slice(0, begun.index);
    // Either a colour as a whole, or one control character.
    return whole.replace(
      /\u001b\[([0-9;:]{0,64})m|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
      (found: string, colour: string | undefined) => {
        if (colour === undefined) return visible(found.charCodeAt(0));
        coloured = !/^0*$/.test(colour);
        return found;
      },
    );
  }

  return {
    push: (bytes) => filter(held + decoder.decode(bytes, { stream: true }), false),
    end() {
      const rest = filter(held + decoder.decode(), true);
      const off = coloured ? "\u001b[0m" : "";
      coloured = false;
      return rest + off;
    },
  };
}

function visible(code: number): string {
  if (code > 0xff) return `<U+${code.toString(16).toUpperCase()}>`;
  if (code === 0x7f) return "^?";
  return code < 0x20 ? `^${String.fromCharCode(code + 64)}` : `M-^${String.fromCharCode(code - 64)}`;
}
