// Limits of a YAML text, counted by its tokens before anything is made of them: the parser takes seconds for what has
// very many aliases, tags, errors or brackets, and holds up everything else meanwhile. Pure.
import { Lexer } from "yaml";
import type { Fault } from "./text-file.ts";

/** A batch.yaml at the limits of its schema has well below this many values. */
export const maxValues = 5_000;
export const maxAliases = 100;
export const tooDeep = "lists or keys are nested too deeply to be read";

/** A value takes four at most: a dash or comma, its key, a colon, itself. */
const maxTokens = 4 * maxValues;
const maxBrackets = 100;
/** Each is a mistake; so many are not told one by one. */
const maxTags = 100;
const maxLines = 20_000;

/** Returns the first limit that a text is beyond, and at which offset; null where it is within all of them. */
export function findExcess(text: string): (Omit<Fault, "path" | "place"> & { offset: number }) | null {
  let offset = 0;
  let tokens = 0;
  let lines = 0;
  let aliases = 0;
  let brackets = 0;
  const tags: number[] = [];
  for (const token of new Lexer().lex(text)) {
    const [first] = token;
    // Marks of the lexer's own stand for no text: where a document or a scalar begins, and what is wrong in a flow.
    if (token === "\u0002" || token === "\u001f" || token === "\u0018") continue;
    const at = offset;
    offset += token.length;
    if (first === "\n" || first === "\r") lines += 1;
    if (lines > maxLines) return tooMany(`has more than ${maxLines} lines`, at);
    if (first === "#" || token.trim() === "") continue;
    if (++tokens > maxTokens) return tooMany(`holds more than ${maxValues} values`, at);
    if (token === "[" || token === "{") brackets += 1;
    if (token === "]" || token === "}") brackets = Math.max(0, brackets - 1);
    if (brackets > maxBrackets) return { code: "yaml-syntax", message: tooDeep, hint: "take a level out", offset: at };
    if (first === "!" && tags.push(at) > maxTags) return tooManyTags(tags[0] ?? at);
    if (first === "*" && ++aliases > maxAliases) return tooManyAliases(token, at);
  }
  return null;
}

function tooMany(message: string, offset: number) {
  return { code: "too-large", message, hint: "keep data in a file of its own", offset } as const;
}

function tooManyAliases(alias: string, offset: number) {
  const message = `aliases such as ${alias.slice(0, 100)} are followed more than ${maxAliases} times`;
  return { code: "yaml-alias", message, hint: "write the values out", offset } as const;
}

function tooManyTags(offset: number) {
  const message = `more than ${maxTags} values begin with !, the first of them here`;
  return { code: "yaml-syntax", message, hint: "quote those that are meant as text", offset } as const;
}
