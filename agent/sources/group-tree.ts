// Finds batches in nested groups: a folder with a batch.yaml or a script.sh is a batch, any other folder may be a
// group. Remembers what it saw, so that an edit costs a look at its own folder and not at thousands of others.
import { readdirSync, realpathSync, statSync, type Dirent, type Stats } from "node:fs";
import { join } from "node:path";
import { groupFileName, type GroupName } from "../model/group.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import { errorCode, isWithin } from "../platform/files.ts";
import { batchNameOf, isArchiveName } from "./archive/inventory.ts";
import { maxBatchesHere } from "./room.ts";

export const settingsNames = ["batch.yaml", "batch.yml"];
/** Maximum number of groups around a batch. */
export const maxGroups = 8;
/** Maximum number of files and folders beside a batch that are looked at. */
const entriesEach = 4;

/** Describes where a batch of some name was found. */
export interface EntryRef {
  group: GroupName;
  /** Name of the folder or archive, as found. */
  entry: string;
  kind: "folder" | "archive" | "too-deep";
}

export interface Listing {
  /** The root, links resolved. */
  real: string;
  /** By the name that a batch there would have. */
  entries: ReadonlyMap<string, readonly EntryRef[]>;
  /** Groups that hold batches, or a `_group.yaml`. The top is always among them. */
  groups: ReadonlyMap<GroupName, { hasFile: boolean }>;
  /** Plain files that lie beside batches, for whoever wants to tell of some. */
  files: readonly string[];
}

type Kind = "batch" | "group" | "archive" | "file" | "nothing";

interface Node {
  entries: Map<string, Kind>;
  hasFile: boolean;
  groups: Map<string, Node>;
}

/** Path of an entry of a group: `billing/eu/report`. */
export function entryPath({ group, entry }: Pick<EntryRef, "group" | "entry">): string {
  return group === "" ? entry : `${group}/${entry}`;
}

export interface GroupTreeOptions {
  /** Archives count as batches. */
  archives: boolean;
  /** True for an entry that is no batch, whatever it holds. */
  passesOver: (name: string) => boolean;
  /** Tells where the agent's own data really lies. */
  except?: string;
  /** Maximum number of batches; a folder with more is not read. Without it what the heap has room for. */
  maxBatches?: number;
}

export function createGroupTree(options: GroupTreeOptions) {
  let known: { real: string; top: Node } | null = null;
  /** For each folder that was looked into: its stamp then, and what it was. */
  const seen = new Map<string, { stamp: string; kind: Kind }>();
  let entries = 0;
  const maxBatches = options.maxBatches ?? maxBatchesHere();
  const maxEntries = maxBatches * entriesEach;

  function tooMany(limit: number, what: string): RangeError {
    return new RangeError(
      `more than ${limit} ${what}, for which the memory of the agent has no room; ` +
        "raise it with NODE_OPTIONS=--max-old-space-size=<MiB>, or divide the folder between agents",
    );
  }

  /**
   * Lists all batches and groups below `real`, a real path. Throws RangeError where there are too many.
   * @param changed entries that may have changed, as paths below the root; null when anything may have
   */
  async function list(real: string, changed: ReadonlySet<string> | null): Promise<Listing> {
    if (known?.real !== real) {
      known = null;
      seen.clear();
    }
    entries = 0;
    const touched = changed === null || known === null ? null : withAncestors(changed);
    const before = known?.top ?? null;
    known = null; // what changed may be named only once: after an error everything is looked at
    const top = await visit({ real, path: "", depth: 0, ancestors: [real], before, touched });
    const listing = flatten(real, top);
    if (listing.entries.size > maxBatches) throw tooMany(maxBatches, "batches");
    known = { real, top };
    return listing;
  }

  async function visit(at: {
    real: string;
    path: GroupName;
    depth: number;
    ancestors: readonly string[];
    before: Node | null;
    touched: ReadonlySet<string> | null;
  }): Promise<Node> {
    const { real, path, depth, ancestors, before, touched } = at;
    if (before !== null && touched !== null && !touched.has(path)) return before;
    await yieldToEventLoop();
    const node: Node = { entries: new Map(), hasFile: false, groups: new Map() };
    for (const entry of readdirSync(join(real, path), { withFileTypes: true })) {
      if (++entries > maxEntries) throw tooMany(maxEntries, "files and folders");
      if (entry.name === groupFileName) node.hasFile = true;
      if (options.passesOver(entry.name)) continue;
      const below = path === "" ? entry.name : `${path}/${entry.name}`;
      const reused = touched !== null && !touched.has(below) ? before?.entries.get(entry.name) : undefined;
      const kind = reused ?? kindOf(join(real, below), below, entry, real, ancestors, touched !== null);
      node.entries.set(entry.name, kind);
      if (kind !== "group" || depth >= maxGroups) continue;
      const target = entry.isSymbolicLink()
        ? realpathSync.native(join(real, below))
        : join(ancestors.at(-1) ?? real, entry.name);
      try {
        const group = await visit({
          ...at,
          path: below,
          depth: depth + 1,
          ancestors: [...ancestors, target],
          before: before?.groups.get(entry.name) ?? null,
        });
        node.groups.set(entry.name, group);
      } catch (error) {
        // A group that may not be read is told like a batch that may not; one that has just gone is gone.
        if (errorCode(error) === "ENOENT") node.entries.delete(entry.name);
        else if (errorCode(error) !== "") node.entries.set(entry.name, "batch");
        else throw error;
      }
    }
    return node;
  }

  function kindOf(
    whole: string,
    path: string,
    entry: Dirent,
    real: string,
    ancestors: readonly string[],
    fresh: boolean,
  ): Kind {
    if (whole === options.except) return "nothing";
    const isArchive = options.archives && isArchiveName(entry.name);
    if (entry.isFile()) return isArchive ? "archive" : "file";
    const info = statOf(whole);
    // A link that leads nowhere, a FIFO, and a link to a file are told by whoever reads them as a batch.
    if (info === undefined || !info.isDirectory()) return isArchive ? "archive" : "batch";
    if (entry.isSymbolicLink()) {
      const target = realpathSync.native(whole);
      if (!isWithin(real, target)) return "batch";
      if (ancestors.includes(target)) return "nothing"; // a circle
    }
    const stamp = stampOf(info);
    const before = seen.get(path);
    if (!fresh && before?.stamp === stamp) return before.kind;
    const kind = classify(whole);
    seen.set(path, { stamp, kind });
    return kind;
  }

  return { list };
}

