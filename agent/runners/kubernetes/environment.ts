// The environment of a script in a pod as one file, entries ended by NUL: the agent's clock and language first, then an
// empty entry, then what comes over the variables of Secrets and ConfigMaps, then an empty entry. Pure.

/** Variables of the agent that reach a pod; all others are the image's. */
const passed: readonly string[] = ["TZ", "LANG", "LC_ALL"];

/** Throws for a value with a NUL, which no environment can carry. */
export function environmentFile(
  baseEnv: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): string {
  const base = Object.entries(baseEnv).filter(([name]) => passed.includes(name));
  for (const [name, value] of Object.entries(own))
    if (name.includes("\0") || value.includes("\0")) throw new Error(`the variable ${name} holds a NUL character`);
  const text = (entries: readonly (readonly [string, string])[]) =>
    entries.map(([name, value]) => `${name}=${value}\0`).join("");
  return `${text(base)}\0${text(Object.entries(own))}\0`;
}
