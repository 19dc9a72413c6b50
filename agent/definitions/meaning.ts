// Values of the right shape that still mean nothing: patterns, zones, paths, addresses. For batch.yaml and for the
// defaults of groups.
import type { BatchFile, Pattern } from "../model/batch.ts";
import type { Place, ProblemCode } from "../model/problem.ts";
import { parsePattern } from "../schedule/schedule.ts";
import { isTimeZone } from "../schedule/zone.ts";
import { pathText } from "./settings.ts";
import type { Fault } from "./text-file.ts";
import { webhookFault } from "./webhook-address.ts";
import type { Path, YamlFile } from "./yaml.ts";
import { zoneHint } from "./zone-hint.ts";

/**
 * Checks what a schema cannot tell of values of the right shape.
 * @param prefix where the settings stand in the file, as `["defaults"]`
 */
export function checkMeaning(
  file: Partial<BatchFile>,
  yaml: Pick<YamlFile, "place">,
  timeZone: string,
  prefix: Path = [],
): { patterns: { pattern: Pattern; place: Place }[]; faults: Fault[] } {
  const faults: Fault[] = [];
  const addFault = (code: ProblemCode, path: Path, of: "key" | "value", message: string, hint: string | null) =>
    faults.push({ code, path: [...prefix, ...path], place: yaml.place([...prefix, ...path], of), message, hint });
  const nameOf = (path: Path) => pathText([...prefix, ...path]);

  const patterns = entriesOf(file.cron, "cron").flatMap(({ text, path }) => {
    const parsed = parsePattern(text);
    if ("pattern" in parsed) return [{ pattern: parsed.pattern, place: yaml.place(path, "value") }];
    addFault(parsed.code, path, "value", parsed.message, parsed.hint);
    return [];
  });
  if (file.timeZone !== undefined && !isTimeZone(file.timeZone)) {
    addFault(
      "bad-time-zone",
      ["timeZone"],
      "value",
      `there is no time zone ${JSON.stringify(file.timeZone)}`,
      zoneHint(file.timeZone) ?? `an IANA name, such as Europe/Paris or UTC; without one it is ${timeZone}`,
    );
  }
  for (const { text, path } of entriesOf(file.envFile, "envFile")) {
    const hint = text.startsWith("~")
      ? "~ means nothing here: write the whole path"
      : "begin it with /, as in /run/secrets/warehouse.env";
    if (!text.startsWith("/")) addFault("schema", path, "value", `${nameOf(path)} must be an absolute path`, hint);
    else if (text.includes("\0")) addFault("schema", path, "value", `${nameOf(path)} holds a NUL character`, null);
  }
  for (const key of ["env", "params"] as const) {
    for (const [name, value] of Object.entries(file[key] ?? {})) {
      const at = nameOf([key, name]);
      const reserved = `${at}: names that begin with BATCH_ are the agent's own`;
      if (name.startsWith("BATCH_")) addFault("schema", [key, name], "key", reserved, "choose another name");
      if (typeof value === "string" && value.includes("\0"))
        addFault("schema", [key, name], "value", `${at} holds a NUL character, which no environment can carry`, null);
    }
  }
  for (const key of ["webhook", "ping"] as const) {
    for (const [index, url] of (file.notify?.[key] ?? []).entries()) {
      // The address is not repeated: it may hold a secret.
      const fault = webhookFault(url);
      if (fault === null) continue;
      addFault(
        "schema",
        ["notify", key, index],
        "value",
        `${nameOf(["notify", key, index])} ${fault.message}`,
        fault.hint,
      );
    }
  }
  return { patterns, faults };
}

/** Entries of a key that holds a string or a list of strings, each with its path. */
export function entriesOf(value: unknown, key: string): { text: string; path: Path }[] {
  if (Array.isArray(value)) return value.map((text, index) => ({ text: text as string, path: [key, index] }));
  return typeof value === "string" ? [{ text: value, path: [key] }] : [];
}
