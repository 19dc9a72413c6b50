// The data of a batch.yaml or _group.yaml against its schema: fills in defaults, and collects what does not fit. The
// words for it are in setting-words.ts.
import type { ErrorObject, ValidateFunction } from "ajv";
import { validate } from "./check-batch.gen.ts";
import { validate as validateDefaults } from "./check-defaults.gen.ts";
import { validate as validateGroup } from "./check-group.gen.ts";
import { fitWords, keyNameWords, unknownKeyHint, type Misfit, type Words } from "./setting-words.ts";
import type { SettingScope } from "./suggest.ts";
import type { Path } from "./yaml.ts";
import { shownKey } from "./yaml-errors.ts";

/** A fault of the data; `of` tells whether the key or the value at `path` is to blame. */
export interface SettingFault {
  code: "schema" | "unknown-key" | "bad-duration";
  path: Path;
  of: "key" | "value";
  message: string;
  hint: string | null;
}

/** Text of a scalar as it stands in the file, for hints that quote it. */
type Written = (path: Path) => string | null;

/** Returns every fault of `data`, a batch.yaml's map, in no order. Fills defaults into it. */
export function checkSettings(data: object, written: Written): SettingFault[] {
  return check(validate as ValidateFunction, data, written, "batch");
}

/** Returns the faults of the map below `defaults` in a _group.yaml, with paths that begin with `defaults`. */
export function checkDefaults(data: object, written: Written): SettingFault[] {
  return check(validateDefaults as ValidateFunction, data, written, "defaults");
}

/** Returns the faults of a _group.yaml but for its defaults. */
export function checkGroup(data: object, written: Written): SettingFault[] {
  return check(validateGroup as ValidateFunction, data, written, "group");
}

function check(validator: ValidateFunction, data: object, written: Written, scope: SettingScope): SettingFault[] {
  if (validator(data)) return [];
  const faults = new Map<string, SettingFault>();
  for (const error of meantErrors(validator.errors ?? [])) {
    const fault = faultOf(error, written, scope);
    // An empty text breaks a pattern too: the first fault of a value says enough.
    const key = JSON.stringify([fault?.path, error.keyword === "required" ? fault?.message : ""]);
    if (fault !== null && !faults.has(key)) faults.set(key, fault);
  }
  if (faults.size > 0) return [...faults.values()];
  // Never valid only because no words were found.
  return [{ code: "schema", path: [], of: "value", message: "the settings do not fit the schema", hint: null }];
}

/** Of each "one of these forms" only what is wrong with the form that was meant, or that none was. */
function meantErrors(errors: readonly ErrorObject[]): ErrorObject[] {
  const choices = errors.filter(({ keyword }) => keyword === "oneOf");
  return errors.filter((error) => {
    const choice = choices.find((candidate) => error === candidate || isPartOf(error, candidate));
    if (choice === undefined) return true;
    const meant = meantBranch(choice);
    return error === choice ? meant === null : error.schemaPath.startsWith(`${choice.schemaPath}/${meant}/`);
  });
}

function isPartOf(error: ErrorObject, choice: ErrorObject): boolean {
  return (
    error.schemaPath.startsWith(`${choice.schemaPath}/`) &&
    (error.instancePath === choice.instancePath || error.instancePath.startsWith(`${choice.instancePath}/`))
  );
}

/** Index of the form that a value was meant to have, by its kind and keys; null where it is like none. */
function meantBranch({ schema, data }: ErrorObject): number | null {
  const branches = schema as { type?: string; required?: readonly string[] }[];
  const kind = Array.isArray(data) ? "array" : typeof data;
  const alike = branches.flatMap(({ type, required = [] }, index) =>
    type === kind && data !== null && (kind !== "object" || required.every((key) => Object.hasOwn(data as object, key)))
      ? index
      : [],
  );
  return alike.length === 1 ? (alike[0] ?? null) : null;
}

function faultOf(error: ErrorObject, written: Written, scope: SettingScope): SettingFault | null {
  if (error.propertyName !== undefined) return null; // told by `propertyNames`
  const params = error.params as Record<string, unknown>;
  const path = pathOf(error.instancePath);
  const prefix: Path = scope === "defaults" ? ["defaults"] : [];
  const whole = [...prefix, ...path];
  const ofKey = (code: SettingFault["code"], key: string, say: (name: string) => Words): SettingFault => {
    const inner = [...whole, key];
    const [message, hint] = say(pathText(inner));
    return { code, path: inner, of: "key", message, hint };
  };
  if (error.keyword === "additionalProperties") {
    const key = String(params.additionalProperty);
    return ofKey("unknown-key", key, (name) => [`unknown key ${name}`, unknownKeyHint(key, path, scope)]);
  }
  if (error.keyword === "propertyNames") {
    const key = String(params.propertyName);
    return ofKey("schema", key, (name) => keyNameWords(name, key, path));
  }
  const misfit: Misfit = {
    keyword: error.keyword,
    schema: error.schema,
    params,
    path,
    value: error.data,
    isDuration: error.schemaPath.startsWith("#/$defs/duration/"),
    // As it stands in the file: YAML reads 0x1F as 31 and 1.10 as 1.1.
    written: () => (written(whole) ?? String(error.data)).slice(0, 60),
  };
  const [message, hint] = fitWords(misfit);
  const later = error.keyword === "uniqueItems" ? [Math.max(Number(params.i), Number(params.j))] : [];
  return {
    code: misfit.isDuration && error.data !== null ? "bad-duration" : "schema",
    path: [...whole, ...later],
    of: "value",
    message: `${pathText(whole)} ${message}`,
    hint,
  };
}

function pathOf(pointer: string): Path {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** `retry.limit`, `cron[1]`; entries of lists count from 0. */
export function pathText(path: Path): string {
  return path
    .map((part) => {
      if (/^\d+$/.test(String(part))) return `[${part}]`;
      return part === "" ? '.""' : `.${shownKey(String(part))}`;
    })
    .join("")
    .replace(/^\./, "");
}
