// Server-sent events on the wire.
import type { Context } from "hono";
import { HttpProblem } from "./problem.ts";

const encoder = new TextEncoder();

/** Said now and then while nothing happens, so that proxies and readers know the line is alive. */
export const keepAlive = encoder.encode(": still here\n\n");
export const keepAliveMs = 15_000;

export const sseHeaders = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "X-Accel-Buffering": "no", // nginx would hold it back
};

/** Returns where to go on after a lost connection, and how soon; no event of its own. */
export function sseHello(id: number): string {
  return `retry: 1000\nid: ${id}\n\n`;
}

/** One event. Lines of `data` end in LF; a CR, which would end a line too, must not be in it. */
export function sseEvent(fields: { id?: number; event?: string; data: string }): string {
  const { id, event, data } = fields;
  const head = (event === undefined ? "" : `event: ${event}\n`) + (id === undefined ? "" : `id: ${id}\n`);
  return `${head}data: ${data.replaceAll("\n", "\ndata: ")}\n\n`;
}

export function encode(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Returns what `Last-Event-ID` says, else `since`; undefined where neither says anything. A malformed one is a 400. */
export function lastEventId(c: Context, since?: string): number | undefined {
  const value = c.req.header("Last-Event-ID") ?? since;
  if (value === undefined || value === "") return undefined;
  if (!/^\d{1,16}$/.test(value) || !Number.isSafeInteger(Number(value)))
    throw new HttpProblem(
      400,
      `${c.req.header("Last-Event-ID") === undefined ? "since" : "Last-Event-ID"} must be an id that was given`,
    );
  return Number(value);
}

export function wantsEvents(c: Context): boolean {
  return (c.req.header("Accept") ?? "")
    .split(",")
    .some((type) => type.trim().toLowerCase().startsWith("text/event-stream"));
}
