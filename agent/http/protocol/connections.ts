// Limits of a client: requests of a connection, connections of an address, and how long an answer waits for its reader.
import { IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIPv6, type Socket } from "node:net";
import { noteArrival } from "../../async/turns.ts";

/** Requests of a connection that are not answered yet; a client that sends more is cut off. */
const maxUnanswered = 16;
/** An answer of which nothing was taken for this long is broken off. */
const maxStallMs = 30_000;
/** How often a stalled answer is looked at within that time. */
const checks = 6;
/** Share of all places that one address may have, so that probes and others always get in. */
export const maxShare = 0.75;
/** Connections of all clients together, where there are descriptors for them. */
const defaultMaxConnections = 1_000;
const minConnections = 16;
/** A connection, and the two logs that its answer may have open. */
const descriptorsEach = 3;
/** Kept for scripts, the record, the folder of batches and what is told. */
const reservedDescriptors = 200;
/** An answer made ahead of its reader is small up to this size. */
const smallBytes = 64 * 1024;
/** All larger answers together; beyond that the one that has waited longest is broken off. */
const maxLadenBytes = 16 * 1024 * 1024;

const unanswered = new WeakMap<Socket, number>();

/**
 * A request that counts on its connection. Node parses everything of a chunk (64 KiB, or 2,500 small requests) in one
 * turn, before a handler can stop it. A message that asks for an upgrade ends the parsing of its chunk, so the first
 * one beyond the limit says that it does; its connection is destroyed.
 */
export class CountedRequest extends IncomingMessage {
  #upgrade: boolean | null = null;
  readonly #excess: boolean;

  constructor(socket: Socket) {
    super(socket);
    const count = (unanswered.get(socket) ?? 0) + 1;
    unanswered.set(socket, count);
    this.#excess = count > maxUnanswered;
    if (this.#excess) socket.destroy();
  }

  get upgrade(): boolean | null {
    return #excess in this && (this.#excess || this.#upgrade === true);
  }

  /** Set by Node, for the first time before this class has its fields. */
  set upgrade(value: boolean | null) {
    if (#upgrade in this) this.#upgrade = value;
  }
}

export interface AnswerQueue {
  /** Runs `answer` once all earlier requests of the connection are answered; not at all where it is gone by then. */
  run: (socket: Socket, outgoing: ServerResponse, answer: () => Promise<void>) => Promise<void>;
}

/**
 * One answer of a connection is made at a time, and those that are made ahead of their readers stay within a budget.
 */
export function createAnswerQueue(): AnswerQueue {
  const last = new WeakMap<Socket, Promise<void>>();
  const laden = new Map<ServerResponse, number>();

  function watchSize(outgoing: ServerResponse): void {
    const bytes = outgoing.writableLength;
    if (bytes <= smallBytes || outgoing.destroyed) return;
    laden.set(outgoing, bytes);
    outgoing.once("close", () => laden.delete(outgoing));
    let total = 0;
    for (const size of laden.values()) total += size;
    for (const [oldest, size] of laden) {
      if (total <= maxLadenBytes || oldest === outgoing) break;
      total -= size;
      laden.delete(oldest);
      oldest.destroy();
    }
  }

  return {
    async run(socket, outgoing, answer) {
      const before = last.get(socket);
      const done = new Promise<void>((resolve) => {
        outgoing.once("close", () => {
          unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1);
          resolve();
        });
      });
      last.set(socket, done);
      await before;
      if (socket.destroyed) return;
      await answer();
      watchSize(outgoing);
    },
  };
}

/**
 * Returns how many connections leave the agent the descriptors that it needs to start scripts and to record.
 * @param descriptors limit of the process; null where it is not known
 */
export function maxConnectionsFor(descriptors: number | null): number {
  if (descriptors === null) return defaultMaxConnections;
  const affordable = Math.floor((descriptors - reservedDescriptors) / descriptorsEach);
  return Math.min(defaultMaxConnections, Math.max(minConnections, affordable));
}

/** Gives each address its share of the server's places, and breaks off answers that nobody takes. */
export function limitConnections(
  server: Server,
  { maxConnections = defaultMaxConnections, stallMs = maxStallMs } = {},
): void {
  const maxEach = Math.max(1, Math.floor(maxConnections * maxShare));
  const counts = new Map<string, number>();
  server.maxConnections = maxConnections;
  server.on("connection", (socket) => {
    noteArrival();
    const client = clientOf(socket.remoteAddress);
    const count = (counts.get(client) ?? 0) + 1;
    if (count > maxEach) {
      socket.destroy();
      return;
    }
    counts.set(client, count);
    socket.once("close", () => {
      const left = (counts.get(client) ?? 1) - 1;
      if (left === 0) counts.delete(client);
      else counts.set(client, left);
    });
  });
  breakOffStalled(server, stallMs);
}

/**
 * Node tells when a socket has made no progress for a time, reading or writing. Where a part of a write was taken in
 * that time, it says nothing and waits for as long again: with one long time an answer could stall for twice as long.
 */
function breakOffStalled(server: Server, stallMs: number): void {
  const checkMs = stallMs / checks;
  const seen = new WeakMap<Socket, { bytes: number; at: number; count: number }>();
  server.setTimeout(checkMs, (socket) => {
    const open = unanswered.get(socket);
    if (open === undefined) return; // its first request has a limit of its own
    if (open === 0) socket.destroy(); // kept alive for long enough
    // A follower of a silent log waits with nothing to take; its next write begins the time anew.
    if (open === 0 || socket.writableLength === 0) return;
    const last = seen.get(socket);
    const now = performance.now();
    const stalled = last?.bytes === socket.bytesWritten && now - last.at < 1.5 * checkMs;
    const count = stalled ? last.count + 1 : 1;
    if (count >= checks) socket.destroy();
    else {
      seen.set(socket, { bytes: socket.bytesWritten, at: now, count });
      socket.setTimeout(checkMs);
    }
  });
}

/** Name of the client behind an address: itself, or the network of 64 bits that an IPv6 client has for itself. */
export function clientOf(address: string | undefined): string {
  const bare = (address ?? "").replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (!isIPv6(bare)) return bare;
  const [head = "", tail] = bare.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const all = [...groups, ...Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill("0"), ...rest];
  return `${all.slice(0, 4).join(":")}::/64`;
}
