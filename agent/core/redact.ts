// A batch.yaml to show: values of `env` are nobody's business, not even that of a diff.
import { isAlias, isMap, isScalar, parseDocument, visit } from "yaml";

/** The texts of two batch.yaml, values of `env` as `***`, or `*** (changed)` in the later one; null for one that cannot be read. */
export function redactPair(before: string | null, after: string | null): { before: string | null; after: string | null } {
  const [old, now] = [before === null ? null : parse(before), after === null ? null : parse(after)];
  const show = (side: ReturnType<typeof parse>, others: ReadonlyMap<string, string> | null) =>
    side === null ? null : side.text((name, value) => (others === null || !others.has(name) || others.get(name) === value ? "***" : "*** (changed)"));
  return { before: show(old, null), after: show(now, old?.values ?? null) };
}

function parse(text: string): { values: ReadonlyMap<string, string>; text(show: (name: string, value: string) => string): string } | null {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents)) return null;
  const pair = document.contents.items.find(({ key }) => isScalar(key) && key.value === "env");
  if (pair === undefined) return { values: new Map(), text: () => text };
  const { key, value } = pair;
  if (!isScalar(key) || !key.range || !isMap(value) || !value.range || hasAlias(document)) return null;
  const values = new Map(value.items.map((item) => [isScalar(item.key) ? String(item.key.value) : "?", isScalar(item.value) ? String(item.value.value) : JSON.stringify(item.value)]));
  // All between the key and the end of its value is written anew: comments in there may hold an old value.
  const [head, tail] = [text.slice(0, key.range[1]), text.slice(value.range[2])];
  return { values, text: (show) => `${head}:\n${[...values].map(([name, each]) => `  ${name}: ${show(name, each)}\n`).join("")}${tail}` };
}

function hasAlias(document: ReturnType<typeof parseDocument>): boolean {
  let found = false;
  visit(document, (_key, node) => {
    if (!isAlias(node)) return undefined;
    found = true;
    return visit.BREAK;
  });
  return found;
}
