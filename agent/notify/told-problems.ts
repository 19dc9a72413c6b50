// Keeps which problems people have heard of over restarts, in one small file of the data folder: problems-told.json.
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import type { Logger } from "../logger.ts";
import { writeDurably } from "../platform/durable.ts";
import { readState } from "../platform/state-file.ts";
import type { ToldProblems } from "./problem-news.ts";

const maxBytes = 16 * 1024 * 1024;

export interface ToldStore {
  /** Empty where there is none. Throws StoreError where it cannot be read just now. */
  read: () => Promise<ToldProblems>;
  write: (told: ToldProblems) => Promise<void>;
}

export function createToldStore(dataDir: string, deps: { clock: Clock; log: Logger }): ToldStore {
  const path = join(dataDir, "problems-told.json");
  const what = "the note of which problems were told";
  return {
    async read() {
      return (await readState({ path, what, maxBytes, parse }, deps)) ?? {};
    },
    write: (told) => writeDurably(path, `${JSON.stringify({ told }, null, 1)}\n`),
  };
}

/** Throws for what is no such file: what is wrong is told once more then. */
function parse(text: string): ToldProblems {
  const { told } = JSON.parse(text) as { told: Record<string, Record<string, unknown>> };
  const times = Object.values(told).flatMap((digests) => Object.values(digests));
  if (!times.every((at) => typeof at === "string")) throw new Error("it does not hold which problems were told");
  return told as ToldProblems;
}
