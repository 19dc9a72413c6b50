// Defaults of nested groups: who wins, what is merged, what is inherited from where.
import { describe, expect, test } from "vitest";
import {
  applyInheritance,
  inheritFrom,
  inheritedPart,
  isWithinGroup,
  lineage,
} from "../../agent/definitions/inherit.ts";
import type { Group, GroupDefaults } from "../../agent/model/group.ts";

function groups(defaults: Record<string, GroupDefaults>, pools: Record<string, Record<string, number>> = {}) {
  const names = new Set([...Object.keys(defaults), ...Object.keys(pools)]);
  const all = new Map<string, Group>(
    [...names].map((name) => [
      name,
      { name, description: null, defaults: defaults[name] ?? {}, pools: pools[name] ?? {}, calendars: new Map() },
    ]),
  );
  return (name: string) => all.get(name);
}

test("lineage goes from the top down", () => {
  expect(lineage("")).toEqual([""]);
  expect(lineage("billing/eu/fr")).toEqual(["", "billing", "billing/eu", "billing/eu/fr"]);
});

test.each([
  ["billing/eu", "billing", true],
  ["billing", "billing", true],
  ["billing-eu", "billing", false],
  ["billing", "billing/eu", false],
  ["billing", "", true],
  ["", "", true],
])("isWithinGroup(%j, %j) is %j", (name, outer, expected) => expect(isWithinGroup(name, outer)).toBe(expected));

describe("the nearest group wins, batch.yaml wins over all", () => {
  const groupOf = groups({
    "": { timeZone: "UTC", tags: ["all"], env: { A: "top", B: "top" }, timeout: "1h" },
    billing: { timeZone: "Europe/Paris", tags: ["billing", "all"], env: { B: "billing" } },
  });
  const inheritance = inheritFrom("billing/eu", groupOf);

  test("what reaches the batches", () => {
    expect(inheritance.defaults).toEqual({
      timeZone: "Europe/Paris",
      tags: ["all", "billing"],
      env: { A: "top", B: "billing" },
      timeout: "1h",
    });
    expect(inheritance.origins).toEqual({
      timeZone: "billing",
      tags: "billing",
      "env.A": "",
      "env.B": "billing",
      timeout: "",
    });
  });
  test.each<[string, Record<string, unknown>, Record<string, unknown>, Record<string, string>]>([
    [
      "nothing of its own",
      {},
      { timeZone: "Europe/Paris", tags: ["all", "billing"], env: { A: "top", B: "billing" }, timeout: "1h" },
      { timeZone: "billing", tags: "billing", "env.A": "", "env.B": "billing", timeout: "" },
    ],
    [
      "its own words",
      { timeZone: "Asia/Tokyo", tags: ["mine", "all"], env: { B: "own", C: "own" } },
      {
        timeZone: "Asia/Tokyo",
        tags: ["all", "billing", "mine"],
        env: { A: "top", B: "own", C: "own" },
        timeout: "1h",
      },
      { tags: "billing", "env.A": "", timeout: "" },
    ],
    [
      "values of a wrong shape stay, so that they are told",
      { env: ["A=1"], tags: "x" },
      { timeZone: "Europe/Paris", tags: "x", env: ["A=1"], timeout: "1h" },
      { timeZone: "billing", tags: "billing", timeout: "" },
    ],
  ])("%s", (_, own, data, inherited) => {
    expect(applyInheritance(own, inheritance)).toEqual({ data, inherited });
  });

  test("a default that the batch overrides is no part of its revision", () => {
    expect(inheritedPart({ timeZone: "UTC", env: { B: "x" } }, inheritance)).toEqual({
      env: { A: "top" },
      tags: ["all", "billing"],
      timeout: "1h",
    });
    expect(inheritedPart({ timeZone: "UTC", env: { A: "1", B: "x" }, timeout: "5m" }, inheritance)).toEqual({
      tags: ["all", "billing"],
    });
  });
});

test("a nearer pool hides one of the same name", () => {
  const groupOf = groups({}, { "": { db: 4, web: 8 }, billing: { db: 1 } });
  expect([...inheritFrom("billing", groupOf).pools]).toEqual([
    ["db", { group: "billing", size: 1 }],
    ["web", { group: "", size: 8 }],
  ]);
});

test("what a revision covers: of a merged key only what the batch does not set itself, in a fixed order", () => {
  const groupOf = groups({ "": { env: { Z: "1", B: "2", A: "3" }, timeout: "1h", tags: ["x"] } });
  const inheritance = inheritFrom("", groupOf);
  expect(inheritedPart({ env: { B: "own" }, timeout: "2h", tags: [] }, inheritance)).toEqual({
    env: { A: "3", Z: "1" },
    tags: ["x"],
  });
  expect(Object.keys((inheritedPart({ env: { B: "own" } }, inheritance) as { env: object }).env)).toEqual(["A", "Z"]);
  expect(inheritedPart({ env: { A: "1", B: "1", Z: "1" } }, inheritance)).not.toHaveProperty("env");
});

test("a place is named only where the group has written the key", () => {
  const { placeOf } = inheritFrom("billing", groups({ billing: { timeout: "1h" } }));
  expect(placeOf("timeout", "billing")).toBeNull(); // it has no text
  expect(placeOf("pool", "billing")).toBeNull();
});
