// Refuses methods that change something: in words for those that Node knows, and on the bare socket for those that its
// parser does not.
import type { Server } from "node:http";
import { Socket } from "node:net";
import { problemBody, problemType } from "./problem.ts";

export const readOnlyMethods: readonly string[] = ["GET", "HEAD"];
export const allowReadOnly = readOnlyMethods.join(", ");
export const readOnlyDetail = "this API is read-only: the folder of batches is the way to change something";

const body = problemBody(null, 405, readOnlyDetail);
const answer =
  `HTTP/1.1 405 Method Not Allowed\r\nAllow: ${allowReadOnly}\r\nConnection: close\r\nCache-Control: no-store\r\n` +
  `X-Content-Type-Options: nosniff\r\nContent-Type: ${problemType}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Answers a method that the parser does not know; whatever else it cannot read is cut off. */
export function refuseUnknownMethods(server: Server): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // Else answers to what came before are on their way.
    const isFirst = socket instanceof Socket && socket.bytesWritten === 0;
    if (error.code !== "HPE_INVALID_METHOD" || !isFirst || !socket.writable) return void socket.destroy();
    socket.end(answer, () => socket.destroy());
  });
}
