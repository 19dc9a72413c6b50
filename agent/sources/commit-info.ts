// Describes what git knows of the commits of the repository that is followed: asked for by id, at hand from then on.
// Never throws: a commit that git does not know any more is null.
import { trimEndOf } from "../text/trim.ts";
import { execFile } from "node:child_process";
import type { CommitInfo, Commits } from "./port.ts";

const maxAtHand = 1_000;
const askMs = 10_000;
const maxAnswerBytes = 64 * 1024;
const maxSubjectChars = 300;

/** Knows nothing: no repository is followed. */
export const noCommits: Commits = { known: () => null, info: () => Promise.resolve(null) };

/** `repo`: the bare repository; `url`: of its remote, without credentials; `path`: where git is looked for. */
export function createCommits(repo: string, url: string, path: string | undefined): Commits {
  const atHand = new Map<string, CommitInfo | null>();
  /** One question after the other: a page names hundreds of commits. */
  let asking: Promise<unknown> = Promise.resolve();

  async function ask(commit: string): Promise<CommitInfo | null> {
    const known = atHand.get(commit);
    if (known !== undefined) return known;
    const text = await logOf(repo, commit, path);
    const [subject, author, seconds] = text?.trimEnd().split("\0") ?? [];
    const at = new Date(Number(seconds) * 1000);
    const info =
      subject === undefined || author === undefined || Number.isNaN(at.getTime())
        ? null
        : {
            subject: subject.slice(0, maxSubjectChars),
            author: author.slice(0, maxSubjectChars),
            at: at.toISOString(),
            url: commitUrl(url, commit),
          };
    for (const oldest of atHand.keys()) {
      if (atHand.size < maxAtHand) break;
      atHand.delete(oldest);
    }
    atHand.set(commit, info);
    return info;
  }

  return {
    known: (commit) => (commit === null ? null : atHand.get(commit)),
    info(commit) {
      if (commit === null || !/^[0-9a-f]{40}$/.test(commit)) return Promise.resolve(null);
      const asked = asking.then(() => ask(commit));
      asking = asked;
      return asked;
    },
  };
}

function logOf(repo: string, commit: string, path: string | undefined): Promise<string | null> {
  const options = ["-c", `safe.directory=${repo}`, "-c", "log.showSignature=false", "-c", "core.fsmonitor=false"];
  const show = ["log", "-1", "--no-decorate", "--no-color", "--no-mailmap", "--encoding=UTF-8"];
  return new Promise((done) => {
    execFile(
      "git",
      [...options, `--git-dir=${repo}`, ...show, "--format=%s%x00%an%x00%at", commit],
      { timeout: askMs, maxBuffer: maxAnswerBytes, env: { PATH: path, LC_ALL: "C" } },
      (error, stdout) => done(error === null ? stdout : null),
    );
  });
}

/** Returns the page of a commit; null where the remote's host is none whose pages are known. */
export function commitUrl(remote: string, commit: string): string | null {
  const scp = /^(?:[^@/:]+@)?([^/:]+):(?!\/\/)(.+)$/.exec(remote);
  const web = /^https?:/.test(remote);
  if (scp === null && !URL.canParse(remote)) return null;
  const parsed = scp === null ? new URL(remote) : new URL(`ssh://${scp[1]}/${(scp[2] ?? "").replace(/^\/+/, "")}`);
  if (!web && parsed.protocol !== "ssh:" && parsed.protocol !== "git:") return null;
  const origin = web ? parsed.origin : `https://${parsed.hostname}`; // SSH has a port of its own
  const path = trimEndOf(parsed.pathname, "/").replace(/\.git$/, "");
  if (path.split("/").length < 3) return null;
  const labels = parsed.hostname.toLowerCase().split(".");
  const is = (name: string) => labels.some((label) => label === name || label.startsWith(`${name}-`));
  if (is("gitlab")) return `${origin}${path}/-/commit/${commit}`;
  if (is("github") || is("gitea") || is("forgejo") || is("codeberg")) return `${origin}${path}/commit/${commit}`;
  if (parsed.hostname === "bitbucket.org") return `${origin}${path}/commits/${commit}`;
  if (!is("bitbucket")) return null;
  const [project, repository] = path.split("/").slice(-2); // a server of one's own
  return `${origin}/projects/${project}/repos/${repository}/commits/${commit}`;
}
