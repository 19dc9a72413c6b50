// Parameters: declared by a batch with their defaults, set by whoever asks for a run. Pure.
import { closest } from "../definitions/suggest.ts";
import type { Batch } from "../model/batch.ts";

type Values = Readonly<Record<string, string>>;

/**
 * Returns the values of a batch's parameters; undefined where there are none. `kept`: those of the execution that is
 * done again. `given`: those set for the whole run, of which each batch takes the ones that it declares.
 */
export function valuesInForce(
  batch: Pick<Batch, "params"> | null,
  kept: Values,
  given: Values | undefined,
): Values | undefined {
  const declared = batch?.params ?? {};
  const set = Object.entries(given ?? {}).filter(([name]) => Object.hasOwn(declared, name));
  const values = { ...declared, ...kept, ...Object.fromEntries(set) };
  return Object.keys(values).length === 0 ? undefined : values;
}

/** Maximum length of one value, in UTF-16 units: the kernel takes 128 KiB for a variable. */
const maxValueLength = 32_768;

/** Returns why parameters cannot be set for a run of a batch; null where they can. */
export function paramsFault({ name, params }: Pick<Batch, "name" | "params">, given: Values): string | null {
  const declared = Object.keys(params);
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(params, key)) {
      const near = closest(key, declared);
      const known = declared.length === 0 ? "it declares none" : `it declares ${declared.join(", ")}`;
      return `${name} has no parameter ${key}: ${near === null ? known : `did you mean ${near}?`}`;
    }
    if (value.includes("\0")) return `the value of ${key} holds a NUL, which no environment variable can`;
    if (value.length > maxValueLength) return `the value of ${key} is longer than ${maxValueLength} characters`;
  }
  return null;
}
