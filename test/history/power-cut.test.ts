// What a power cut leaves: every write and every sync of the journal is recorded, and replayed up to each of them on
// a disk that keeps only what was synced.
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test, vi } from "vitest";
import { readRecord } from "../../agent/history/offline.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { openTestHistory } from "../helpers/history.ts";
import { execution } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

type Operation =
  | { kind: "make" | "sync"; path: string }
  | { kind: "write"; path: string; at: number; bytes: Buffer }
  | { kind: "acknowledged"; id: string };

const recorded = vi.hoisted(() => ({ operations: [] as Operation[], paths: new Map<number, string>() }));
vi.mock(import("node:fs"), async (original) => {
  const real = await original();
  const { operations, paths } = recorded;
  const of = (file: number) => paths.get(file) ?? "";
  return {
    ...real,
    openSync: ((path: string, flags: number, mode?: number) => {
      const file = real.openSync(path, flags, mode);
      paths.set(file, path);
      if ((flags & real.constants.O_EXCL) !== 0) operations.push({ kind: "make", path });
      return file;
    }) as typeof real.openSync,
    writeSync: ((file: number, bytes: Buffer, offset: number, length: number, at: number) => {
      operations.push({
        kind: "write",
        path: of(file),
        at,
        bytes: Buffer.from(bytes.subarray(offset, offset + length)),
      });
      return real.writeSync(file, bytes, offset, length, at);
    }) as typeof real.writeSync,
    fdatasync: ((file: number, done: (error: Error | null) => void) => {
      real.fdatasync(file, (error) => {
        operations.push({ kind: "sync", path: of(file) });
        done(error);
      });
    }) as typeof real.fdatasync,
    open: ((path: string, flags: string, done: (error: Error | null, file: number) => void) => {
      real.open(path, flags, (error, file) => {
        paths.set(file, path);
        done(error, file);
      });
    }) as typeof real.open,
    fsync: ((file: number, done: (error: Error | null) => void) => {
      real.fsync(file, (error) => {
        operations.push({ kind: "sync", path: of(file) });
        done(error);
      });
    }) as typeof real.fsync,
  };
});

/** Files of the journal as the disk has them; `torn`: half of what was not synced has come through all the same. */
function diskAfter(operations: readonly Operation[], folder: string, torn: boolean): Map<string, Buffer> {
  const files = new Map<string, { synced: Buffer; written: Buffer; isThere: boolean }>();
  for (const operation of operations) {
    if (operation.kind === "acknowledged") continue;
    if (operation.path === folder && operation.kind === "sync") for (const file of files.values()) file.isThere = true;
    const file = files.get(operation.path);
    if (operation.kind === "make" && operation.path.startsWith(folder))
      files.set(operation.path, { synced: Buffer.alloc(0), written: Buffer.alloc(0), isThere: false });
    else if (operation.kind === "write" && file !== undefined)
      file.written = Buffer.concat([file.written.subarray(0, operation.at), operation.bytes]);
    else if (operation.kind === "sync" && file !== undefined) file.synced = file.written;
  }
  const half = ({ synced, written }: { synced: Buffer; written: Buffer }) =>
    torn ? written.subarray(0, synced.length + Math.ceil((written.length - synced.length) / 2)) : synced;
  return new Map([...files].filter(([, { isThere }]) => isThere).map(([path, file]) => [basename(path), half(file)]));
}

test("whatever moment the power is cut at, all that was acknowledged is there, and no commit by halves", async () => {
  const data = temporaryFolder();
  const { operations } = recorded;
  operations.length = 0;
  const history = await openTestHistory(data, { clock: systemClock, log: quietLog() });
  const message = "x".repeat(400_000); // a few segments
  for (let i = 0; i < 9; i++) {
    const pair = ["a", "b"].map((name) => execution({ batch: name as BatchName, status: "succeeded", message }));
    await history.save(...pair);
    for (const { id } of pair) operations.push({ kind: "acknowledged", id });
  }
  expect(operations.filter(({ kind }) => kind === "make").length).toBeGreaterThan(2);
  const folder = join(data, "journal");
  for (let length = 0; length <= operations.length; length++) {
    const until = operations.slice(0, length);
    for (const torn of [false, true]) {
      const copy = temporaryFolder();
      mkdirSync(join(copy, "journal"));
      for (const [name, bytes] of diskAfter(until, folder, torn)) writeFileSync(join(copy, "journal", name), bytes);
      const { batches, unreadable } = readRecord(copy);
      const [a, b] = ["a", "b"].map((name) => [...(batches.get(name)?.rows.keys() ?? [])]);
      const found = new Set<string>([...(a ?? []), ...(b ?? [])]);
      expect(until.flatMap((one) => (one.kind === "acknowledged" && !found.has(one.id) ? one.id : []))).toEqual([]);
      expect(a?.length).toBe(b?.length);
      expect(unreadable).toEqual([]);
    }
  }
});
