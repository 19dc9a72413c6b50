// Words for a setting that does not fit its schema: what is wrong in terms of the file, and what to write instead.
// Never repeats what may be a secret: values of `env`, addresses of `webhook` and `ping`. Pure.
import { parseDuration } from "../text/duration.ts";
import { closest, suggestKey, type SettingScope } from "./suggest.ts";
import type { Path } from "./yaml.ts";
import { shownKey } from "./yaml-errors.ts";

/** What is wrong, to follow the name of the setting, and a hint. */
export type Words = [message: string, hint: string | null];

/** One keyword of the schema that a value breaks. */
export interface Misfit {
  keyword: string;
  /** The keyword's own value. */
  schema: unknown;
  params: Readonly<Record<string, unknown>>;
  /** Path in terms of batch.yaml, also for the defaults of a group. */
  path: Path;
  value: unknown;
  isDuration: boolean;
  /** Text of the value as it stands in the file. */
  written: () => string;
}

/** Says why a value does not fit. */
export function fitWords(misfit: Misfit): Words {
  const { keyword, params, path, value, isDuration } = misfit;
  const limit = String(params.limit);
  if (value === null) return ["has no value", emptyHint(path)];
  if (isDuration) return durationWords(value, path.at(-1) === "age" ? "d" : "m");
  switch (keyword) {
    case "type":
      return typeWords(misfit);
    case "oneOf":
      return choiceWords(misfit);
    case "enum":
      return enumWords(params.allowedValues as string[], value);
    case "required":
      return [
        `needs \`${String(params.missingProperty)}\``,
        path[0] === "retry" ? "how many attempts follow the first one, as in limit: 3" : null,
      ];
    case "pattern":
      return patternWords(path, typeof value === "string" ? value : "");
    case "not":
      return ["must be longer than 0s", `take it out for no ${String(path.at(-1))}`];
    case "minLength":
      return ["is empty", "give it a value, or take it out"];
    case "maxLength":
      return [`is longer than ${limit} characters`, null];
    case "minItems":
      return ["is an empty list", "give it an entry, or take the key out"];
    case "maxItems":
      return [`has more than ${limit} entries`, null];
    case "minProperties":
      return ["holds nothing", path[0] === "calendars" ? "give it dates, ranges, weekdays or ics" : null];
    case "maxProperties":
      return [`has more than ${limit} keys`, null];
    case "uniqueItems":
      return ["holds the same entry twice", "keep one of them"];
    case "minimum":
      return [`must be at least ${limit}`, null];
    case "maximum":
      return [`must be at most ${limit}`, null];
    default:
      return ["does not fit the schema", null];
  }
}

/** Hint for a key that is not known. `path` is that of the map around it, in terms of batch.yaml for defaults. */
export function unknownKeyHint(key: string, path: Path, scope: SettingScope): string {
  return spaceHint(key) ?? suggestKey(key, path, scope);
}

/** Says why a key cannot have its name, in a map whose keys the user chooses. */
export function keyNameWords(name: string, key: string, path: Path): Words {
  if (key === "<<") return [`${name} cannot be used here`, "merge keys are not supported: write the keys out"];
  const [what, rules] = nameRules(path);
  return [`${name} cannot be the name of ${what}`, spaceHint(key) ?? rules];
}

function nameRules(path: Path): [what: string, rules: string] {
  const plain = "letters, digits, ., _ and - only, a letter or digit at either end, at most 63 characters";
  switch (path[0]) {
    case "pools":
      return ["a pool", plain];
    case "calendars":
      return ["a calendar", plain];
    case "kubernetes":
      return ["a resource", "such as cpu, memory, ephemeral-storage or example.org/gpu"];
    case undefined:
    default:
      return ["an environment variable", "letters, digits and _ only, and no digit first"];
  }
}

/** `{NAME:value}` and `{NAME=value}` are keys without a value. */
function spaceHint(key: string): string | null {
  return /^[\w-]+[:=]/.test(key) ? "write key: value, with a space after the colon" : null;
}

function emptyHint(path: Path): string {
  if ((path[0] === "env" || path[0] === "params") && path.length > 1) return 'write "" if it is to be empty';
  return /^\d+$/.test(String(path.at(-1))) ? "give it one, or take the entry out" : "give it one, or take the key out";
}

function isSecret([key, inner]: Path): boolean {
  return key === "env" || (key === "notify" && (inner === "webhook" || inner === "ping"));
}

function enumWords(allowed: readonly string[], value: unknown): Words {
  const text = typeof value === "string" ? value.trim().toLowerCase() : "";
  const near =
    allowed.find((word) => word.length >= 3 && text.startsWith(word.toLowerCase())) ??
    (typeof value === "string" ? closest(value, allowed) : null);
  return [`must be one of ${allowed.join(", ")}`, near === null ? null : `did you mean \`${near}\`?`];
}

