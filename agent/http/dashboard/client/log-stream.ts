// Reads logs for the viewer: pieces by range, and what is still being written as server-sent events from an offset on.
// EventSource cannot begin at an offset, so the stream is read by hand.

export interface StreamEnds {
  /** Whole lines without the last line break, and the offset after them. */
  onLines: (text: string, end: number) => void;
  /** The log got shorter: it goes on from here. */
  onShorter: (end: number) => void;
  /** The execution has ended and all of its log was given. */
  onEnd: () => void;
  /** Broken off; tried again. */
  onBroken: () => void;
}

const retryMs = 2_000;

/** Follows `address` from `offset` until the execution ends or `signal` says so. */
export async function follow(address: string, offset: number, ends: StreamEnds, signal: AbortSignal): Promise<void> {
  let at = offset;
  while (!signal.aborted) {
    try {
      const response = await fetch(`${address}?follow=1`, {
        headers: { Accept: "text/event-stream", "Last-Event-ID": String(at) },
        cache: "no-store",
        signal,
      });
      if (!response.ok || response.body === null) throw new Error(String(response.status));
      for await (const { id, event, data } of eventsOf(response.body)) {
        if (event === "end") {
          ends.onEnd();
          return;
        }
        if (event === "truncated") ends.onShorter((at = Number(id)));
        if (event !== "message" || data === null) continue;
        at = Number(id);
        ends.onLines(data, at);
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
    switch (line.slice(0, colon)) {
      case "id":
        found.id = value;
        break;
      case "event":
        found.event = value;
        break;
      case "data":
        found.data = found.data === null ? value : `${found.data}\n${value}`;
        break;
    }
  }
  return found;
}

/** Bytes from `start` up to `end` of a finished or growing log. */
export async function readRange(address: string, start: number, end: number): Promise<Uint8Array> {
  const response = await fetch(address, { headers: { Range: `bytes=${start}-${end - 1}` }, cache: "no-store" });
  if (response.status !== 206 && response.status !== 200) throw new Error(String(response.status));
  const bytes = new Uint8Array(await response.arrayBuffer());
  return response.status === 200 ? bytes.subarray(start, end) : bytes;
}
