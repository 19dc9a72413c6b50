// One cluster for the tests of a suite.
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Cluster } from "./clusters.ts";

/**
 * Opens one cluster for all tests of the `describe` that calls it, and closes it after them. They are passed over where
 * it does not start: `open` gives the reason then.
 */
export function useCluster<T extends Cluster>(open: () => Promise<T | string>): () => T {
  let opened: T | string = "it was not opened";
  beforeAll(async () => {
    opened = await open();
    if (typeof opened === "string") console.warn(`passed over: ${opened}`);
  }, 420_000);
  beforeEach(({ skip }) => skip(typeof opened === "string", typeof opened === "string" ? opened : ""));
  afterAll(() => (typeof opened === "string" ? undefined : opened.stop()), 60_000);
  return () => opened as T;
}
