// The one way from a command to the terminal: whatever a text holds of others, only line breaks and our own colours
// steer it.
import { createTerminalFilter } from "../text/terminal.ts";
import { escapeControls } from "../text/untrusted.ts";

export interface Printer {
  readonly terminal: boolean;
  /** Writes text of ours, in which others may have a say. */
  text: (text: string) => void;
  /** Writes what a script printed: its colours pass. */
  bytes: (bytes: Uint8Array) => void;
  /** Ends what a script printed: with a colour that it left on. */
  end: () => void;
}

/** A printer for stdout or stderr. What is no terminal gets every byte, as a file or a program can bear them. */
export function createPrinter(stream: NodeJS.WriteStream): Printer {
  const terminal = stream.isTTY;
  const filter = createTerminalFilter();
  return {
    terminal,
    text: (text) => void stream.write(terminal ? escapeControls(text) : text),
    bytes: (bytes) => void stream.write(terminal ? filter.push(bytes) : bytes),
    end() {
      const rest = terminal ? filter.end() : "";
      if (rest !== "") stream.write(rest);
    },
  };
}

/** A place for bytes: `write` resolves once more may come. */
export interface Output {
  readonly terminal: boolean;
  write: (bytes: Uint8Array) => Promise<void>;
}
