// The file that holds the token. Read anew when it has changed; while it cannot be read nobody has the token.
import { stat } from "node:fs/promises";
import { messageOf, ConfigError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { readText } from "./files.ts";

const maxLength = 4_096;

/** Throws ConfigError when there is no token in it to begin with. */
export async function openTokenFile(path: string, log: Logger): Promise<TokenSource> {
  let known: { state: string; token: string } | null = null;
  let trouble: string | null = null;

  async function read(): Promise<{ state: string; token: string }> {
    const { ino, size, mtimeMs, ctimeMs } = await stat(path);
    const state = [ino, size, mtimeMs, ctimeMs].join(" ");
    if (known?.state === state) return known;
    const token = (await readText(path, maxLength)).trim();
    if (token === "") throw new Error("it is empty");
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Error("it must hold one line of visible ASCII without spaces");
    return { state, token };
  }

  async function current(): Promise<string | null> {
    try {
      known = await read();
      if (trouble !== null) log.info("the token file can be read again", { path });
      trouble = null;
    } catch (error) {
      known = null;
      const reason = messageOf(error);
      if (reason !== trouble)
        log.error("the token file cannot be used: nobody is let in until it can", { path, error: reason });
      trouble = reason;
    }
    return known?.token ?? null;
  }

  try {
    known = await read();
  } catch (error) {
    const reason = messageOf(error);
    throw new ConfigError(
      `--token-file: ${path} cannot be used: ${reason}`,
      "make one with: (umask 077; openssl rand -hex 32 > token)",
    );
  }
  return { current };
}
/** The token that requests must bear. */
export interface TokenSource {
  /** As it is now; null while it cannot be had, and then nobody has it. */
  current: () => Promise<string | null>;
}
