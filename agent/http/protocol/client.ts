// The client of a request, by its address.
import { getConnInfo } from "@hono/node-server/conninfo";
import type { Context } from "hono";
import { clientOf } from "./connections.ts";

/** Returns "" where the request did not come over a connection. */
export function clientOfRequest(c: Context): string {
  const env = c.env as object | undefined;
  return env !== undefined && "incoming" in env ? clientOf(getConnInfo(c).remote.address) : "";
}
