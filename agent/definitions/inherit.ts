// Defaults of groups: the nearest wins, a batch's own settings win over all. Pure.
import type { Calendar } from "../model/calendar.ts";
import type { Group, GroupName, Inheritance } from "../model/group.ts";

/** Keys whose entries are merged one by one. */
const merged: readonly string[] = ["env", "kubernetes"];

export const inheritsNothing: Inheritance = {
  group: "",
  defaults: {},
  origins: {},
  pools: new Map(),
  calendars: new Map(),
  placeOf: () => null,
};

/** Names of a group and all above it, the top (`""`) first. */
export function lineage(name: GroupName): GroupName[] {
  const parts = name === "" ? [] : name.split("/");
  return ["", ...parts.map((_, index) => parts.slice(0, index + 1).join("/"))];
}

/** True for a group and for those below it. */
export function isWithinGroup(name: GroupName, outer: GroupName): boolean {
  return outer === "" || name === outer || name.startsWith(`${outer}/`);
}

/**
 * Collects what reaches the batches of a group.
 * @param groupOf the `_group.yaml` in force for a group; undefined where there is none
 */
export function inheritFrom(name: GroupName, groupOf: (name: GroupName) => Group | undefined): Inheritance {
  let defaults: Record<string, unknown> = {};
  const origins: Record<string, GroupName> = {};
  const pools = new Map<string, { group: GroupName; size: number }>();
  const calendars = new Map<string, Calendar>();
  for (const outer of lineage(name)) {
    const group = groupOf(outer);
    if (group === undefined) continue;
    const own = group.defaults as Record<string, unknown>;
    for (const path of pathsOf(own)) origins[path] = outer;
    defaults = mergeOver(defaults, own);
    for (const [pool, size] of Object.entries(group.pools)) pools.set(pool, { group: outer, size });
    for (const [calendar, days] of group.calendars) calendars.set(calendar, days);
  }
  return {
    group: name,
    defaults,
    origins,
    pools,
    calendars,
    placeOf: (path, origin) => {
      const written = groupOf(origin)?.written;
      const place = written?.places[path];
      return written === undefined || place === undefined ? null : { file: written.file, ...place };
    },
  };
}

/**
 * A batch's settings over what it inherits, and the group that each inherited key comes from.
 * @param own data of a batch.yaml, not checked yet: what has another shape than it should is left as it is
 */
export function applyInheritance(
  own: Record<string, unknown>,
  { defaults, origins }: Inheritance,
): { data: Record<string, unknown>; inherited: Record<string, GroupName> } {
  const data = mergeOver(defaults, own);
  const set = new Set([...pathsOf(own), ...Object.keys(own).filter((key) => !merged.includes(key))]);
  const inherited = Object.fromEntries(
    Object.entries(origins).filter(([path]) => path === "tags" || !(set.has(path) || isReplaced(own, path))),
  );
  return { data, inherited };
}

/** The part of the defaults that a batch really gets, in a fixed order: what its revision covers. */
export function inheritedPart(own: Record<string, unknown>, { defaults }: Inheritance): Record<string, unknown> {
  const part: Record<string, unknown> = {};
  for (const key of Object.keys(defaults).sort()) {
    const value = (defaults as Record<string, unknown>)[key];
    if (key === "tags" || !(key in own)) part[key] = value;
    else if (merged.includes(key) && isMap(value) && isMap(own[key])) {
      const rest = Object.entries(value).filter(([name]) => !(name in (own[key] as object)));
      if (rest.length > 0) part[key] = Object.fromEntries(rest.sort(([a], [b]) => (a < b ? -1 : 1)));
    }
  }
  return part;
}

function mergeOver(outer: Record<string, unknown>, inner: Record<string, unknown>): Record<string, unknown> {
  // Key by key: what is spread from a map that the YAML reader made is slow to check ever after.
  const data: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(outer)) set(data, key, value);
  for (const [key, value] of Object.entries(inner)) {
    const above = outer[key];
    if (merged.includes(key) && isMap(above) && isMap(value)) set(data, key, { ...above, ...value });
    else if (key === "tags" && Array.isArray(above) && Array.isArray(value))
      set(data, key, [...new Set<unknown>([...(above as unknown[]), ...(value as unknown[])])]);
    else set(data, key, value);
  }
  return data;
}

/** Sets a key of its own, whatever its name. */
function set(data: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(data, key, { value, enumerable: true, writable: true, configurable: true });
  else data[key] = value;
}

/** A whole value that stands in the way of merging: `env: null`, or a list. */
function isReplaced(own: Record<string, unknown>, path: string): boolean {
  const key = path.split(".")[0] as string;
  return merged.includes(key) && key in own && !isMap(own[key]);
}

/** `timeout`, and of merged keys their entries: `env.REGION`. */
function pathsOf(data: Record<string, unknown>): string[] {
  return Object.entries(data).flatMap(([key, value]) =>
    merged.includes(key) && isMap(value) ? Object.keys(value).map((name) => `${key}.${name}`) : [key],
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
