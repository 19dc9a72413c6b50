// data/outbox: messages that wait to be delivered, a small file each, gone once they are taken.
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import { messageOf, StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { syncFolder, writeDurably } from "../platform/durable.ts";
import { errorCode, isPassing, quarantine, readPlainBytes, removeTree } from "../platform/files.ts";
import { makeFolders, type EnsureFolder } from "../platform/folders.ts";
import { placeOf } from "./delivery-policy.ts";
import type { Outbox, Message } from "./port.ts";

/** A message holds the last lines of two logs at most. */
const maxMessageBytes = 4 * 1024 * 1024;
const ending = ".json";
const hint = "is there room in the data folder, and may the agent write there?";

export function createOutbox(
  dataDir: string,
  { clock, log, ensure = makeFolders }: { clock: Clock; log: Logger; ensure?: EnsureFolder },
): Outbox {
  const home = join(dataDir, "outbox");
  const pathOf = (id: string) => join(home, id + ending);

  async function open(): Promise<string[]> {
    try {
      ensure(home);
      const names = (await readdir(home)).sort();
      for (const name of names.filter((one) => one.endsWith(".tmp"))) await removeTree(join(home, name));
      return names.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length));
    } catch (error) {
      throw new StoreError("read", home, error, hint);
    }
  }

  async function load(name: string): Promise<Message | null> {
    const path = join(home, name);
    try {
      const message: unknown = JSON.parse(readPlainBytes(path, maxMessageBytes, "refuse").toString("utf8"));
      if (isMessage(message) && name === message.id + ending) return message;
      await quarantineMessage(path, "it does not hold what a message holds");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return null;
      // It is still there, and may be read once this has passed.
      if (isPassing(error)) throw error;
      await quarantineMessage(path, messageOf(error));
    }
    return null;
  }

  async function quarantineMessage(path: string, reason: string): Promise<void> {
    await quarantine(path, clock.now()).then(
      (quarantined) => log.error("a waiting message cannot be read; it was set aside", { path: quarantined, reason }),
      (error: unknown) =>
        log.error("a waiting message can neither be read nor set aside", { path, error: messageOf(error) }),
    );
  }

  return {
    open,
    async put({ about, ...draft }) {
      const receiver = createHash("sha256").update(`${draft.content.kind} ${draft.to}`).digest("hex").slice(0, 16);
      const message: Message = { id: `${about ?? draft.execution}-${draft.event}-${receiver}`, ...draft };
      const write = () =>
        writeDurably(pathOf(message.id), `${JSON.stringify(message)}\n`, (path) =>
          quarantineMessage(path, "it is not a file"),
        );
      await write()
        .catch(async (error: unknown) => {
          if (!["ENOENT", "ENOTDIR", "ELOOP", "EACCES"].includes(errorCode(error))) throw error;
          ensure(home);
          await write();
        })
        .catch((error: unknown) => {
          throw new StoreError("write", pathOf(message.id), error, hint);
        });
      return message;
    },
    async read(id) {
      try {
        await yieldToEventLoop(); // tens of thousands may wait
        return await load(id + ending);
      } catch (error) {
        throw new StoreError("read", pathOf(id), error, hint);
      }
    },
    async remove(id) {
      try {
        await removeTree(pathOf(id));
        await syncFolder(home); // or a power cut brings it back, and it is delivered twice
      } catch (error) {
        if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error)))
          throw new StoreError("delete", pathOf(id), error, hint);
      }
    },
  };
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== "object" || value === null) return false;
  const { id, batch, execution, event, createdAt, to, content } = value as {
    [Key in keyof Message]?: Message[Key] | null;
  };
  const texts = [id, batch, execution, event, createdAt, to].every((text) => typeof text === "string");
  if (!texts || Number.isNaN(Date.parse(createdAt ?? "")) || typeof content !== "object" || content === null)
    return false;
  if (content.kind === "mail")
    return [content.subject, content.text, content.html].every((text) => typeof text === "string");
  try {
    if (content.kind === "ping" && !URL.canParse(content.url)) return false;
    return (
      ["webhook", "ping"].includes(content.kind) &&
      typeof content.body === "string" &&
      placeOf(value as Message) !== "null"
    );
  } catch {
    return false;
  }
}
