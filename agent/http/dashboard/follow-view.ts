// The output of an execution for the pages' viewer, as it is written: events of lines with their times, whose ids say
// where both logs stand after them.
import type { Context } from "hono";
import { createMerge, type LogSizes, type LogStream, type LogFollower, type MergeSource } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";
import { clientOfRequest } from "../protocol/client.ts";
import { HttpProblem } from "../protocol/problem.ts";
import { encode, keepAlive, keepAliveMs, sseEvent, sseHeaders } from "../protocol/sse.ts";
import type { NextPiece } from "../protocol/streams.ts";
import type { AppDeps } from "../views/deps.ts";
import { streamsOf, type LogView } from "./log-views.ts";

/** Whoever is further behind is sent to the end: nobody reads as fast. */
const maxBehindBytes = 1024 * 1024;
/** Characters of a line that are kept until its end comes. */
const maxHeldChars = 8_000;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** For a log that a view leaves out. */
const nothing: Pick<LogFollower, "size" | "measure" | "read"> = {
  size: () => 0,
  measure: () => Promise.resolve(0),
  read: () => Promise.resolve(new Uint8Array(0)),
};

/**
 * Events: lines, `data` a JSON object `{stream, at, lines}`; `behind`, once the reader cannot keep up; `end`. Goes on
 * after `Last-Event-ID`, `<offset of stdout>-<offset of stderr>`.
 */
export async function followView(c: Context, deps: AppDeps, execution: Execution, view: LogView): Promise<Response> {
  const { batch, id } = execution;
  const from = offsets(c);
  if (c.req.method === "HEAD") return new Response(null, { headers: sseHeaders });
  const files = [...streamsOf(view), "times"] as const;
  const opened = await Promise.allSettled(files.map((file) => deps.followers.open(batch, id, file)));
  const followers = new Map(
    opened.flatMap((one, i) => (one.status === "fulfilled" ? [[files[i] as string, one.value] as const] : [])),
  );
  const close = () => {
    for (const follower of followers.values()) follower.close();
  };
  try {
    const times = followers.get("times");
    const failed = opened.find((one) => one.status === "rejected");
    if (times === undefined || failed !== undefined) throw failed?.reason;
    const followerOf = (stream: LogStream) => ({ ...times, ...(followers.get(stream) ?? nothing) });
    const source: MergeSource = {
      stdout: followerOf("stdout"),
      stderr: followerOf("stderr"),
      times,
      follow: true,
      from,
      now: deps.clock.now,
      endedAt: async () =>
        deps.history.isOpen(id) ? null : ((await deps.history.find(id))?.finishedAt ?? execution.createdAt),
    };
    const next = eventsOf(source, from, () => times.nextTick());
    return new Response(deps.streams.open(clientOfRequest(c), next, close), { headers: sseHeaders });
  } catch (error) {
    close();
    throw error;
  }
}

function offsets(c: Context): LogSizes {
  const given = c.req.header("Last-Event-ID") ?? c.req.query("from") ?? "0-0";
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(given);
  if (match === null) throw new HttpProblem(400, "Last-Event-ID must be an id that was given");
  return { stdout: Number(match[1]), stderr: Number(match[2]) };
}

function eventsOf(source: MergeSource, from: LogSizes, nextTick: () => Promise<void>): NextPiece {
  const next = createMerge(source);
  const read = { ...from };
  /** After the last whole line of each. */
  const whole = { ...from };
  const held: Record<LogStream, string> = { stdout: "", stderr: "" };
  let isOver = false;
  return async () => {
    if (isOver) return null;
    const since = source.now();
    for (;;) {
      const behind = source.stdout.size() + source.stderr.size() - read.stdout - read.stderr;
      if (behind > maxBehindBytes) {
        isOver = true;
        return encode(sseEvent({ event: "behind", data: String(behind) }));
      }
      for (const stream of ["stdout", "stderr"] as const)
        if (source[stream].size() < read[stream]) {
          read[stream] = whole[stream] = source[stream].size();
          return encode(sseEvent({ event: "shorter", data: stream }));
        }
      const piece = await next();
      if (piece === null) {
        isOver = true;
        return encode(sseEvent({ event: "end", data: "" }));
      }
      if (piece === "wait") {
        if (Math.abs(source.now() - since) >= keepAliveMs) return keepAlive;
        await nextTick();
        continue;
      }
      const { stream, at, bytes } = piece;
      read[stream] += bytes.length;
      const text = decoder.decode(bytes);
      const isWhole = text.endsWith("\n") || (await isEnd(source, stream, read[stream]));
      if (!isWhole) {
        held[stream] = `${held[stream]}${text}`.slice(0, maxHeldChars);
        continue;
      }
      const lines = text.replace(/\n$/, "").split("\n");
      lines[0] = held[stream] + (lines[0] ?? "");
      held[stream] = "";
      whole[stream] = read[stream];
      return encode(`id: ${whole.stdout}-${whole.stderr}\ndata: ${JSON.stringify({ stream, at, lines })}\n\n`);
    }
  };
}

/** Returns whether the execution is over and this is all of its log. */
async function isEnd(source: MergeSource, stream: LogStream, offset: number): Promise<boolean> {
  return (await source.endedAt()) !== null && offset >= source[stream].size();
}
