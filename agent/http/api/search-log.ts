// Answers with the lines of both logs that hold a text. A few searches at a time: each reads its logs from end to end.
import type { Context } from "hono";
import type { LogStore, LogStream } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";
import { HttpProblem } from "../protocol/problem.ts";
import { single } from "../protocol/query.ts";

const maxSearches = 4;
const maxItems = 200;
const maxNeedleChars = 200;

let searches = 0;

/** `{items: [{stream, line, offset, text}], more}` of these logs. Throws a 503 where others are searching. */
export async function searchAnswer(
  c: Context,
  logs: LogStore,
  { batch, id }: Execution,
  streams: readonly LogStream[] = ["stdout", "stderr"],
) {
  const text = single(c, "q") ?? "";
  if (text === "" || text.length > maxNeedleChars || text.includes("\n"))
    throw new HttpProblem(400, `q must be a text of 1 to ${maxNeedleChars} characters in one line`);
  if (searches >= maxSearches)
    throw new HttpProblem(503, `${maxSearches} logs are being searched already; try again later`, {
      "Retry-After": "2",
    });
  searches += 1;
  try {
    const isGone = () => c.req.raw.signal.aborted;
    const items = [];
    for (const stream of streams) {
      const found = await logs.search(batch, id, stream, text, maxItems + 1 - items.length, isGone);
      items.push(...found.map((one) => ({ stream, ...one })));
    }
    return { items: items.slice(0, maxItems), more: items.length > maxItems };
  } finally {
    searches -= 1;
  }
}
