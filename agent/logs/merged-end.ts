// The last bytes of both logs of an ended execution, in the order in which they were written.
import { createMerge, type MergeSource } from "./merge.ts";

const newline = 0x0a;

/** Returns `maxBytes` at most. A line that has no end is ended before the other log goes on. */
export async function mergedEnd(
  source: Omit<MergeSource, "follow" | "from" | "endedAt">,
  finishedAt: string,
  maxBytes: number,
): Promise<Buffer> {
  const [stdout, stderr] = [await source.stdout.measure(), await source.stderr.measure()];
  const from = { stdout: Math.max(0, stdout - maxBytes), stderr: Math.max(0, stderr - maxBytes) };
  const next = createMerge({ ...source, follow: false, from, endedAt: () => Promise.resolve(finishedAt) });
  let end = Buffer.alloc(0);
  let open: "stdout" | "stderr" | null = null;
  for (let piece = await next(); piece !== null && piece !== "wait"; piece = await next()) {
    const { stream, bytes } = piece;
    const parts = open !== null && open !== stream ? [end, Buffer.from("\n"), bytes] : [end, bytes];
    end = Buffer.concat(parts);
    end = end.subarray(Math.max(0, end.length - maxBytes));
    open = bytes.at(-1) === newline ? null : stream;
  }
  return end;
}