/** True for the entries of a batch: settings or a script, and whatever else are its files. */
export function isBatchFolder(names: readonly string[]): boolean {
  return names.some((name) => name === "script.sh" || settingsNames.includes(name));
}

/** Returns what cannot be read may be a batch. */
function classify(folder: string): Kind {
  try {
    return isBatchFolder(readdirSync(folder)) ? "batch" : "group";
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "nothing" : "batch";
  }
}

/** For what a link leads to; undefined where it leads nowhere, or round in a circle. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function stampOf({ dev, ino, mtimeMs, ctimeMs }: Stats): string {
  return `${dev}:${ino}:${mtimeMs}:${ctimeMs}`;
}

function withAncestors(paths: ReadonlySet<string>): Set<string> {
  const all = new Set<string>([""]);
  for (const path of paths) {
    all.add(path);
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) all.add(path.slice(0, at));
  }
  return all;
}

function flatten(real: string, top: Node): Listing {
  const entries = new Map<string, EntryRef[]>();
  const groups = new Map<GroupName, { hasFile: boolean }>([["", { hasFile: top.hasFile }]]);
  const files: string[] = [];
  const add = (name: string, ref: EntryRef) => {
    const others = entries.get(name);
    if (others === undefined) entries.set(name, [ref]);
    else others.push(ref);
  };
  const open: { group: GroupName; node: Node; depth: number }[] = [{ group: "", node: top, depth: 0 }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { group, node, depth } = at;
    let holdsBatches = false;
    for (const [entry, kind] of node.entries) {
      if (kind === "file") files.push(entryPath({ group, entry }));
      else if (kind === "archive") add(batchNameOf(entry), { group, entry, kind: "archive" });
      else if (kind === "batch") add(entry, { group, entry, kind: "folder" });
      else if (kind === "group" && depth >= maxGroups) add(entry, { group, entry, kind: "too-deep" });
      holdsBatches ||= kind === "batch" || kind === "archive";
      const below = node.groups.get(entry);
      if (below !== undefined) open.push({ group: entryPath({ group, entry }), node: below, depth: depth + 1 });
    }
    if (holdsBatches || node.hasFile) {
      for (let name = group; ; name = name.slice(0, Math.max(0, name.lastIndexOf("/")))) {
        if (!groups.has(name) || name === group) groups.set(name, { hasFile: name === group ? node.hasFile : false });
        if (name === "") break;
      }
    }
  }
  return { real, entries, groups, files };
}
