// A batch.yaml to show: values of `env`, and what the addresses of webhooks have after the host, are nobody's business, not even that of a diff.
import { isAlias, isMap, isScalar, isSeq, parseDocument, visit, type Pair } from "yaml";
import { shownAddress } from "./views.ts";

/** What is hidden of one text: values by a name of theirs, and how the text reads without them. */
interface Hidden {
  values: ReadonlyMap<string, string>;
  text(show: (name: string, value: string) => string): string;
}

/** The texts of two batch.yaml, hidden values as `***`, or `*** (changed)` in the later one; null for one that cannot be read. */
export function redactPair(before: string | null, after: string | null): { before: string | null; after: string | null } {
  const [old, now] = [before === null ? null : parse(before), after === null ? null : parse(after)];
  const show = (side: Hidden | null, others: ReadonlyMap<string, string> | null) =>
    side === null ? null : side.text((name, value) => (others === null || !others.has(name) || others.get(name) === value ? "***" : "*** (changed)"));
  return { before: show(old, null), after: show(now, old?.values ?? null) };
}

function parse(text: string): Hidden | null {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents)) return null;
  const env = pairOf(document.contents.items, "env");
  const notify = pairOf(document.contents.items, "notify")?.value;
  const webhook = isMap(notify) ? pairOf(notify.items, "webhook") : undefined;
  if (env === undefined && notify === undefined) return { values: new Map(), text: () => text };
  const found = [...(env === undefined ? [] : [hideEnv(env)]), ...(webhook === undefined ? [] : [hideWebhooks(webhook, text)])];
  const parts = found.filter((part) => part !== null);
  // Whatever has another shape may hold an address or a value anywhere.
  if (parts.length < found.length || (notify !== undefined && !isMap(notify)) || hasAlias(document)) return null;
  parts.sort((a, b) => b.from - a.from);
  return {
    values: new Map(parts.flatMap(({ values }) => [...values])),
    text: (show) => parts.reduce((all, { from, to, written }) => all.slice(0, from) + written(show) + all.slice(to), text),
  };
}

/** All between a key and the end of its value, written anew: comments in there may hold an old value. */
interface Part {
  from: number;
  to: number;
  values: ReadonlyMap<string, string>;
  written(show: (name: string, value: string) => string): string;
}

function hideEnv({ key, value }: Pair): Part | null {
  if (!isScalar(key) || !key.range || !isMap(value) || !value.range) return null;
  const names = value.items.map((item) => (isScalar(item.key) ? String(item.key.value) : "?"));
  const values = new Map(value.items.map((item, i) => [`env ${names[i]}`, isScalar(item.value) ? String(item.value.value) : JSON.stringify(item.value)]));
  const written: Part["written"] = (show) => `:\n${names.map((name) => `  ${name}: ${show(`env ${name}`, values.get(`env ${name}`) ?? "")}\n`).join("")}`;
  return { from: key.range[1], to: value.range[2], values, written };
}

function hideWebhooks({ key, value }: Pair, text: string): Part | null {
  if (!isScalar(key) || !key.range || !isSeq(value) || !value.range || !value.items.every((item) => isScalar(item))) return null;
  const addresses = value.items.map((item) => String(isScalar(item) ? item.value : ""));
  const to = value.range[2];
  const end = text[to - 1] === "\n" ? "\n" : "";
  const values = new Map(addresses.map((address, i) => [`webhook ${i}`, address]));
  const written: Part["written"] = (show) =>
    `: [${addresses.map((address, i) => (shownAddress(address) === address ? address : `${shownAddress(address).slice(0, -3)}${show(`webhook ${i}`, address)}`)).join(", ")}]${end}`;
  return { from: key.range[1], to, values, written };
}

function pairOf(items: readonly Pair[], name: string): Pair | undefined {
  return items.find(({ key }) => isScalar(key) && key.value === name);
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
