// The data of a batch.yaml against its schema: fills in defaults, and says what does not fit in words people can act
// on.
import type { ErrorObject, ValidateFunction } from "ajv";
import { validate } from "./check-batch.gen.ts";
import { validate as validateDefaults } from "./check-defaults.gen.ts";
import { validate as validateGroup } from "./check-group.gen.ts";
import { closest, suggestKey } from "./suggest.ts";
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
  return check(validate as ValidateFunction, data, written);
}

/** Returns the faults of the map below `defaults` in a _group.yaml, with paths that begin at its keys. */
export function checkDefaults(data: object, written: Written): SettingFault[] {
  return check(validateDefaults as ValidateFunction, data, written);
}

/** Returns the faults of a _group.yaml but for its defaults. */
export function checkGroup(data: object, written: Written): SettingFault[] {
  return check(validateGroup as ValidateFunction, data, written);
}

function check(validator: ValidateFunction, data: object, written: Written): SettingFault[] {
  if (validator(data)) return [];
  return foldChoices(validator.errors ?? []).flatMap((error) => reword(error, written) ?? []);
}

/** For "a string or a list" only what went wrong with the one that was meant. */
function foldChoices(errors: readonly ErrorObject[]): ErrorObject[] {
  return errors.filter((error) => {
    const branch = /\/oneOf\/(\d)(\/items)?/.exec(error.schemaPath);
    if (branch === null)
      return error.keyword !== "oneOf" || !(typeof error.data === "string" || Array.isArray(error.data));
    return error.keyword !== "type" || branch[2] !== undefined
      ? branch[1] === (branch[2] !== undefined || Array.isArray(error.data) ? "1" : "0")
      : false;
  });
}

function reword(error: ErrorObject, written: (path: Path) => string | null): SettingFault | null {
  const path = pathOf(error.instancePath);
  const params = error.params as Record<string, unknown>;
  const value: unknown = error.data;
  const name = pathText(path);
  /** As it stands in the file: YAML reads 0x1F as 31 and 1.10 as 1.1. */
  const shown = () => (written(path) ?? String(value)).slice(0, 60);
  const fault = (message: string, hint: string | null = null, code: SettingFault["code"] = "schema"): SettingFault => ({
    code,
    path,
    of: "value",
    message: `${name} ${message}`,
    hint,
  });

  if (error.keyword === "additionalProperties") {
    const key = String(params.additionalProperty);
    const inner = [...path, key];
    return {
      code: "unknown-key",
      path: inner,
      of: "key",
      message: `unknown key ${pathText(inner)}`,
      hint: spaceHint(key) ?? suggestKey(key, path.join(".")),
    };
  }
  if (error.keyword === "propertyNames") {
    const key = String(params.propertyName);
    const hint =
      key === "<<"
        ? "merge keys are not supported: write the keys out"
        : (spaceHint(key) ?? "letters, digits and _ only, and no digit first");
    return {
      code: "schema",
      path: [...path, key],
      of: "key",
      message: `${pathText([...path, key])} cannot be the name of an environment variable`,
      hint,
    };
  }
  if (error.propertyName !== undefined) return null;
  if (value === null)
    return fault(
      "has no value",
      path[0] === "env" ? 'write "" if it is to be empty' : "give it one, or take the key out",
    );
  if (error.schemaPath.startsWith("#/$defs/duration/")) {
    const { message, hint } = durationFault(value, path.at(-1) === "age" ? "d" : "m");
    return fault(message, hint, "bad-duration");
  }

  switch (error.keyword) {
    case "type":
      return fault(...typeFault(String(params.type), value, path, shown));
    case "oneOf":
      return fault(
        `must be a string or a list of strings, not ${kindOf(value)}`,
        isPlain(value) ? `quote it: "${shown()}"` : null,
      );
    case "enum": {
      const allowed = params.allowedValues as string[];
      const near = typeof value === "string" ? closest(value, allowed) : null;
      return fault(`must be one of ${allowed.join(", ")}`, near === null ? null : `did you mean \`${near}\`?`);
    }
    case "required":
      return fault(
        `needs \`${String(params.missingProperty)}\``,
        path[0] === "retry" ? "how many attempts follow the first one, as in limit: 3" : null,
      );
    case "pattern":
      if (path[1] === "webhook")
        return fault("must be an http:// or https:// address", "such as https://chat.example.org/hooks/batch");
      if (typeof value === "string" && /[,;]/.test(value)) return fault("must be one mail address", "one an entry");
      return fault(
        "must be a mail address",
        typeof value === "string" && /<[^<>]+>/.test(value)
          ? "the bare address, without a name around it"
          : "such as ops@example.org",
      );
    case "minLength":
      return fault("is empty", "give it a value, or take it out");
    case "maxLength":
      return fault(`is longer than ${String(params.limit)} characters`);
    case "minItems":
      return fault("is an empty list", "give it an entry, or take the key out");
    case "maxItems":
      return fault(`has more than ${String(params.limit)} entries`);
    case "maxProperties":
      return fault(`has more than ${String(params.limit)} keys`);
    case "uniqueItems": {
      const later = [...path, Math.max(Number(params.i), Number(params.j))];
      return { ...fault("holds the same entry twice", "keep one of them"), path: later };
    }
    case "minimum":
      return fault(`must be at least ${String(params.limit)}`);
    case "maximum":
      return fault(`must be at most ${String(params.limit)}`);
    default:
      return fault(error.message ?? "is not valid");
  }
}

