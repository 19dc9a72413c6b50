// Bodies that the server copies to the client straight from the disk. Through a response's stream each piece would be
// a new buffer, as a stream does not say when one is free again: that costs three times the time and memory.
import type { ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { createTurns } from "../../async/turns.ts";
import type { LogCopy } from "../../logs/port.ts";

/** Copies under way that go on without asking: more of them make the event loop's rounds long for newcomers. */
const maxUnasked = 8;
const copies = new WeakMap<Response, LogCopy>();
const turns = createTurns(Infinity);
let underWay = 0;

/** `response` as it is; where it is served over HTTP its body comes from `copy` instead of its stream. */
export function withCopy(response: Response, copy: LogCopy): Response {
  copies.set(response, copy);
  return response;
}

/** Sends the response itself if its body is to be copied, at the pace of whoever reads it; else returns it as it is. */
export async function sendCopy(response: Response, outgoing: ServerResponse): Promise<Response> {
  const copy = copies.get(response);
  if (copy === undefined) return response;
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  let giveUp: () => void = () => undefined;
  outgoing.once("close", () => giveUp());
  const write = async (piece: Uint8Array) => {
    if (underWay > maxUnasked) await turns.acquire();
    await new Promise<void>((done, failed) => {
      giveUp = () => failed(new Error("the reader is gone"));
      if (outgoing.destroyed) giveUp();
      else outgoing.write(piece, (error) => (error ? failed(error) : done()));
    });
  };
  underWay += 1;
  await copy(write).then(
    () => outgoing.end(),
    () => outgoing.destroy(), // less came than the head says: whoever reads must notice
  );
  underWay -= 1;
  return RESPONSE_ALREADY_SENT;
}
