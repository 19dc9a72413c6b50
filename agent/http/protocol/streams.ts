// Answers that go on: bodies made as their readers ask for them, how many there may be, and their end when the agent ends.
import { HttpProblem } from "./problem.ts";

const mostStreams = 500;

export interface Streams {
  /**
   * A body whose pieces come from `next`, asked for one at a time as the reader takes them; null ends it. `release` is
   * called once it is over, for whatever reason. Throws a 503 when there are too many.
   */
  open(next: () => Promise<Uint8Array | null>, release: () => void): ReadableStream<Uint8Array>;
  /** Ends all there are, and from now on each new one at once. */
  close(): void;
}

/** `onError` hears why a body could not go on; its reader is cut off and may come again. */
export function createStreams(onError: (error: unknown) => void, most = mostStreams): Streams {
  const ends = new Set<() => void>();
  let closing = false;

  function open(next: () => Promise<Uint8Array | null>, release: () => void): ReadableStream<Uint8Array> {
    if (closing || ends.size >= most) {
      release();
      throw new HttpProblem(
        503,
        closing ? "the agent is being stopped" : `${most} readers follow something already; try again later`,
        { "Retry-After": "5" },
      );
    }
    let over = false;
    let end: () => void = () => undefined;
    const finish = () => {
      over = true;
      if (ends.delete(end)) release();
    };
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          end = () => {
            finish();
            controller.close();
          };
          ends.add(end);
        },
        async pull(controller) {
          try {
            const piece = await next();
            if (over) return;
            if (piece === null) end();
            else controller.enqueue(piece);
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
      for (const end of [...ends]) end();
    },
  };
}