/** `{NAME:value}` and `{NAME=value}` are keys without a value. */
function spaceHint(key: string): string | null {
  return /^[\w-]+[:=]/.test(key) ? "write key: value, with a space after the colon" : null;
}

function typeFault(type: string, value: unknown, path: Path, written: () => string): [string, string | null] {
  const text = typeof value === "string" ? value.trim().toLowerCase() : "";
  switch (type) {
    case "string": {
      // Values of env are shown nowhere: problems are read by many.
      const shown = () => (path[0] === "env" ? `${shownKey(String(path[1]))}: "…"` : `"${written()}"`);
      return [`must be a string, not ${kindOf(value)}`, isPlain(value) ? `quote it: ${shown()}` : null];
    }
    case "boolean":
      if (/^(yes|y|on)$/.test(text)) return ["must be true or false", "write true"];
      if (/^(no|n|off)$/.test(text)) return ["must be true or false", "write false"];
      return ["must be true or false", /^(true|false)$/.test(text) ? `take the quotes off: ${text}` : null];
    case "integer":
    case "number": {
      const what = `must be a ${type === "integer" ? "whole " : ""}number`;
      return [
        `${what}, not ${Number.isFinite(value) ? String(value) : kindOf(value)}`,
        /^\d+(\.\d+)?$/.test(text) ? `take the quotes off: ${text}` : null,
      ];
    }
    case "array": {
      const shown = () => (path[1] === "webhook" ? '"…"' : written()); // an address may hold a secret
      return [`must be a list, not ${kindOf(value)}`, isPlain(value) ? `write it in brackets: [${shown()}]` : null];
    }
    case "object":
      return [
        `must hold keys with values, not ${kindOf(value)}`,
        path[0] === "env" ? "write each variable as NAME: value, with a space after the colon" : null,
      ];
    default:
      return [`must be ${type}`, null];
  }
}

const longUnits: Record<string, string> = {
  sec: "s",
  secs: "s",
  second: "s",
  seconds: "s",
  min: "m",
  mins: "m",
  minute: "m",
  minutes: "m",
  hour: "h",
  hours: "h",
  hr: "h",
  hrs: "h",
  day: "d",
  days: "d",
};

function durationFault(value: unknown, unitOf: string): { message: string; hint: string } {
  const forms = "durations are whole numbers with units, largest first: 90s, 15m, 1h30m, 2d";
  if (typeof value === "number")
    return {
      message: `must be a duration, and ${value} has no unit`,
      hint: Number.isInteger(value) && value >= 0 ? `write ${value}s or ${value}${unitOf}` : forms,
    };
  if (typeof value !== "string") return { message: `must be a duration, not ${kindOf(value)}`, hint: forms };
  const message = `must be a duration, and ${JSON.stringify(value.slice(0, 40))} is none`;
  const single = /^(\d{1,6})\s*([a-z]*)$/i.exec(value.trim());
  if (single === null) return { message, hint: forms };
  const [, count = "", unit = ""] = single;
  const word = unit.toLowerCase();
  if (word === "") return { message, hint: `write ${count}s or ${count}${unitOf}` };
  if (word === "ms") return { message, hint: "the smallest unit is s" };
  if (/^w(eeks?)?$/.test(word)) return { message, hint: `write ${Number(count) * 7}d` };
  const short = /^[dhms]$/.test(word) ? word : longUnits[word];
  return { message, hint: short === undefined ? forms : `write ${count}${short}` };
}

function isPlain(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function kindOf(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return "a number";
  return typeof value === "string" ? "a string" : typeof value === "boolean" ? "true or false" : "keys with values";
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
    .map((part) => (/^\d+$/.test(String(part)) ? `[${part}]` : `.${shownKey(String(part))}`))
    .join("")
    .replace(/^\./, "");
}