function choiceWords({ schema, path, value, written }: Misfit): Words {
  const branches = schema as { const?: string; required?: readonly string[] }[];
  const word = branches.find((branch) => branch.const !== undefined)?.const;
  if (word !== undefined) {
    const hint =
      typeof value === "number"
        ? `write it in brackets: [${written()}]`
        : typeof value === "string" && closest(value, [word]) !== null
          ? `did you mean \`${word}\`?`
          : null;
    return [`must be ${word}, or a list of exit codes`, hint];
  }
  const keys = branches.flatMap(({ required = [] }) => required);
  if (keys.length > 0) {
    const either = keys.map((key) => `\`${key}\``).join(" or ");
    const example = `such as ${keys[0]}: warehouse`;
    if (!isMap(value)) return [`must hold ${either}, not ${kindOf(value)}`, example];
    const both = keys.filter((key) => Object.hasOwn(value, key));
    if (both.length > 1) return [`holds both ${both.join(" and ")}`, "write an entry for each"];
    const key = Object.keys(value)[0];
    return [`needs ${either}`, key === undefined ? example : suggestKey(key, path, "batch")];
  }
  const hint = isPlain(value) && !isSecret(path) ? `quote it: "${written()}"` : null;
  return [`must be a string or a list of strings, not ${kindOf(value)}`, hint];
}

function patternWords([key, inner, ...rest]: Path, value: string): Words {
  if (key === "notify" && inner === "webhook")
    return ["must be an http:// or https:// address", "such as https://chat.example.org/hooks/batch"];
  if (key === "notify" && inner === "ping")
    return ["must be an http:// or https:// address", "such as https://hc.example.org/ping/0a1b2c3d"];
  if (key === "notify" && /[,;]/.test(value)) return ["must be one mail address", "one an entry"];
  if (key === "notify")
    return [
      "must be a mail address",
      /<[^<>]+>/.test(value) ? "the bare address, without a name around it" : "such as ops@example.org",
    ];
  if (key === "calendars" && rest[0] === "ics") {
    const file = value.slice(value.lastIndexOf("/") + 1);
    const hint = file === "" || file.includes("\0") ? "such as holidays.ics" : `put the file there and write ${file}`;
    return ["must be the name of a file beside _group.yaml, without a path", hint];
  }
  if (key === "kubernetes" && inner === "image")
    return ["must be the name of an image, without blanks", "such as registry.example.org/tools/postgres:17"];
  return ["does not have the form it should", null];
}

function typeWords({ params, value, path, written }: Misfit): Words {
  const type = String(params.type);
  const text = typeof value === "string" ? value.trim().toLowerCase() : "";
  const other = kindOf(value);
  switch (type) {
    case "string": {
      // Problems are read by many.
      const shown = () => (path[0] === "env" ? `${shownKey(String(path[1]))}: "…"` : `"${written()}"`);
      const hint = () => (path[0] !== "env" && isSecret(path) ? "quote it" : `quote it: ${shown()}`);
      return [`must be a string, not ${other}`, isPlain(value) ? hint() : null];
    }
    case "string,number":
      return [`must be an amount, not ${other}`, "such as 500m, 2 or 256Mi"];
    case "boolean":
      if (/^(yes|y|on)$/.test(text)) return ["must be true or false", "write true"];
      if (/^(no|n|off)$/.test(text)) return ["must be true or false", "write false"];
      return ["must be true or false", /^(true|false)$/.test(text) ? `take the quotes off: ${text}` : null];
    case "integer":
    case "number": {
      const what = `must be a ${type === "integer" ? "whole " : ""}number`;
      return [
        `${what}, not ${Number.isFinite(value) ? String(value) : other}`,
        /^\d+(\.\d+)?$/.test(text) ? `take the quotes off: ${text}` : null,
      ];
    }
    case "array": {
      const shown = () => (isSecret(path) ? '"…"' : written());
      return [`must be a list, not ${other}`, isPlain(value) ? `write it in brackets: [${shown()}]` : null];
    }
    default:
      return [`must hold keys with values, not ${other}`, mapHint(path, value)];
  }
}

function mapHint(path: Path, value: unknown): string | null {
  const [key, ...rest] = path;
  if (rest.length > 0) return null;
  if (key === "env" || key === "params") return "write each variable as NAME: value, with a space after the colon";
  if (key === "retry" && typeof value === "number") return `write limit: ${value} below it`;
  if (key === "keep" && typeof value === "number") return `write executions: ${value} below it`;
  if (key === "keep" && typeof value === "string" && parseDuration(value) !== null)
    return `write age: ${value} below it`;
  if (key === "pools") return "write each pool as name: size";
  if (key === "calendars") return "write each calendar as a key, with dates, ranges, weekdays or ics below it";
  return null;
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

function durationWords(value: unknown, unitOf: string): Words {
  const forms = "durations are whole numbers with units, largest first: 90s, 15m, 1h30m, 2d";
  if (typeof value === "number")
    return [
      `must be a duration, and ${value} has no unit`,
      Number.isInteger(value) && value >= 0 ? `write ${value}s or ${value}${unitOf}` : forms,
    ];
  if (typeof value !== "string") return [`must be a duration, not ${kindOf(value)}`, forms];
  const message = `must be a duration, and ${JSON.stringify(value.slice(0, 40))} is none`;
  const single = /^(\d{1,6})\s*([a-z]*)$/i.exec(value.trim());
  if (single === null) return [message, forms];
  const [, count = "", unit = ""] = single;
  const word = unit.toLowerCase();
  if (word === "") return [message, `write ${count}s or ${count}${unitOf}`];
  if (word === "ms") return [message, "the smallest unit is s"];
  if (/^w(eeks?)?$/.test(word)) return [message, `write ${Number(count) * 7}d`];
  const short = /^[dhms]$/.test(word) ? word : longUnits[word];
  return [message, short === undefined ? forms : `write ${count}${short}`];
}

function isPlain(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return "a number";
  return typeof value === "string" ? "a string" : typeof value === "boolean" ? "true or false" : "keys with values";
}
