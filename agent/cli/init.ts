// `batch-agent init`: a first folder of batches that works as it is. Writes what is not there yet, overwrites nothing.
import { lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError, StoreError } from "../errors.ts";
import { errorCode, readText, writeFresh } from "../platform/files.ts";
import { sanitize } from "../text/glyphs.ts";
import { tableLines } from "../text/table.ts";
import { firstFiles, ignored, workflowText, type FirstFile } from "./report/first-files.ts";

const schemas = new URL("../../schemas/", import.meta.url);
const workflowPath = ".github/workflows/batches.yml";
const maxFileBytes = 1024 * 1024;
/** Folders up to this far above are looked at for `.git`. */
const maxDepth = 64;

/** Says what was written, what was there already, and what to do next. Throws ConfigError or StoreError. */
export async function init(dir: string, write: (text: string) => void): Promise<void> {
  const folder = resolve(dir);
  const home = await topOf(folder);
  const shown = (path: string) => sanitize(relative(process.cwd(), path) || ".");
  const entries = await entriesOf(folder, dir);
  const wanted: { path: string; file: FirstFile }[] = [];
  const others = entries.filter((name) => !/^[._]/.test(name) && !firstFiles.some(({ folder: own }) => own === name));
  if (others.length > 0)
    write(`${shown(folder)} holds ${sanitize(others[0] ?? "")} already: no example batches are added\n`);
  else {
    for (const file of firstFiles)
      // A folder that is there is somebody's: nothing is added to it.
      if (file.folder === "" || !entries.includes(file.folder))
        wanted.push({ path: join(folder, file.folder, file.name), file });
    for (const name of ["batch.schema.json", "group.schema.json"])
      wanted.push({
        path: join(folder, ".schemas", name),
        file: { folder: ".schemas", name, text: await readText(fileURLToPath(new URL(name, schemas)), maxFileBytes) },
      });
  }
  const place = relative(home, folder);
  wanted.push({ path: join(home, workflowPath), file: { folder: "", name: "", text: workflowText(place) } });
  const ignore = join(home, ".gitignore");
  wanted.push({ path: ignore, file: { folder: "", name: "", text: ignored.map((line) => `${line}\n`).join("") } });

  for (const { path, file } of wanted) {
    const isNew = await writeNew(path, file.text);
    write(isNew ? `made ${shown(path)}\n` : `kept ${shown(path)}, which is there already\n`);
    if (!isNew && path === ignore) {
      const lines = (await readText(path, maxFileBytes).catch(() => "")).split(/\r?\n/);
      const missing = ignored.filter((line) => !line.startsWith("#") && !lines.includes(line));
      if (missing.length > 0) write(`  consider adding to it: ${missing.join(" ")}\n`);
    }
  }
  const named = dir === "batches.d" ? "" : ` ${sanitize(dir)}`;
  const steps = [
    [
      `batch-agent validate${named}`,
      others.length === 0 ? "every problem of the folder; there is none yet" : "every problem of the folder",
    ],
    ...(others.length === 0 ? [[`batch-agent exec hello${named} --chain`, "run the chain, here and now"]] : []),
    [`batch-agent run${named}`, "the agent; edits are followed without a restart"],
  ];
  write(
    `\nNext:\n${tableLines(steps)
      .map((line) => `  ${line}\n`)
      .join("")}`,
  );
}

/** The folder's entries; none where it is not there yet. */
async function entriesOf(folder: string, dir: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    if (errorCode(error) === "ENOTDIR")
      throw new ConfigError(`${dir} is not a folder`, "name the folder of batches that is to be made");
    throw new StoreError("read", folder, error);
  }
}

/** The top of the git work tree that holds a folder; the folder's own parent where there is none. */
async function topOf(folder: string): Promise<string> {
  let at = folder;
  for (let depth = 0; depth < maxDepth; depth++) {
    if ((await lstat(join(at, ".git")).catch(() => null)) !== null) return at;
    if (dirname(at) === at) break;
    at = dirname(at);
  }
  return folder === process.cwd() ? folder : dirname(folder);
}

/** Returns false where something has the name already. */
async function writeNew(path: string, text: string): Promise<boolean> {
  try {
    if ((await lstat(path).catch(() => null)) !== null) return false;
    await mkdir(dirname(path), { recursive: true });
    await writeFresh(path, text, { mode: 0o666 });
    return true;
  } catch (error) {
    throw new StoreError("write", path, error);
  }
}
