// A loop over many items that works on a few at a time.

/** Calls `work` for each item in order, at most `limit` at a time; rejects with the first error. */
export async function eachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  async function lane(): Promise<void> {
    for (;;) {
      const item = items[next++];
      if (item === undefined) return;
      await work(item);
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
}
