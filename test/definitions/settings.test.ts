// Every keyword of both schemas, broken once: what is said names the setting, in words of our own, with no hint that
// is empty and no secret in it.
import { describe, expect, test } from "vitest";
import { parseBatch } from "../../agent/definitions/batch.ts";
import { parseGroup } from "../../agent/definitions/group.ts";
import { batchSchema } from "../../agent/model/batch-schema.gen.ts";
import { groupSchema } from "../../agent/model/group-schema.gen.ts";
import type { Problem } from "../../agent/model/problem.ts";

interface Schema {
  $ref?: string;
  type?: string | readonly string[];
  properties?: Record<string, Schema>;
  required?: readonly string[];
  propertyNames?: Schema;
  additionalProperties?: boolean | Schema;
  minProperties?: number;
  maxProperties?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  oneOf?: readonly Schema[];
  enum?: readonly string[];
  const?: string;
  pattern?: string;
  /** Rules out durations of nothing. */
  not?: { pattern: string };
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
}

/** Stands in every wrong text, so that a message or a hint that repeats a secret is found. */
const marker = "hunter2";
const kinds: [string, unknown][] = [
  ["null", null],
  ["true", true],
  ["a number", -1.5],
  ["a text", `${marker} §`],
  ["a list", [[marker]]],
  ["a map", { [marker]: [] }],
];

interface Wrong {
  name: string;
  path: readonly string[];
  value: unknown;
}

function resolve(schema: Schema): Schema {
  const { $ref, ...beside } = schema;
  if ($ref === "#/$defs/duration") return { ...batchSchema.$defs.duration, ...beside };
  const key = /^batch\.schema\.json#\/properties\/(\w+)$/.exec($ref ?? "")?.[1];
  return key === undefined ? schema : resolve((batchSchema.properties as Record<string, Schema>)[key] ?? {});
}

/** Values that break one keyword each, or are of another type, at `path` and below it. */
function* wrongValues(given: Schema, path: readonly string[], isBranch = false): Generator<Wrong> {
  const schema = resolve(given);
  const at = path.join(".");
  const wrong = (what: string, value: unknown, below: readonly string[] = []): Wrong => ({
    name: `${[at, ...below].join(".")}: ${what}`,
    path: [...path, ...below],
    value,
  });
  const types = (schema.oneOf ?? [schema]).map(resolve).flatMap(({ type, const: word }) => type ?? typeof word);
  const kindOf = (value: unknown) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);
  const fits = (value: unknown) =>
    types.some((type) => (type === "integer" ? false : type === kindOf(value) && schema.enum === undefined));
  for (const [what, value] of kinds) if (!isBranch && !fits(value)) yield wrong(what, value);
  if (schema.enum !== undefined || schema.oneOf?.some((branch) => branch.const !== undefined) === true)
    yield wrong("another word", marker);
  if (schema.pattern !== undefined) yield wrong("another form", `${marker} /\u0000`);
  if (schema.not !== undefined) for (const nothing of ["0s", "0h0m"]) yield wrong(`${nothing}, ruled out`, nothing);
  if (schema.minLength !== undefined) yield wrong("an empty text", "");
  if (schema.maxLength !== undefined) yield wrong("a long text", "a".repeat(schema.maxLength + 1));
  if (schema.minimum !== undefined) yield wrong("too small", schema.minimum - 1);
  if (schema.maximum !== undefined) yield wrong("too large", schema.maximum + 1);
  if (schema.minItems !== undefined) yield wrong("an empty list", []);
  if (schema.maxItems !== undefined) yield wrong("a long list", Array.from({ length: schema.maxItems + 1 }, String));
  if (schema.uniqueItems === true) yield wrong("the same twice", ["mon", "mon"]);
  if (schema.required !== undefined) yield wrong("a key is missing", {});
  if (schema.minProperties !== undefined) yield wrong("no keys", {});
  if (schema.maxProperties !== undefined)
    yield wrong(
      "many keys",
      Object.fromEntries(Array.from({ length: schema.maxProperties + 1 }, (_, i) => [`k${i}`, "1"])),
    );
  if (schema.additionalProperties === false) yield wrong("an unknown key", 1, ["zzzzzzzzz"]);
  if (schema.propertyNames !== undefined)
    for (const key of ["", "a b", "<<", "A:1"]) yield wrong("a bad key", "1", [key]);
  for (const branch of schema.oneOf ?? []) yield* wrongValues({ ...branch, required: undefined as never }, path, true);
  if (schema.items !== undefined) for (const inner of wrongValues(schema.items, [...path, "0"])) yield inner;
  for (const [key, inner] of Object.entries(schema.properties ?? {})) yield* wrongValues(inner, [...path, key]);
  if (typeof schema.additionalProperties === "object")
    yield* wrongValues(schema.additionalProperties, [...path, "key"]);
}

