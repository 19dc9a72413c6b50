// data/commands: where commands on this machine ask the running agent for something. A request is a file, taken by
// rename (so by one agent, once, or withdrawn by who asked), and answered by another file. A taken one stays until it
// is answered: an agent that dies in between leaves it to the next.
import { randomUUID } from "node:crypto";
import { lstat, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../errors.ts";
import { errorCode, isShortage, readPlainBytes, readText, removeTree, writeFresh } from "../platform/files.ts";
import { makeFolders, type EnsureFolder } from "../platform/folders.ts";
import { maxNoteChars, type Answer, type Command, type Request } from "./port.ts";

/** Tells who asks may be another user than the agent, as root is. */
const shared = { mode: 0o644, flush: true };
const requestBytes = 1024 * 1024;
const answerBytes = 16 * 1024 * 1024;
/** Requests that are taken in one go. */
const claimedAtOnce = 100;
/** Holds what nobody took by then is no longer waited for: who asks withdraws it after 5 s, unless it was killed. */
const staleMs = 15_000;
/** Answers that nobody has read by then never will be. */
const keepAnswersMs = 3_600_000;

export interface ClaimedCommand {
  command: Command | null;
  /** True for one that an earlier agent took. */
  isFound: boolean;
  answer: (answer: Answer) => Promise<void>;
}

export interface CommandBox {
  open: () => Promise<void>;
  /** Takes all that wait, oldest first. Each is given once by this agent. */
  claim: () => Promise<ClaimedCommand[]>;
}

/** The agent's side. */
export function createCommandBox(dataDir: string, now: () => number, ensure: EnsureFolder = makeFolders): CommandBox {
  const home = join(dataDir, "commands");
  const given = new Set<string>();

  /** Answers that could not be written yet. */
  const unwritten = new Map<string, Answer>();

  async function clear(): Promise<void> {
    for (const name of await readdir(home)) {
      const path = join(home, name);
      const limitMs = name.endsWith(".taken") ? Infinity : name.endsWith(".answer") ? keepAnswersMs : staleMs;
      const changed = await lstat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => Infinity,
      );
      if (now() - changed > limitMs) await removeTree(path);
    }
  }

  async function write(id: string, answer: Answer): Promise<void> {
    await writeWhole(home, id, "answer", answer);
    await removeTree(join(home, `${id}.taken`));
    given.delete(id);
    unwritten.delete(id);
  }

  /** Throws where descriptors or memory run out: it is given at the next look, as one that was found. */
  function claimed(id: string, isFound: boolean): ClaimedCommand {
    const command = readCommand(join(home, `${id}.taken`), id);
    given.add(id);
    return {
      command,
      isFound,
      async answer(answer) {
        try {
          await write(id, answer);
        } catch (error) {
          // Only now: who tries again while it is being written would leave a second one that nobody reads.
          unwritten.set(id, answer);
          throw error;
        }
      },
    };
  }

  return {
    async open() {
      ensure(home);
      await clear();
    },
    async claim() {
      for (const [id, answer] of [...unwritten]) await write(id, answer).catch(() => undefined);
      const names = (await readdir(home)).sort();
      const ids = (ending: string) =>
        names.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length));
      const found = ids(".taken").filter((id) => !given.has(id));
      const all: ClaimedCommand[] = [];
      /** What was given already must reach the caller, so a shortage ends the look early. */
      const give = (id: string, isFound: boolean) => {
        try {
          all.push(claimed(id, isFound));
          return true;
        } catch (error) {
          if (all.length === 0) throw error;
          return false;
        }
      };
      for (const id of found) if (!give(id, true)) return all;
      for (const id of ids(".json").slice(0, claimedAtOnce)) {
        const isOurs = await rename(join(home, `${id}.json`), join(home, `${id}.taken`)).then(
          () => true,
          () => false, // withdrawn meanwhile
        );
        if (isOurs && !give(id, false)) return all;
      }
      return all;
    },
  };
}

/** Writes a file that is there as a whole or not at all. */
async function writeWhole(home: string, id: string, ending: string, value: unknown): Promise<void> {
  const temporary = join(home, `${id}.${ending}.writing`);
  await writeFresh(temporary, JSON.stringify(value), shared);
  await rename(temporary, join(home, `${id}.${ending}`));
}

/** null for what no command can have written. Throws where descriptors or memory run out. */
function readCommand(path: string, id: string): Command | null {
  try {
    const value = JSON.parse(readPlainBytes(path, requestBytes, "refuse").toString("utf8")) as Partial<Command> | null;
    const { actor, note, request } = value ?? {};
    if (typeof actor !== "string" || (note !== null && typeof note !== "string")) return null;
    return isRequest(request)
      ? {
          command: id,
          actor: actor.slice(0, 200),
          note: note?.slice(0, maxNoteChars) ?? null,
          request,
        }
      : null;
  } catch (error) {
    if (isShortage(error)) throw error;
    return null;
  }
}

function isRequest(value: unknown): value is Request {
  if (typeof value !== "object" || value === null) return false;
  const request = value as Record<string, unknown>;
  const isText = (...keys: string[]) => keys.every((key) => typeof request[key] === "string");
  switch (request["kind"]) {
    case "trigger": {
      const { params, dueAt } = request;
      if (typeof params !== "object" || params === null) return false;
      return (
        isText("batch") &&
        (dueAt === null || isDate(dueAt)) &&
        Object.values(params).every((one) => typeof one === "string")
      );
    }
    case "cancel":
    case "rerun":
      return isText("target");
    case "due-times":
      return isText("batch") && isDate(request["from"]) && isDate(request["to"]);
    case "wait":
      return isText("id");
    default:
      return false;
  }
}

function isDate(value: unknown): boolean {
  return typeof value === "number" && Math.abs(value) <= 8.64e15;
}

const pollMs = 50;
/** Time for whoever has taken it to answer: its record is being written. */
const answerMs = 10_000;

/** No agent has taken a request, or it gave no answer. */
export type Unanswered = "not-taken" | "not-answered";

/**
 * The asking side: the agent's answer. Where none takes it within `waitMs` it is withdrawn. `patient`: waits for the
 * answer however long it takes, over restarts of the agent too. Throws StoreError where it cannot be asked.
 */
export async function askAgent(
  dataDir: string,
  asked: { actor: string; note: string | null; request: Request },
  { waitMs, patient = false }: { waitMs: number; patient?: boolean },
): Promise<Answer | Unanswered> {
  const home = join(dataDir, "commands");
  const id = `${String(Date.now()).padStart(15, "0")}-${randomUUID()}`; // in the order of asking
  const path = (ending: string) => join(home, `${id}.${ending}`);
  try {
    await writeWhole(home, id, "json", asked);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return "not-taken"; // no agent has ever used this data folder
    throw new StoreError("write", home, error, "may you write there, and is there room? (--data)");
  }
  async function answer(ms: number): Promise<Answer | null> {
    for (let waited = 0; waited < ms; waited += pollMs) {
      try {
        const text = await readText(path("answer"), answerBytes, "refuse");
        await rm(path("answer"), { force: true });
        return JSON.parse(text) as Answer;
      } catch {
        await new Promise((done) => setTimeout(done, pollMs));
      }
    }
    return null;
  }
  const answered = await answer(waitMs);
  if (answered !== null) return answered;
  const withdrawn = await rm(path("json")).then(
    () => true,
    () => false,
  );
  return withdrawn ? "not-taken" : ((await answer(patient ? Infinity : answerMs)) ?? "not-answered");
}
