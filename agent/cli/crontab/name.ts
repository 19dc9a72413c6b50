// A name for a batch, from the command of a crontab line. Pure.
import { trimEndOf, trimOf } from "../../text/trim.ts";

/** Programs that only start another one, and how many words of their own follow. */
const wrappers = /^(sudo|nice|ionice|nohup|env|exec|time|command|chronic|setsid|stdbuf|caffeinate|cronic)$/;
const withArgument = /^(timeout|flock|chpst|su|runuser|run-one)$/;
const interpreters = /^(bash|sh|dash|zsh|ksh|python[\d.]*|perl|php[\d.]*|ruby|node|java|Rscript|uv|poetry|npx)$/;
const idle = /^(cd|test|\[|\[\[|true|:|export|set|\.|source|umask|for|case|fi|done|esac|sleep|mkdir|command)$/;
/** What only stands before a command. */
const keywords = /^(if|then|else|elif|while|until|do|!)$/;
const maxLength = 40;

/**
 * `nightly-backup` for `cd /srv && nice -n 10 /opt/nightly_backup.sh --all`; then the comment's words; at last
 * `job-12`. Not yet unique.
 */
export function nameOf(command: string, comment: string | null, line: number): string {
  const found = command.split(/&&|\|\||[;|\n]/).flatMap((part) => wordOf(part) ?? [])[0];
  return slug(found ?? "") || slug(comment ?? "") || `job-${line}`;
}

function wordOf(part: string): string | null {
  const words = part.trim().split(/\s+/);
  let run = false;
  for (let i = 0; i < words.length; i++) {
    const word = trimOf(words[i] ?? "", `()"'{}`);
    const base = trimEndOf(word, "/").replace(/^.*\//, "");
    if (word === "" || /^[A-Za-z_]\w*=/.test(word) || /^[-<>&+]/.test(word) || /^[\d.]+[smhd]?$/.test(word)) continue;
    if (wrappers.test(base) || keywords.test(word)) continue;
    if (withArgument.test(base)) {
      // Its own first argument that is no option is not what runs.
      while (/^-/.test(words[i + 1] ?? "")) i += 1;
      i += 1;
      continue;
    }
    if (idle.test(base)) return null;
    if (interpreters.test(base)) {
      run = true;
      continue;
    }
    return base;
  }
  return run ? (words[0]?.replace(/^.*\//, "") ?? null) : null;
}

function slug(text: string): string {
  const plain = text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\.(sh|bash|py|pl|rb|php|js|jar|r)$/, "")
    .replace(/\p{M}/gu, "");
  return trimOf(plain.replace(/[^a-z0-9]+/g, "-").slice(0, maxLength), "-");
}

/** `name`, or `name-2` and so on, whichever is not taken yet; takes it. `taken` holds how far each was counted. */
export function unique(name: string, taken: Map<string, number>): string {
  let candidate = name;
  let count = taken.get(name) ?? 1;
  for (; taken.has(candidate); count++) candidate = `${name}-${count + 1}`;
  taken.set(name, count);
  if (candidate !== name) taken.set(candidate, 1);
  return candidate;
}
