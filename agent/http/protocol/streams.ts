// Answers that go on: bodies made as their readers ask for them, how many there may be, and their end when the agent
// ends.
import { createTurns } from "../../async/turns.ts";
import { maxShare } from "./connections.ts";
import { HttpProblem } from "./problem.ts";

const maxStreams = 500;

/** A piece of a body, or how it is made of what was read, which is put off until it is its turn; null ends the body. */
export type NextPiece = () => Promise<Uint8Array | (() => Uint8Array) | null>;

export interface Streams {
  /**
   * A body whose pieces come from `next`, asked for one at a time as the reader takes them. `release` is called once it
   * is over, for whatever reason. Throws a 503 when there are too many, of all clients or of this one.
   */
  open: (client: string, next: NextPiece, release: () => void, end?: StreamEnd) => ReadableStream<Uint8Array>;
  /** Ends all there are that may be ended early, and refuses each new one. */
  close: () => void;
}

/**
 * `early`: at the agent's end, in order. `own`: only by itself, as its end says that all was given; at the agent's end
 * it is cut off with its connection.
 */
type StreamEnd = "early" | "own";

/** `onError` hears why a body could not go on; its reader is cut off and may come again. */
export function createStreams(onError: (error: unknown) => void, max = maxStreams): Streams {
  const ends = new Map<() => void, StreamEnd>();
  const counts = new Map<string, number>();
  const maxEach = Math.ceil(max * maxShare);
  const turns = createTurns(Infinity);
  let closing = false;

  function refusal(client: string): string | null {
    if (closing) return "the agent is being stopped";
    if (ends.size >= max) return `${max} readers follow something already; try again later`;
    return (counts.get(client) ?? 0) >= maxEach
      ? `this address follows ${maxEach} things already; end one of them`
      : null;
  }

  function open(
    client: string,
    next: NextPiece,
    release: () => void,
    kind: StreamEnd = "early",
  ): ReadableStream<Uint8Array> {
    const refused = refusal(client);
    if (refused !== null) {
      release();
      throw new HttpProblem(503, refused, { "Retry-After": "5" });
    }
    let over = false;
    let end: () => void = () => undefined;
    const finish = () => {
      over = true;
      if (!ends.delete(end)) return;
      const left = (counts.get(client) ?? 1) - 1;
      if (left === 0) counts.delete(client);
      else counts.set(client, left);
      release();
    };
    counts.set(client, (counts.get(client) ?? 0) + 1);
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          end = () => {
            finish();
            controller.close();
          };
          ends.set(end, kind);
        },
        async pull(controller) {
          try {
            const piece = await next();
            await turns.acquire(); // pieces that are there already would else all be sent before anything else comes
            if (over) return;
            if (piece === null) end();
            else controller.enqueue(typeof piece === "function" ? piece() : piece);
          } catch (error) {
            if (over) return;
            finish();
            controller.error(error);
            onError(error);
          }
        },
        cancel: finish,
      },
      { highWaterMark: 0 }, // what nobody has asked for is not read
    );
  }

  return {
    open,
    close() {
      closing = true;
      for (const [end, kind] of [...ends]) if (kind === "early") end();
    },
  };
}
