// data/triggers: where a command on this machine asks the running agent to start a batch. A file is asked, taken by
// rename (so by one agent, once, or withdrawn by who asked), and answered by another file.
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { readBounded, readText, removeTree, writeFresh } from "../platform/files.ts";
import type { TriggerBox, TriggerAnswer } from "./port.ts";

/** Who asks may be another user than the agent, as root is. */
const shared = { mode: 0o644 };
const maxNameBytes = 200;
const maxAnswerBytes = 64 * 1024;

/** The agent's side. `onJunk` hears of what was asked and cannot be read; it is gone then. */
export function createTriggerBox(
  dataDir: string,
  onJunk: (name: string, error: unknown) => void = () => undefined,
): TriggerBox {
  const home = join(dataDir, "triggers");
  return {
    async open() {
      await removeTree(home); // what nobody took is no longer waited for
      await mkdir(home, { recursive: true });
    },
    async take() {
      const asked = (await readdir(home))
        .filter((name) => name.endsWith(".ask"))
        .sort()
        .slice(0, 100);
      const taken = await Promise.all(
        asked.map(async (name) => {
          const path = join(home, name.replace(/\.ask$/, ".taken"));
          try {
            await rename(join(home, name), path);
          } catch {
            return null; // withdrawn meanwhile
          }
          try {
            const { bytes } = await readBounded(path, maxNameBytes, "refuse");
            return { batch: bytes.toString("utf8").trim(), path };
          } catch (error) {
            onJunk(name, error);
            await removeTree(path).catch(() => undefined);
            return null;
          }
        }),
      );
      return taken
        .filter((one) => one !== null)
        .map(({ batch, path }) => ({
          batch,
          async answer(answer: TriggerAnswer) {
            const written = path.replace(/\.taken$/, ".writing");
            await writeFresh(written, JSON.stringify(answer), shared);
            await rename(written, path.replace(/\.taken$/, ".answer"));
            await rm(path, { force: true });
          },
        }));
    },
  };
}

const pollMs = 50;
/** Who has taken it is given so long to answer: its record is being written. */
const answerMs = 5_000;

/** The asking side: the agent's answer, or null when none takes it within `waitMs`; it is then withdrawn. */
export async function askForStart(dataDir: string, batch: string, waitMs: number): Promise<TriggerAnswer | null> {
  const home = join(dataDir, "triggers");
  const id = randomUUID();
  const path = (ending: string) => join(home, `${id}.${ending}`);
  try {
    await writeFresh(path("writing"), `${batch}\n`, shared);
    await rename(path("writing"), path("ask"));
  } catch {
    return null; // no agent has ever used this data folder
  }
  async function answer(ms: number): Promise<TriggerAnswer | null> {
    for (let waited = 0; waited < ms; waited += pollMs) {
      const text = await readText(path("answer"), maxAnswerBytes, "refuse").catch(() => null);
      if (text !== null) {
        await rm(path("answer"), { force: true });
        return JSON.parse(text) as TriggerAnswer;
      }
      await new Promise((done) => setTimeout(done, pollMs));
    }
    return null;
  }
  const answered = await answer(waitMs);
  if (answered !== null) return answered;
  const withdrawn = await rm(path("ask")).then(
    () => true,
    () => false,
  );
  return withdrawn ? null : answer(answerMs);
}
