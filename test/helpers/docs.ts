// The pages of the documentation as data: their text, code, links and anchors.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

export interface Page {
  /** Path below the repository. */
  path: string;
  text: string;
  anchors: ReadonlySet<string>;
  /** Targets of links and pictures outside of code. */
  links: readonly string[];
}

/** Every page that people are led to: those at the top of the repository, of docs/ and of examples/. */
export function readPages(): Page[] {
  const top = readdirSync(root).filter((name) => name.endsWith(".md"));
  const below = ["docs", "examples", "deploy"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(folder, name)),
  );
  return [...top, ...below].sort().map((path) => page(path, readFileSync(join(root, path), "utf8")));
}

export function page(path: string, text: string): Page {
  const prose = text
    .replace(/^( *)(```|~~~)[\s\S]*?^\1\2\s*$/gm, "")
    .replace(/`[^`\n]*`/g, (code) => `\`${"x".repeat(code.length - 2)}\``);
  return {
    path,
    text,
    anchors: anchorsOf(text),
    links: [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? ""),
  };
}

/** Anchors as GitHub makes them of headings; a second heading of the same words gets `-1`. */
function anchorsOf(text: string): Set<string> {
  const found = new Set<string>();
  const bare = text.replace(/^( *)(```|~~~)[\s\S]*?^\1\2\s*$/gm, "");
  for (const [, heading] of bare.matchAll(/^#{1,6} +(.+?)\s*$/gm)) {
    const slug = (heading ?? "")
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    let name = slug;
    for (let i = 1; found.has(name); i++) name = `${slug}-${i}`;
    found.add(name);
  }
  return found;
}

/** Says which links of these pages lead nowhere. `exists` is asked for a path below the repository. */
export function brokenLinks(pages: readonly Page[], exists: (path: string) => boolean): string[] {
  const byPath = new Map(pages.map((one) => [one.path, one]));
  return pages.flatMap(({ path, links }) =>
    links
      .filter((link) => !/^(https?|mailto):/.test(link))
      .filter((link) => {
        const [file = "", anchor] = link.split("#");
        const target = file === "" ? path : relative(root, join(root, dirname(path), file));
        if (target.startsWith("..") || !exists(target)) return true;
        return anchor !== undefined && byPath.get(target)?.anchors.has(anchor) !== true;
      })
      .map((link) => `${path}: ${link}`),
  );
}

/** All code of a page, blocks and spans, in which names of options, keys and paths are looked for. */
function codeOf(text: string): string {
  const blocks = [...text.matchAll(/^( *)(```|~~~)[^\n]*\n([\s\S]*?)^\1\2\s*$/gm)].map(([, , , code]) => code ?? "");
  const spans = [...text.replace(/^( *)(```|~~~)[\s\S]*?^\1\2\s*$/gm, "").matchAll(/`([^`]+)`/g)].map(
    ([, code]) => code ?? "",
  );
  return [...blocks, ...spans].join("\n");
}

/**
 * Returns what code of these pages types after the program's name, a line each: up to a comment, a pipe or a command.
 * After `-n` the name is kubectl's namespace.
 */
export function commandsOf(text: string): string[] {
  const lines = codeOf(text)
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n");
  return lines.flatMap((line) =>
    [
      ...line.matchAll(
        /(?<! -n)(?:^|[\s(])(?:batch-agent|node dist\/main\.js) (?!batch-agent|[\w-]+\/)((?:[a-z]|--)[^#|;&)>"']*)/g,
      ),
    ].map(([, typed]) => (typed ?? "").trim()),
  );
}

/** Bodies of a page's code blocks of a language. */
export function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```\s*$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , code]) => code ?? "");
}

/** Returns those of `names` that no code of these pages holds as a whole word. */
export function undocumented(names: readonly string[], text: string): string[] {
  const code = codeOf(text);
  return names.filter(
    (name) => !new RegExp(`(?<![\\w-])${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w-])`).test(code),
  );
}
