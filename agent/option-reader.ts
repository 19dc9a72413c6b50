// Reads the value of an option: flags win over environment, environment over defaults, and an empty variable counts as
// unset. What cannot be meant is a UsageError that names where it stands.
import { zoneHint } from "./definitions/zone-hint.ts";
import { UsageError } from "./errors.ts";
import { isTimeZone } from "./schedule/zone.ts";
import { parseDuration } from "./text/duration.ts";
import { parseSize } from "./text/size.ts";
import { trimEndOf } from "./text/trim.ts";

export interface OptionSources {
  flags: Readonly<Record<string, string | boolean | undefined>>;
  env: Readonly<Record<string, string | undefined>>;
  fallbacks: ReadonlyMap<string, string>;
}

export function environmentName(option: string): string {
  return `BATCH_AGENT_${option.toUpperCase().replaceAll("-", "_")}`;
}

export class OptionReader {
  readonly #flags: OptionSources["flags"];
  readonly #env: OptionSources["env"];
  readonly #fallbacks: OptionSources["fallbacks"];

  constructor({ flags, env, fallbacks }: OptionSources) {
    this.#flags = flags;
    this.#env = env;
    this.#fallbacks = fallbacks;
  }

  text(name: string): { value: string; from: string } {
    const flag = this.#flags[name];
    if (flag === "")
      throw new UsageError(
        `--${name}: it is empty`,
        "a variable that is not set, perhaps; leave it out for the default",
      );
    if (flag !== undefined) return { value: String(flag), from: `--${name}` };
    const variable = this.#env[environmentName(name)];
    if (variable !== undefined && variable !== "") return { value: variable, from: environmentName(name) };
    return { value: this.#fallbacks.get(name) ?? "", from: `--${name}` };
  }

  isGiven(name: string): boolean {
    return this.#flags[name] !== undefined || Boolean(this.#env[environmentName(name)]);
  }

  integer(name: string, min: number, max: number): number {
    const { value, from } = this.text(name);
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new UsageError(`${from}: "${value}" is not a whole number from ${min} to ${max}`);
    }
    return number;
  }

  duration(name: string, minMs: number): number {
    const { value, from } = this.text(name);
    const ms = parseDuration(value);
    if (ms === null) throw new UsageError(`${from}: "${value}" is not a duration`, "write it as 90s, 15m, 1h30m or 2d");
    if (ms < minMs) throw new UsageError(`${from}: ${value} is too short, the least is ${minMs / 1000}s`);
    return ms;
  }

  size(name: string, min: number): number {
    const { value, from } = this.text(name);
    const bytes = parseSize(value);
    if (bytes === null) throw new UsageError(`${from}: "${value}" is not a size`, "write it as 512MiB, 1GB, or bytes");
    if (bytes < min) throw new UsageError(`${from}: ${value} is too small, the least is ${min} bytes`);
    return bytes;
  }

  flag(name: string): boolean {
    const { value, from } = this.text(name);
    if (["true", "1", "yes"].includes(value)) return true;
    if (["false", "0", "no"].includes(value)) return false;
    throw new UsageError(`${from}: "${value}" is neither true nor false`);
  }

  zone(name: string): string {
    const { value, from } = this.text(name);
    if (!isTimeZone(value))
      throw new UsageError(
        `${from}: there is no time zone ${JSON.stringify(value)}`,
        zoneHint(value) ?? "name it as Europe/Paris or UTC",
      );
    return value;
  }

  word(name: string, words: readonly string[]): string {
    const { value, from } = this.text(name);
    if (!words.includes(value)) throw new UsageError(`${from}: "${value}" is none of ${words.join(", ")}`);
    return value;
  }

  optional(name: string): string | null {
    const { value } = this.text(name);
    return value === "" ? null : value;
  }

  url(name: string, protocols: readonly string[]): string | null {
    const { value, from } = this.text(name);
    if (value === "") return null;
    // The value may hold a password: it is not repeated.
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
      throw new UsageError(
        `${from}: this is not a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
      );
    }
    return trimEndOf(value, "/");
  }
}
