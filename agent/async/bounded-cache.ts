// A memory with a limit: what was worked out once is kept, and the oldest goes when there are too many.

/**
 * Returns what `memory` holds under `key`; if nothing, it is made and kept, and beyond `limit` the oldest entry is
 * forgotten.
 */
export function remember<V extends object>(
  memory: Map<string, V>,
  key: string,
  limit: number,
  make: (key: string) => V,
): V {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const made = make(key);
  memory.set(key, made);
  for (const oldest of memory.keys()) {
    if (memory.size <= limit) break;
    memory.delete(oldest);
  }
  return made;
}
