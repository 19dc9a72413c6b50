// One running, one waiting: work that is asked for again while it runs is done once more, for all who asked meanwhile.

/**
 * Returns a function that does `work`, never twice at once. What it returns is settled by a run that began after the
 * call: one that is under way may have missed what the caller knows of.
 */
export function coalesce<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  let next: Promise<T> | null = null;

  return function run(): Promise<T> {
    if (running === null) return (running = work().finally(() => (running = null)));
    const begin = () => {
      next = null;
      return run();
    };
    return (next ??= running.then(begin, begin));
  };
}
