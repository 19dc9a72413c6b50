// Keeps which problems people have heard of over restarts, in one small file of the data folder: problems-told.json.
import { join } from "node:path";
import { writeDurably } from "../platform/durable.ts";
import { readText } from "../platform/files.ts";
import type { ToldProblems } from "./problem-news.ts";

const maxBytes = 16 * 1024 * 1024;

export interface ToldStore {
  /** Empty where it is not there, or damaged: then what is wrong is told once more. */
  read: () => Promise<ToldProblems>;
  write: (told: ToldProblems) => Promise<void>;
}

export function createToldStore(dataDir: string): ToldStore {
  const path = join(dataDir, "problems-told.json");
  return {
    async read() {
      try {
        const { told } = JSON.parse(await readText(path, maxBytes, "refuse")) as { told?: ToldProblems };
        return typeof told === "object" ? told : {};
      } catch {
        return {};
      }
    },
    write: (told) => writeDurably(path, `${JSON.stringify({ told }, null, 1)}\n`),
  };
}
