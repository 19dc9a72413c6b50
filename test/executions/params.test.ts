// Values of parameters, and why some cannot be set.
import { expect, test } from "vitest";
import { paramsFault, valuesInForce } from "../../agent/executions/params.ts";
import { batch } from "../helpers/make.ts";

test.each([
  { name: "no batch, nothing set", of: null, kept: {}, given: undefined, want: undefined },
  { name: "nothing declared: what is given is not taken", of: {}, kept: {}, given: { A: "1" }, want: undefined },
  { name: "defaults", of: { A: "1" }, kept: {}, given: undefined, want: { A: "1" } },
  {
    name: "given goes before the default",
    of: { A: "1", B: "2" },
    kept: {},
    given: { A: "3", C: "4" },
    want: { A: "3", B: "2" },
  },
  {
    name: "what is done again keeps its values",
    of: { A: "1" },
    kept: { A: "2", OLD: "x" },
    given: undefined,
    want: { A: "2", OLD: "x" },
  },
  { name: "given goes before what is kept", of: { A: "1" }, kept: { A: "2" }, given: { A: "3" }, want: { A: "3" } },
  { name: "a batch that is gone keeps what was", of: null, kept: { A: "2" }, given: { A: "3" }, want: { A: "2" } },
])("$name", ({ of, kept, given, want }) =>
  expect(valuesInForce(of === null ? null : batch({ params: of }), kept, given)).toEqual(want),
);

test.each<{ params: object; given: object; want: string | null }>([
  { params: { DAY: "" }, given: { DAY: "today" }, want: null },
  { params: {}, given: {}, want: null },
  { params: {}, given: { DAY: "x" }, want: "report has no parameter DAY: it declares none" },
  { params: { REGION: "", X: "" }, given: { DAY: "x" }, want: "report has no parameter DAY: it declares REGION, X" },
  { params: { REGION: "" }, given: { REGOIN: "x" }, want: "report has no parameter REGOIN: did you mean REGION?" },
  { params: { A: "" }, given: { toString: "x" }, want: "report has no parameter toString: it declares A" },
  { params: { A: "" }, given: { A: "a\0b" }, want: "the value of A holds a NUL, which no environment variable can" },
  { params: { A: "" }, given: { A: "x".repeat(32_768) }, want: null },
  { params: { A: "" }, given: { A: "x".repeat(32_769) }, want: "the value of A is longer than 32768 characters" },
])("$want", ({ params, given, want }) =>
  expect(paramsFault(batch({ params: params as Record<string, string> }), given as Record<string, string>)).toBe(want),
);
