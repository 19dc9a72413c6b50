// A group of batches: what `_group.yaml` says, and what reaches a batch from the groups around it.
import type { FromSchema } from "json-schema-to-ts";
import type { BatchFile } from "./batch.ts";
import type { Calendar } from "./calendar.ts";
import type { EpochMs } from "./ids.ts";
import type { groupSchema } from "./group-schema.gen.ts";
import type { Place } from "./problem.ts";

export const groupFileName = "_group.yaml";

/** Path of a group below the folder of batches, such as `billing/eu`; `""` is the top. */
export type GroupName = string;

type InheritableKey = keyof NonNullable<FromSchema<typeof groupSchema>["defaults"]>;

/** Settings that batches of a group have unless they say otherwise. */
export type GroupDefaults = Partial<Pick<BatchFile, InheritableKey & keyof BatchFile>>;

/** A valid `_group.yaml`. */
export interface Group {
  name: GroupName;
  description: string | null;
  defaults: GroupDefaults;
  /** Size by name. */
  pools: Readonly<Record<string, number>>;
  calendars: ReadonlyMap<string, Calendar>;
  /** Its file as people write it, and the places of its defaults by path; for problems of what inherits them. */
  written?: { file: string; places: Readonly<Record<string, Place>> };
}

/** Describes what reaches a batch from its group and the groups above, nearest first where they disagree. */
export interface Inheritance {
  /** The batch's own group. */
  group: GroupName;
  defaults: GroupDefaults;
  /** The group that each default comes from, by key; those of merged keys as `env.NAME`. */
  origins: Readonly<Record<string, GroupName>>;
  /** Tells where each pool is declared, by name. */
  pools: ReadonlyMap<string, { group: GroupName; size: number }>;
  calendars: ReadonlyMap<string, Calendar>;
  /** Tells where an inherited default stands, by its path (`skipOn[0]`); null where that is not known. */
  placeOf: (path: string, origin: GroupName) => (Place & { file: string }) | null;
}

/** Describes what was read of one `_group.yaml`: facts only, judged by `parseGroup`. */
export interface GroupFile {
  name: GroupName;
  /** Path as people write it, `batches.d/billing/_group.yaml`. */
  location: string;
  bytes: Uint8Array;
  /** The file's own; `bytes` may hold less of a larger one. */
  size: number;
  /** When it last changed, by the file system's clock. */
  changedAt: EpochMs;
}
