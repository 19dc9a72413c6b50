// The mail server's URL in a file, read once at start.
import { messageOf, ConfigError } from "../errors.ts";
import { readPlainBytes } from "../platform/files.ts";

const maxBytes = 4_096;

/** Returns the one line of the file. Throws ConfigError, which never repeats it: it may hold a password. */
export function readSmtpUrl(path: string): string {
  const hint = "one line, such as smtps://user:password@mail.example.org";
  let url: string;
  try {
    url = new TextDecoder().decode(readPlainBytes(path, maxBytes)).trim();
  } catch (error) {
    throw new ConfigError(`--smtp-url-file: ${messageOf(error)}`, hint);
  }
  if (!/^smtps?:\/\/\S+$/i.test(url) || !URL.canParse(url))
    throw new ConfigError(`--smtp-url-file: ${path} holds no URL that begins with smtp:// or smtps://`, hint);
  return url;
}
