// Real git repositories on disk, made by the git there is.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A repository with a work tree at `path`, its branch `main`; nothing of the user's own settings reaches it. */
export function repository(path: string) {
  mkdirSync(path, { recursive: true });
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
  const who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", path, ...who, ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    }).trim();
  git("init", "-q", "-b", "main");
  /** Writes files, by path; null takes one out. */
  function write(files: Readonly<Record<string, string | null>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      if (text === null) rmSync(join(path, name), { recursive: true });
      else writeFileSync(join(path, name), text);
    }
  }
  return {
    path,
    git,
    write,
    /** Commits these files and whatever else has changed; the commit. */
    commit(files: Readonly<Record<string, string | null>> = {}): string {
      write(files);
      git("add", "-A");
      git("commit", "-q", "--allow-empty", "-m", "a change");
      return git("rev-parse", "HEAD");
    },
  };
}