/** A map or list that holds `value` at `path`, and what its surroundings require. */
function dataWith(path: readonly string[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const inner = dataWith(rest, value);
  if (step === "0") return [inner];
  if (step === "retry" && typeof inner === "object" && inner !== null && rest.length > 0 && rest[0] !== "limit")
    return { retry: { limit: 1, ...inner } };
  return { [step]: inner };
}

function problemsOf(of: "batch" | "group", data: unknown): Problem[] {
  const bytes = new TextEncoder().encode(JSON.stringify(data));
  if (of === "group")
    return parseGroup(
      { name: "", location: "_group.yaml", bytes, size: bytes.length, changedAt: 0 },
      { timeZone: "UTC", ics: new Map() },
    ).problems;
  const script = { bytes: new TextEncoder().encode("true\n"), size: 5 };
  return parseBatch(
    {
      name: "a",
      entry: "a",
      group: "",
      location: "a",
      digest: "0".repeat(12),
      settings: [{ file: "batch.yaml", bytes, size: bytes.length }],
      script,
      problems: [],
    } as never,
    { timeZone: "UTC" },
  ).problems;
}

/** Wording of the validator's own, none of which is said of a file for people. */
const raw =
  /must match|must NOT|must have|must pass|must be (string|object|array|boolean|number|integer|null|equal|[<>])|does not fit the schema|does not have the form|\$ref|schema/;

function check(of: "batch" | "group", { path, value }: Wrong): void {
  const problems = problemsOf(of, dataWith(path, value));
  const text = JSON.stringify(problems);
  if (problems[0]?.code === "too-large") return; // no file holds as many values
  expect(problems, text).not.toHaveLength(0);
  for (const { message, hint, path: where } of problems) {
    expect(message).not.toMatch(raw);
    expect(hint ?? "-").toMatch(/\S/);
    expect(hint ?? "").not.toMatch(/: *$|undefined|\[object/);
    expect(message).not.toMatch(/undefined|\[object/);
    expect(where, message).not.toBeNull();
    const top = path.slice(0, path[0] === "defaults" && path.length > 1 ? 2 : 1).join(".");
    expect(where, message).toMatch(new RegExp(`^${top}|^zzz`));
    expect(message).toContain(
      path[0] === "defaults" && !message.endsWith("cannot be a default") ? "defaults" : path[0],
    );
  }
  const secret = /^(defaults\.)?(env|notify\.(webhook|ping))\b/.test(path.join("."));
  if (secret && !JSON.stringify(Object.keys(Object(value) as object)).includes(marker))
    expect(text).not.toContain(marker);
}

const ofBatch = [...wrongValues(batchSchema as unknown as Schema, [])].filter(({ path }) => path.length > 0);
const ofGroup = [...wrongValues(groupSchema as unknown as Schema, [])].filter(({ path }) => path.length > 0);

test("there is a wrong value for every key", () => {
  expect(ofBatch.length).toBeGreaterThan(400);
  expect(new Set(ofBatch.map(({ path }) => path[0]))).toEqual(
    new Set([...Object.keys(batchSchema.properties), "zzzzzzzzz"]),
  );
  expect(ofGroup.length).toBeGreaterThan(400);
});

describe("batch.yaml", () => {
  test.each(ofBatch)("$name", (wrong) => check("batch", wrong));
});
describe("_group.yaml", () => {
  test.each(ofGroup)("$name", (wrong) => check("group", wrong));
});
