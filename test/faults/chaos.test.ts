// CHAOS_KILLS=500 CHAOS_SEED=7 npx vitest run test/faults/chaos.test.ts
import { expect, test } from "vitest";
import { temporaryFolder } from "../helpers/tmp.ts";
import { chaos } from "./chaos.ts";

const kills = Number(process.env["CHAOS_KILLS"] ?? 50);
const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);

test(`${kills} kills lose and repeat nothing (CHAOS_SEED=${seed})`, async () => {
  const figures = await chaos({ home: temporaryFolder(), kills, seed });
  console.log(`chaos, seed ${seed}:`, figures);
  expect(figures).toMatchObject({ crashes: 0, unrecorded: 0, doubled: 0, uncovered: 0, open: 0, broken: 0, lostThoughStarted: 0, imagined: 0 });
  expect(figures.starts).toBeGreaterThan(kills);
}, 120_000 + kills * 5_000);
