// Runs the system's git with settings under which nothing of a repository is run, and credentials go to its host alone.
import { spawn, type ChildProcess } from "node:child_process";
import { StringDecoder } from "node:string_decoder";
import { shownGitMessage } from "./git-remote.ts";

/** Maximum number of characters that are kept of what git prints. */
const keptChars = 64 * 1024;

/** Nothing of the repository is run, no helper program is a transport, and large files stay the pointers they are. */
const safety = [
  ...[
    "protocol.ext.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "submodule.recurse=false",
    "credential.interactive=false",
  ],
  ...["filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false"],
  // Few objects would be unpacked one by one, whole in memory and where nobody counts them.
  "fetch.unpackLimit=1",
  ...["gc.autoDetach=false", "gc.pruneExpire=now", "http.lowSpeedLimit=1000", "http.lowSpeedTime=60"],
];

export interface GitHooks {
  /** Gets the output as it comes, which is then not kept; returns why git must end, or null. */
  onOutput?: (text: string) => string | null;
  /** Called once git runs, with what ends it; returns what is called when it has ended. */
  onStart?: (stop: (why: string) => void) => () => void;
}

export interface GitOutcome {
  code: number;
  output: string;
  /** What git said, without credentials, or why it was ended. */
  message: string;
}

export interface GitCredentials {
  url: string;
  user: string | null;
  password: string | null;
}

export class Git {
  /** Environment that git gets. */
  readonly env: Readonly<Record<string, string>>;
  readonly #cwd: string;
  readonly #repo: string;
  readonly #credentials: GitCredentials;
  readonly #running = new Set<ChildProcess>();

  /**
   * @param cwd  folder that git runs in
   * @param repo the repository that it may believe whoever owns it
   */
  constructor(cwd: string, repo: string, env: Readonly<Record<string, string | undefined>>, of: GitCredentials) {
    this.#cwd = cwd;
    this.#repo = repo;
    this.#credentials = of;
    this.env = environment(env, of);
  }

  /** Runs git without a terminal it could ask at; its group is killed when it takes longer than `limitMs`. */
  run(
    args: readonly string[],
    limitMs: number,
    more: Readonly<Record<string, string>> = {},
    hooks: GitHooks = {},
  ): Promise<GitOutcome> {
    const options = [...safety, `safe.directory=${this.#repo}`].flatMap((option) => ["-c", option]);
    const { user, password } = this.#credentials;
    return new Promise((done, fail) => {
      const child = spawn("git", [...options, ...args], {
        cwd: this.#cwd,
        env: { ...this.env, ...more },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      });
      this.#running.add(child);
      let output = "";
      let said = "";
      let stopped: string | null = null;
      const stop = (why: string) => {
        stopped ??= why;
        kill(child);
      };
      const timer = setTimeout(() => stop(`git did not end within ${limitMs / 1000} s`), limitMs);
      const onEnd = hooks.onStart?.(stop);
      const release = () => {
        this.#running.delete(child);
        clearTimeout(timer);
        onEnd?.();
      };
      const decoder = new StringDecoder("utf8");
      const keep = (text: string) => {
        output = (output + text).slice(0, keptChars);
        return null;
      };
      child.stdout.on("data", (chunk: Buffer) => {
        const why = stopped ?? (hooks.onOutput ?? keep)(decoder.write(chunk));
        if (why !== null) stop(why);
      });
      child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-keptChars)));
      child.on("error", (error) => {
        release();
        fail("code" in error && error.code === "ENOENT" ? new Error("git is not on the agent's PATH") : error);
      });
      child.on("close", (code) => {
        release();
        const message = stopped ?? shownGitMessage(said, [user, password]);
        done({ code: stopped === null ? (code ?? 1) : 1, output, message: message || "git was ended" });
      });
    });
  }

  /** Returns what git prints; rejects with its message where it fails. */
  async must(
    args: readonly string[],
    limitMs: number,
    more: Readonly<Record<string, string>> = {},
    hooks: GitHooks = {},
  ): Promise<string> {
    const { code, output, message } = await this.run(args, limitMs, more, hooks);
    if (code !== 0) throw new Error(message);
    return output.trim();
  }

  /** Ends what git is doing. */
  close(): void {
    this.#running.forEach(kill);
  }
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/**
 * The user's own, so that helpers, SSH and proxies work. Credentials of the URL go in by a helper, seen in no list of
 * processes; it is asked for that host alone, so that a redirect leads them nowhere else.
 */
function environment(
  env: Readonly<Record<string, string | undefined>>,
  { url, user, password }: GitCredentials,
): Record<string, string> {
  const ofGit = "DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|NAMESPACE|TRACE.*|CURL_VERBOSE";
  const unwanted = new RegExp(`^(BATCH_AGENT_.*|GIT_(${ofGit})|SSH_ASKPASS)$`);
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || unwanted.test(name) ? [] : [[name, value] as const],
  );
  const result: Record<string, string> = {
    ...Object.fromEntries(kept),
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    LC_ALL: "C",
  };
  const helper =
    `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$FOLLOWED_USER" ` + '"$FOLLOWED_PASSWORD"; }; f';
  const scope = user !== null || password !== null ? `credential.${new URL(url).origin}` : "";
  const settings =
    password !== null
      ? [
          [`${scope}.helper`, ""],
          [`${scope}.helper`, helper],
        ]
      : user !== null
        ? [[`${scope}.username`, user]]
        : [];
  let count = Number(result["GIT_CONFIG_COUNT"] ?? 0);
  for (const [key = "", value = ""] of settings) {
    result[`GIT_CONFIG_KEY_${count}`] = key;
    result[`GIT_CONFIG_VALUE_${count}`] = value;
    count += 1;
  }
  if (count > 0) result["GIT_CONFIG_COUNT"] = String(count);
  if (password !== null) Object.assign(result, { FOLLOWED_USER: user ?? "", FOLLOWED_PASSWORD: password });
  return result;
}
