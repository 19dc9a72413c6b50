// A repository that is followed: what its settings may be, what its answers mean, and what of them may be shown.
import { gitTlsTrouble } from "../text/tls-words.ts";

const commitLength = 40;

/** Why a URL cannot be followed; null when it can. Never repeats it: it may hold a password. */
export function validateGitUrl(url: string): string | null {
  if (url.startsWith("-")) return "it begins with a hyphen";
  if (Array.from(url).some((char) => char <= " ")) return "it holds blanks or control characters";
  if (/^[a-z0-9+.-]+::/i.test(url)) return "it names a helper program";
  if (/^(https?|ssh|git|file):\/\//i.test(url)) return URL.canParse(url) ? null : "it is not a URL";
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url)
    ? "it must begin with https://, http://, ssh://, git:// or file://, or be user@host:path, or a path"
    : null;
}

/** Why a name cannot be that of a branch or tag, by the rules git has for them; null when it can. */
export function validateGitRef(ref: string): string | null {
  if (ref.startsWith("-")) return "it begins with a hyphen";
  const bad =
    /[ ~^:?*[\\]|\.\.|@\{|\/\/|\/$|^\/|\.$|\.lock$|(^|\/)\.|^@$/.test(ref) ||
    Array.from(ref).some((char) => char < " " || char === "\x7f");
  return bad ? "no branch or tag can be called so" : null;
}

/** Returns whether `path` names a folder within the repository; "" is all of it. */
export function isGitPath(path: string): boolean {
  return !path.startsWith("/") && !path.split("/").includes("..");
}

export interface GitAddress {
  /** Without password, query and fragment: what may be shown, written down and given to a process. */
  url: string;
  user: string | null;
  password: string | null;
}

/** Takes the credentials out of a URL. What is no http(s) URL keeps its user, which is part of the address. */
export function splitGitUrl(url: string): GitAddress {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) return { url, user: null, password: null };
  const parsed = new URL(url);
  const [user, password] = [decode(parsed.username), decode(parsed.password)];
  const secret = /^https?:$/.test(parsed.protocol);
  parsed.password = "";
  if (secret) parsed.username = "";
  parsed.search = parsed.hash = "";
  return { url: parsed.href, user: secret ? user : null, password: secret ? password : null };
}

function decode(text: string): string | null {
  try {
    return text === "" ? null : decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Returns what git has said, for people: its last lines, without user and query of any URL and without the secrets,
 * and what a failure of TLS means.
 */
export function shownGitMessage(text: string, secrets: readonly (string | null)[]): string {
  let shown = text
    .replace(/:\/\/[^\s/'"]*/g, (host) => `://${host.slice(Math.max(3, host.lastIndexOf("@") + 1))}`)
    .replace(/:\/\/[^\s'"]*/g, (url) => url.split(/[?#]/, 1)[0] ?? "");
  // The longest first: one may be part of another.
  const forms = secrets
    .flatMap((secret) => (secret === null || secret.length < 3 ? [] : [secret, encodeURIComponent(secret)]))
    .sort((a, b) => b.length - a.length);
  for (const form of forms) shown = shown.replaceAll(form, "***");
  const advice = /^(Please make sure you have the correct access rights|and the repository exists\.)$/;
  const lines = shown
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !advice.test(line));
  const last = lines.slice(-3).join("; ").slice(-400);
  const why = gitTlsTrouble(last);
  return why === null ? last : `${why} (${last})`;
}

/** Returns the full names to ask a remote for; `ref` null is its default branch. */
export function askedRefs(ref: string | null): string[] {
  if (ref === null) return ["HEAD"];
  return ref.startsWith("refs/")
    ? [ref, `${ref}^{}`]
    : [`refs/heads/${ref}`, `refs/tags/${ref}`, `refs/tags/${ref}^{}`];
}

/** A ref's full name, and its commit (a tag's own, not the tag). */
export interface AnsweredRef {
  name: string;
  commit: string;
}

/**
 * Reads what `git ls-remote` answers, as it comes. A remote may have any number of refs that end as the asked one does,
 * so nothing is held but the names that were asked for.
 */
export function createRefReader(ref: string | null): {
  push: (text: string) => void;
  /** Returns null where it has none, "ambiguous" where both a branch and a tag have the name. */
  end: () => AnsweredRef | "ambiguous" | null;
} {
  const asked = askedRefs(ref);
  const maxLength = Math.max(...asked.map((name) => name.length)) + commitLength + 1;
  const found = new Map<string, string>();
  let line = "";
  const takeLine = () => {
    const [commit = "", name = ""] = line.split("\t");
    if (asked.includes(name) && /^[0-9a-f]{40}$/.test(commit)) found.set(name, commit);
    line = "";
  };
  return {
    push(text) {
      let at = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", at)) {
        if (line.length <= maxLength) line += text.slice(at, end);
        takeLine();
        at = end + 1;
      }
      if (line.length <= maxLength) line += text.slice(at);
    },
    end() {
      takeLine();
      const names = asked.filter((name) => !name.endsWith("^{}") && found.has(name));
      const [name] = names;
      if (name === undefined) return null;
      if (names.length > 1) return "ambiguous";
      return { name, commit: found.get(`${name}^{}`) ?? found.get(name) ?? "" };
    },
  };
}

/** A short name that both a branch and a tag bear. */
export class AmbiguousRef extends Error {
  constructor(ref: string) {
    super(`${ref} is both a branch and a tag: name it as refs/heads/${ref} or refs/tags/${ref} with --git-ref`);
  }
}

/** Limits of a tree, those of an archive. */
export interface TreeLimits {
  entries: number;
  bytes: number;
}

/**
 * Adds up what `git ls-tree -r -t -l -z` tells of a tree, as it comes. `push` returns why the tree is too large, as
 * soon as it is: equal folders nested in each other can make a small repository endless.
 */
export function createTreeMeasure(limits: TreeLimits): {
  push: (text: string) => string | null;
  size: () => TreeLimits;
} {
  let entries = 0;
  let bytes = 0;
  let line = "";
  return {
    push(text) {
      const lines = text.split("\0");
      lines[0] = line + (lines[0] ?? "");
      line = lines.pop() ?? "";
      for (const each of lines) {
        entries += 1;
        bytes += Number(/^\d+ blob [0-9a-f]+ +(\d+)\t/.exec(each)?.[1] ?? 0);
      }
      if (entries > limits.entries) return `it has more than ${limits.entries} entries (--archive-entries)`;
      return bytes > limits.bytes ? `it unpacks to more than ${limits.bytes} bytes (--archive-bytes)` : null;
    },
    size: () => ({ entries, bytes }),
  };
}

/**
 * How long to wait, in ms, after `failures` failures in a row: the interval without any, else from 5 s to a minute
 * (or the interval). `random`: 0 to 1.
 */
export function nextPollMs(failures: number, intervalMs: number, random: number): number {
  const first = Math.min(intervalMs, 5_000);
  const baseMs =
    failures === 0 ? intervalMs : Math.min(first * 2 ** Math.min(failures - 1, 20), Math.max(intervalMs, 60_000));
  return Math.round(baseMs * (0.8 + 0.4 * random));
}
