// Settings that the heap has no room for: a problem of those that do not fit, while all others are in force.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { maxSettingsBytesFor, settingsBytes } from "../../agent/sources/room.ts";
import { followFolder, makePlace } from "../helpers/reconcile.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const kib = 1024;
const yaml = (chars: number) =>
  `cron: "0 3 * * *"\nenv:\n${Array.from({ length: chars / 1_000 }, (_, i) => `  V${i}: "${"x".repeat(980)}"\n`).join("")}`;

test("what fits is in force, the rest is a problem until there is room", async () => {
  const place = makePlace(temporaryFolder());
  for (const name of ["a", "b", "c"]) place.batch(name, yaml(100_000));
  for (const name of ["small-1", "small-2"]) place.batch(name);
  const { history, inForce, settled } = await followFolder(place, { maxSettingsBytes: 400 * kib });
  const states = () => Object.fromEntries(inForce.batches().map(({ name, state }) => [name, state]));
  const scheduled = () => Object.values(states()).filter((state) => state === "scheduled").length;
  await settled(() => scheduled() === 4 && Object.values(states()).includes("invalid"));
  const [refused, ...others] = inForce.batches().filter(({ problems }) => problems.length > 0);
  expect(others).toEqual([]);
  expect(refused?.problems).toMatchObject([
    { code: "too-large", file: expect.stringMatching(/\/[abc]\/batch\.yaml$/) as string },
  ]);
  expect(refused?.problems[0]?.message).toContain("the memory of the agent has no room");
  expect(refused?.problems[0]?.hint).toContain("--max-old-space-size");

  // An edit that finds no room leaves what is in force.
  const kept = inForce.batch("small-1")?.revision;
  place.batch("small-1", yaml(100_000));
  await settled(() => inForce.batch("small-1")?.problems.length === 1);
  expect(inForce.batch("small-1")).toMatchObject({ state: "scheduled", revision: kept });
  place.batch("small-1", 'cron: "0 4 * * *"\n');
  await settled(() => inForce.batch("small-1")?.problems.length === 0);

  const gone = ["a", "b", "c"].find((name) => name !== refused?.name) ?? "";
  rmSync(join(place.root, gone), { recursive: true });
  await settled(() => states()[refused?.name ?? ""] === "scheduled");
  await history.close();
});

test.each<[string, string, number]>([
  ["nothing", "", 8 * kib],
  ["plain text", "x".repeat(100), 8 * kib + 150],
  ["Latin-1", "\u00fc".repeat(50), 8 * kib + 150],
  ["one character beyond it", `${"x".repeat(97)}\u20ac`, 8 * kib + 300],
])("settings of %s", (_what, text, bytes) => expect(settingsBytes(Buffer.from(text))).toBe(bytes));

test("there is always room for some", () => {
  const [small, large] = [112, 4_144].map((mebibytes) => maxSettingsBytesFor(mebibytes * kib * kib));
  expect([small, large, maxSettingsBytesFor(0)]).toEqual([32, 4_064, 2].map((mebibytes) => mebibytes * kib * kib));
});
