// Each problem code has a folder that shows it; those that `parseBatch` decides alone are run here.
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseBatch } from "../../agent/definitions/batch.ts";
import { problemCodes } from "../../agent/model/problem.ts";
import {
  atHome,
  codesOfChains,
  codesOfGroups,
  codesOfReading,
  codesOfTrouble,
  folderAt,
  invalidFixtures,
  layOut,
} from "../helpers/folder.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const fixtures = invalidFixtures();

test("each problem code has a fixture that expects it", () => {
  const shown = fixtures.filter(({ code, expected }) => expected.some((problem) => problem.code === code));
  expect(new Set(shown.map(({ code }) => code))).toEqual(
    new Set(problemCodes.filter((code) => !codesOfTrouble.includes(code))),
  );
  expect(shown).toHaveLength(fixtures.length);
});

describe("fixtures that parseBatch decides", () => {
  test.each(fixtures.filter(({ code }) => ![...codesOfReading, ...codesOfChains, ...codesOfGroups].includes(code)))(
    "$name",
    (fixture) => {
      const root = temporaryFolder();
      layOut(fixture, root);
      const names = readdirSync(root);
      const found = names.map((name) => parseBatch(folderAt(root, name), { timeZone: "UTC" }));
      expect(found.map(({ batch }) => batch)).toEqual(names.map(() => null));
      expect(
        atHome(
          found.flatMap(({ problems }) => problems),
          root,
        ),
      ).toMatchObject(fixture.expected);
      expect(found.flatMap(({ problems }) => problems)).toHaveLength(fixture.expected.length);
    },
  );
});
