// /api/events: each change of a batch or an execution as a server-sent event. A reader has a place in the feed and no
// buffer of its own: one that falls too far behind is let go, and resumes by the id it saw last.
import type { Context } from "hono";
import { remember } from "../../async/bounded-cache.ts";
import type { Clock } from "../../async/clock.ts";
import { clientOfRequest } from "../protocol/client.ts";
import { encode, keepAlive, keepAliveMs, lastEventId, sseEvent, sseHeaders, sseHello } from "../protocol/sse.ts";
import type { Streams } from "../protocol/streams.ts";
import type { Reader } from "../views/live.ts";
import type { HistoryEvent } from "../../history/port.ts";
import type { Feed } from "./feed.ts";

/** About so much is sent at a time. */
const chunkChars = 32 * 1024;
const renderedKept = 64;

export interface EventsDeps {
  feed: Feed;
  streams: Streams;
  clock: Clock;
  reader: Reader;
}

export function createEvents({ feed, streams, clock, reader }: EventsDeps): (c: Context) => Response {
  /** All readers want the same few newest ones. */
  const rendered = new Map<string, { text: Promise<string> }>();

  function textOf(change: HistoryEvent): Promise<string> {
    return remember(rendered, String(change.id), renderedKept, () => ({ text: render(change) })).text;
  }

  async function render(change: HistoryEvent): Promise<string> {
    const { id } = change;
    const view =
      change.kind === "execution" ? await reader.live(change.execution) : await reader.batchNamed(change.name);
    return sseEvent({ id, event: change.kind, data: JSON.stringify(view) });
  }

  function eventsAfter(asked: number | undefined): { next: () => Promise<Uint8Array | null>; release: () => void } {
    let at = asked ?? feed.newest();
    let greeted = false;
    let forget: () => void = () => undefined;

    /** Returns whether there is a change before it is time to say that the line is alive. */
    function news(): Promise<boolean> {
      return new Promise((done) => {
        const cancel = clock.after(keepAliveMs, () => {
          forget();
          done(false);
        });
        const unhear = feed.onNext(() => {
          cancel();
          done(true);
        });
        forget = () => {
          cancel();
          unhear();
        };
      });
    }

    async function next(): Promise<Uint8Array | null> {
      if (!greeted) {
        greeted = true;
        if (feed.since(at) !== null) return encode(sseHello(at));
        // Too old, or another agent's: what was missed cannot be told, so the reader has to look anew.
        at = feed.newest();
        return encode(sseHello(at) + sseEvent({ id: at, event: "reset", data: "{}" }));
      }
      for (;;) {
        const changes = feed.since(at);
        if (changes === null) return null;
        let text = "";
        for (const change of changes) {
          text += await textOf(change);
          at = change.id;
          if (text.length > chunkChars) break;
        }
        if (text !== "") return encode(text);
        if (!(await news())) return keepAlive;
      }
    }
    return { next, release: () => forget() };
  }

  return (c) => {
    const asked = lastEventId(c, c.req.query("since")); // a browser cannot give the header at its first call
    if (c.req.method === "HEAD") return new Response(null, { headers: sseHeaders });
    const { next, release } = eventsAfter(asked);
    return new Response(streams.open(clientOfRequest(c), next, release), { headers: sseHeaders });
  };
}
