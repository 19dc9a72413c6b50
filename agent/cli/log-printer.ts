// Prints frames of an execution's logs: each to its own stream, lines with their times, nothing twice. Knows where to
// take up again.
import type { LogStream } from "../logs/port.ts";
import { createTerminalFilter } from "../text/terminal.ts";
import type { LogFrame } from "./log-frames.ts";
import type { Output } from "./output.ts";

const newline = 0x0a;

export interface LogPrinter {
  write: (frame: LogFrame) => Promise<void>;
  /** Bytes of each log that have been printed or passed over; null before the first frame. */
  position: () => Record<LogStream, number> | null;
  /** Writes what was held back of the last characters. */
  end: () => Promise<void>;
}

export function createLogPrinter(
  { timestamps, raw }: { timestamps: boolean; raw: boolean },
  deps: { stdout: Output; stderr: Output; complain: (text: string) => void },
): LogPrinter {
  const filters = { stdout: createTerminalFilter(), stderr: createTerminalFilter() };
  const isFiltered = (stream: LogStream) => deps[stream].terminal && !raw;
  // Elsewhere the two are not one text, or whoever joined them wants every byte as it was.
  const isOneText = timestamps || (deps.stdout.terminal && deps.stderr.terminal);
  let position: Partial<Record<LogStream, number>> = {};
  /** The log whose line is not finished. */
  let open: LogStream | null = null;

  async function print(stream: LogStream, bytes: Uint8Array): Promise<void> {
    const shown = isFiltered(stream) ? Buffer.from(filters[stream].push(bytes)) : bytes;
    if (shown.length > 0) await deps[stream].write(shown);
  }

  return {
    async write({ stream, offset, at, bytes }) {
      const known = position[stream];
      if (known !== undefined && offset < known)
        deps.complain(
          `batch-agent: ${stream} got shorter, from ${known} to ${offset} bytes; going on from its new end\n`,
        );
      if (bytes.length > 0) {
        if (isOneText && open !== null && open !== stream) await print(open, Buffer.of(newline));
        await print(stream, timestamps ? withTimes(bytes, at, open === stream) : bytes);
        open = bytes.at(-1) === newline ? null : stream;
      }
      position = { ...position, [stream]: offset + bytes.length };
    },
    position: () =>
      position.stdout === undefined && position.stderr === undefined
        ? null
        : { stdout: position.stdout ?? 0, stderr: position.stderr ?? 0 },
    async end() {
      for (const stream of ["stdout", "stderr"] as const) {
        const rest = isFiltered(stream) ? filters[stream].end() : "";
        if (rest !== "") await deps[stream].write(Buffer.from(rest));
      }
    },
  };
}

/** The time before each line; not before the first where it goes on with one. */
function withTimes(bytes: Uint8Array, at: number, goesOn: boolean): Uint8Array {
  const time = Buffer.from(`${new Date(at).toISOString()} `);
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(newline, start) + 1 || bytes.length;
    if (start > 0 || !goesOn) parts.push(time);
    parts.push(bytes.subarray(start, end));
    start = end;
  }
  return Buffer.concat(parts);
}
