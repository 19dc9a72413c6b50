import { expect, test } from "vitest";
import { sparklinePaths, sparklineText, toneOf } from "../../../agent/http/dashboard/drawing/sparkline.ts";
import { execution, t0 } from "../../helpers/make.ts";

const ran = (durationMs: number, status: "succeeded" | "failed" = "succeeded") => execution({ status, durationMs });

test("the newest is at the right edge, the longest as high as the strip", () => {
  expect(sparklinePaths([ran(100), ran(400)], t0)).toEqual([
    { tone: "succeeded", path: "M140 24v-14h4v14zM145 24v-24h4v24z" },
  ]);
});

test("one path a tone, and only the last thirty", () => {
  const paths = sparklinePaths(
    [ran(1, "failed"), ...Array.from({ length: 29 }, () => ran(1)), { ...ran(1), unusual: "too-fast" }],
    t0,
  );
  expect(paths.map(({ tone, path }) => [tone, path.split("M").length - 1])).toEqual([
    ["succeeded", 29],
    ["unusual", 1],
  ]);
});

test("a running one is as high as it has run, what never ran is low", () => {
  const [running, aborted] = sparklinePaths(
    [execution({ status: "running", at: t0 }), execution({ status: "aborted" })],
    t0 + 5_000,
  );
  expect(running).toEqual({ tone: "running", path: "M140 24v-24h4v24z" });
  expect(aborted).toEqual({ tone: "aborted", path: "M145 24v-4h4v4z" });
});

test("in words", () => {
  expect(sparklineText([])).toBe("no executions yet");
  expect(sparklineText([ran(1), ran(1, "failed"), ran(1)])).toBe("last 3: 2 succeeded, 1 failed");
});

test("only a success can be unusual", () => {
  expect(toneOf({ status: "failed", unusual: "too-slow" })).toBe("failed");
  expect(toneOf({ status: "succeeded", unusual: "too-slow" })).toBe("unusual");
});
