// Takes the frames of `…/log?format=frames` apart (their form: http/api/merged-log.ts). No policy.
import { AgentError } from "../errors.ts";
import type { LogStream } from "../logs/port.ts";

export interface LogFrame {
  stream: LogStream;
  /** Place of its first byte in its log. */
  offset: number;
  /** Milliseconds since 1970. */
  at: number;
  bytes: Uint8Array;
}

const headBytes = 24;
/** The agent sends less; more is not one of ours. */
const maxFrameBytes = 1024 * 1024;

/** Frames out of pieces cut anywhere; one that is not whole at the end is dropped. Throws AgentError for anything else. */
export async function* framesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<LogFrame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    let at = 0;
    while (rest.length - at >= headBytes) {
      const kind = rest.readUInt8(at);
      const length = rest.readUInt32BE(at + 4);
      if ((kind !== 1 && kind !== 2) || length > maxFrameBytes)
        throw new AgentError("what answers there is no batch-agent, or one of another version", { status: 200 });
      const end = at + headBytes + length;
      if (end > rest.length) break;
      yield {
        stream: kind === 1 ? "stdout" : "stderr",
        offset: Number(rest.readBigUInt64BE(at + 8)),
        at: Number(rest.readBigInt64BE(at + 16)),
        bytes: rest.subarray(at + headBytes, end),
      };
      at = end;
    }
    rest = rest.subarray(at);
  }
}
