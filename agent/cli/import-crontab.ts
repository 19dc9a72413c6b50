// `batch-agent import-crontab`: a crontab as batch folders. Writes all of them or, where one is there already, none.
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { importCrontab } from "./crontab/crontab.ts";
import type { Known } from "./crontab/users.ts";
import { StoreError } from "../errors.ts";
import { groupFileName } from "../model/group.ts";
import { readPlainBytes, writeFresh } from "../platform/files.ts";
import { sanitize } from "../text/glyphs.ts";
import { count } from "./report/problems.ts";
import { existing, writeFolder } from "./write-folder.ts";

export interface ImportOptions {
  /** Folder of batches to write to. */
  out: string;
  form: "system" | "user" | null;
  /** Only say what would be written. */
  dryRun: boolean;
}

const maxBytes = 16 * 1024 * 1024;

/**
 * Reads the crontab: stdin (`-`), what the shell passes as `<(crontab -l)`, which is a pipe of this process's own, and
 * of all else plain files only. Throws the file system's errors.
 */
export async function readInput(file: string): Promise<Uint8Array> {
  const own = file === "-" ? "0" : /^(?:\/dev|\/proc\/self)\/fd\/(\d+)$/.exec(file)?.[1];
  if (own === undefined && file !== "/dev/stdin") return readPlainBytes(file, maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of createReadStream("", { fd: Number(own ?? 0) })) {
    size += (chunk as Buffer).length;
    if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/**
 * Gives the exit code, 1 if a line has no batch or not all of it came along, or if a folder is there already. Throws
 * StoreError.
 */
export async function runImport(
  file: string,
  bytes: Uint8Array,
  options: ImportOptions,
  deps: { write: (text: string) => void; complain: (text: string) => void },
): Promise<number> {
  const { dryRun } = options;
  const form = options.form ?? (/(^|\/)etc\/crontab$|(^|\/)cron\.d\//.test(file) ? "system" : null);
  const shown = file === "-" ? "stdin" : file;
  const unreadable = whyUnreadable(bytes);
  if (unreadable !== null) {
    deps.complain(`${sanitize(shown)}:1: nothing was taken over: ${unreadable}\n`);
    return 1;
  }
  const { text, undecodable } = decode(bytes);
  const { batches, group, remarks } = importCrontab(text, { form, file: shown, undecodable, known: thisMachines() });
  for (const { line, lost, message } of remarks)
    deps.complain(`${sanitize(shown)}:${line}: ${lost ? "" : "note: "}${sanitize(message)}\n`);
  const names = batches.map(({ name }) => name);
  const out = group === null ? options.out : await groupFolder(options.out, file);
  const usedNames = await existing(options.out, names);
  for (const name of usedNames)
    deps.complain(`batch-agent: ${join(options.out, name)} is there already; nothing was written\n`);
  const lost = remarks.filter((remark) => remark.lost).length;
  if (group !== null) {
    const path = join(out, groupFileName);
    if (dryRun) deps.write(`# ${path}\n${group}\n`);
    else if (usedNames.length === 0) {
      await writeGroup(out, group);
      deps.write(`${path}  what all lines share\n`);
    }
  }
  for (const { name, line, settings, script } of batches) {
    if (dryRun) deps.write(`# ${join(out, name)}/batch.yaml\n${settings}# ${join(out, name)}/script.sh\n${script}\n`);
    else if (usedNames.length === 0) {
      await writeFolder(out, name, { "batch.yaml": settings, "script.sh": script });
      deps.write(`${join(out, name)}  from line ${line}\n`);
    }
  }
  const made = dryRun || usedNames.length > 0 ? 0 : batches.length;
  deps.complain(
    `${count(made, "batch", "batches")} written${dryRun ? ` (${batches.length} without --dry-run)` : ""}, ` +
      `${count(lost, "thing", "things")} left out\n`,
  );
  return lost > 0 || usedNames.length > 0 ? 1 : 0;
}

/**
 * Returns the folder whose `_group.yaml` holds what the lines share: the folder of batches itself where it is new, else
 * a group of its own, so that nobody else's batches inherit it.
 */
async function groupFolder(out: string, file: string): Promise<string> {
  const entries = await readdir(out).catch(() => []);
  if (entries.every((entry) => entry.startsWith("."))) return out;
  const plain = basename(file)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");
  const name = /[a-z0-9](?:[a-z0-9-]{0,50}[a-z0-9])?/.exec(plain)?.[0] ?? "crontab";
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? name : `${name}-${count}`;
    if ((await existing(out, [candidate])).length === 0) return join(out, candidate);
  }
}

/** Throws StoreError, also when there is one already. */
async function writeGroup(folder: string, text: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await writeFresh(join(folder, groupFileName), text, { mode: 0o666 });
  } catch (error) {
    throw new StoreError("write", join(folder, groupFileName), error);
  }
}

/** Why no line can be found in it, and what to do; null where lines can be. */
function whyUnreadable(bytes: Uint8Array): string | null {
  if (isUtf16(bytes)) return "it is UTF-16, which no cron reads; convert it: iconv -f UTF-16 -t UTF-8";
  if (bytes.includes(0x0d) && !bytes.includes(0x0a))
    return "its lines end as on an old Mac, which no cron reads; convert it: tr '\\r' '\\n'";
  return null;
}

/** Its mark, or a NUL in every other byte: a crontab is ASCII for the most part. */
function isUtf16(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  const head = bytes.subarray(0, 4_096);
  return head.filter((byte) => byte === 0).length > head.length / 4;
}

/** Lines in another encoding are known by their number: what they hold is never guessed. */
function decode(bytes: Uint8Array): { text: string; undecodable: Set<number> } {
  const text = new TextDecoder("utf-8").decode(bytes);
  const undecodable = new Set<number>();
  const lines = Buffer.from(bytes).toString("latin1").split("\n");
  const strict = new TextDecoder("utf-8", { fatal: true });
  lines.forEach((line, index) => {
    try {
      strict.decode(Buffer.from(line, "latin1"));
    } catch {
      undecodable.add(index + 1);
    }
  });
  return { text, undecodable };
}

const maxPasswdBytes = 16 * 1024 * 1024;
const programFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

function thisMachines(): Known {
  let users: ReadonlySet<string>;
  try {
    users = new Set(
      readPlainBytes("/etc/passwd", maxPasswdBytes)
        .toString("latin1")
        .split("\n")
        .map((line) => line.split(":")[0] ?? ""),
    );
  } catch {
    users = new Set();
  }
  return {
    isUser: (name) => users.has(name),
    isProgram: (name) => !name.includes("/") && programFolders.some((folder) => existsSync(join(folder, name))),
  };
}
