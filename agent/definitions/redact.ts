// A batch.yaml to show: values of `env`, and what the addresses of webhooks and heartbeats have after the host, are
// nobody's business, not even that of a diff.
import { CST, isAlias, isMap, isScalar, isSeq, Lexer, parseDocument, visit, type Pair } from "yaml";

/** Describes what is hidden of one text: values by a name of theirs, and how the text reads without them. */
interface Hidden {
  values: ReadonlyMap<string, string>;
  text: (show: (name: string, value: string) => string) => string;
}

/**
 * The texts of two batch.yaml, hidden values as `***`, or `*** (changed)` in the later one; null for one that cannot
 * be read.
 */
export function redactPair(
  before: string | null,
  after: string | null,
): { before: string | null; after: string | null } {
  const had = before === null ? null : new Set(lex(before).flatMap(({ text, isComment }) => (isComment ? [text] : [])));
  const [old, now] = [before === null ? null : parse(before, null), after === null ? null : parse(after, had)];
  const show = (side: Hidden | null, others: ReadonlyMap<string, string> | null) =>
    side === null
      ? null
      : side.text((name, value) =>
          others === null || !others.has(name) || others.get(name) === value ? "***" : "*** (changed)",
        );
  return { before: show(old, null), after: show(now, old?.values ?? null) };
}

/** @param had  the comments of the text before */
function parse(written: string, had: ReadonlySet<string> | null): Hidden | null {
  // A comment may hold what was once a value, or a whole block of them.
  const text = lex(written)
    .map((part) => (part.isComment ? (had?.has(part.text) === false ? "# … (changed)" : "# …") : part.text))
    .join("");
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents)) return null;
  const env = pairOf(document.contents.items, "env");
  const notify = pairOf(document.contents.items, "notify")?.value;
  const addresses = ["webhook", "ping"].flatMap((key) => (isMap(notify) ? (pairOf(notify.items, key) ?? []) : []));
  if (env === undefined && notify === undefined) return { values: new Map(), text: () => text };
  const found = [
    ...(env === undefined ? [] : [hideEnv(env, text)]),
    ...addresses.map((pair) => hideAddresses(pair, text)),
  ];
  const parts = found.filter((part) => part !== null);
  // Whatever has another shape may hold an address or a value anywhere.
  if (parts.length < found.length || (notify !== undefined && !isMap(notify)) || hasAlias(document)) return null;
  parts.sort((a, b) => b.from - a.from);
  return {
    values: new Map(parts.flatMap(({ values }) => [...values])),
    text: (show) =>
      parts.reduce((all, { from, to, written }) => all.slice(0, from) + written(show) + all.slice(to), text),
  };
}

/** A text in the pieces that YAML takes it for. */
function lex(text: string): { text: string; isComment: boolean }[] {
  const marks: string[] = [CST.DOCUMENT, CST.FLOW_END, CST.SCALAR]; // stand for no letter
  const lexemes = [...new Lexer().lex(text)];
  return lexemes.flatMap((lexeme, i) =>
    marks.includes(lexeme)
      ? []
      : [{ text: lexeme, isComment: lexeme.startsWith("#") && lexemes[i - 1] !== CST.SCALAR }],
  );
}

/** All between a key and the end of its value, written anew. */
interface Part {
  from: number;
  to: number;
  values: ReadonlyMap<string, string>;
  written: (show: (name: string, value: string) => string) => string;
}

function hideEnv({ key, value }: Pair, text: string): Part | null {
  if (!isScalar(key) || !key.range || !isMap(value) || !value.range) return null;
  const names = value.items.map((item) => (isScalar(item.key) ? String(item.key.value) : "?"));
  const values = new Map(
    value.items.map((item, i) => [
      `env ${names[i]}`,
      isScalar(item.value) ? String(item.value.value) : JSON.stringify(item.value),
    ]),
  );
  const to = endOf(value.range, text);
  const end = text[to] === "\n" ? "" : "\n";
  const written: Part["written"] = (show) =>
    `:${names.map((name) => `\n  ${name}: ${show(`env ${name}`, values.get(`env ${name}`) ?? "")}`).join("")}${end}`;
  return { from: key.range[1], to, values, written };
}

function hideAddresses({ key, value }: Pair, text: string): Part | null {
  if (!isScalar(key) || !key.range || !isSeq(value) || !value.range || !value.items.every((item) => isScalar(item)))
    return null;
  const addresses = value.items.map((item) => String(isScalar(item) ? item.value : ""));
  const values = new Map(addresses.map((address, i) => [`${String(key.value)} ${i}`, address]));
  const written: Part["written"] = (show) => {
    const shown = addresses.map((address, i) => {
      const visible = shownAddress(address);
      return visible === address ? address : `${visible.slice(0, -3)}${show(`${String(key.value)} ${i}`, address)}`;
    });
    return `: [${shown.join(", ")}]`;
  };
  return { from: key.range[1], to: endOf(value.range, text), values, written };
}

/** With the comments behind it, without the line break that ends it. */
function endOf([, , end]: readonly [number, number, number], text: string): number {
  return text.slice(0, end).trimEnd().length;
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
/** Returns the address of a webhook or a heartbeat as anybody may see it: what follows the host may hold a secret. */
export function shownAddress(url: string): string {
  const origin = URL.canParse(url) ? new URL(url).origin : "";
  return url === origin || url === `${origin}/` ? url : `${origin}/***`;
}
