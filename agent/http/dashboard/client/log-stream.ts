// Reads logs for the viewer: pieces of them, and what is still being written as server-sent events that go on after
// the last one that came. EventSource cannot begin anywhere but at the start, so the stream is read by hand.

export interface LogLine {
  stream: "stdout" | "stderr";
  at: string;
  text: string;
}

export interface LogPiece {
  lines: LogLine[];
  /** Number of the first of them. */
  firstLine: number;
  /** Positions before the first and after the last of them. */
  start: number;
  end: number;
  /** Position of the end of all there is. */
  size: number;
  /** Where whoever follows goes on. */
  next: string;
}

/** `where`: `before=`, `after=` or `line=` with a number; "" for the end. */
export async function fetchPiece(page: string, view: string, where: string): Promise<LogPiece> {
  const response = await fetch(`${page}/lines?log=${view}&${where}`, { cache: "no-store" });
  if (!response.ok) throw new Error(String(response.status));
  return (await response.json()) as LogPiece;
}

export interface StreamEnds {
  onLines: (lines: LogLine[], next: string) => void;
  /** A log got shorter: it goes on from its new end. */
  onShorter: () => void;
  /** More is written than can be shown. */
  onBehind: () => void;
  /** The execution has ended and all of its output was given. */
  onEnd: () => void;
  /** Broken off; tried again. */
  onBroken: () => void;
}

const retryMs = 2_000;

/** Follows from `next` on until the execution ends or `signal` says so. */
export async function follow(
  page: string,
  view: string,
  next: string,
  ends: StreamEnds,
  signal: AbortSignal,
): Promise<void> {
  let from = next;
  while (!signal.aborted) {
    try {
      const response = await fetch(`${page}/follow?log=${view}`, {
        headers: { Accept: "text/event-stream", "Last-Event-ID": from },
        cache: "no-store",
        signal,
      });
      if (!response.ok || response.body === null) throw new Error(String(response.status));
      for await (const { id, event, data } of eventsOf(response.body)) {
        if (isAborted(signal)) return;
        if (event === "end" || event === "behind") {
          if (event === "end") ends.onEnd();
          else ends.onBehind();
          return;
        }
        if (event === "shorter") ends.onShorter();
        if (event !== "message" || data === null) continue;
        from = id;
        const { stream, at, lines } = JSON.parse(data) as { stream: LogLine["stream"]; at: string; lines: string[] };
        ends.onLines(
          lines.map((text) => ({ stream, at, text })),
          from,
        );
      }
    } catch {
      if (isAborted(signal)) return;
    }
    ends.onBroken();
    await new Promise((done) => setTimeout(done, retryMs));
  }
}

/** Reads the flag anew: it changes while a read is waited for, which the type checker cannot know. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

interface Event {
  id: string;
  event: string;
  data: string | null;
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  let held = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (held + value).split("\n\n");
      held = blocks.pop() ?? "";
      for (const block of blocks) yield parse(block);
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function parse(block: string): Event {
  const found: Event = { id: "", event: "message", data: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).replace(/^ /, "");
    const name = line.slice(0, colon);
    if (name === "id") found.id = value;
    if (name === "event") found.event = value;
    if (name === "data") found.data = value;
  }
  return found;
}
