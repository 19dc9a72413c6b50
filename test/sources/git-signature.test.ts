// Commits signed with real keys by ssh-keygen and gpg, taken over or not.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ConfigError } from "../../agent/errors.ts";
import { createFollower } from "../../agent/sources/git-follower.ts";
import { isSigned, splitAllowedSigners } from "../../agent/sources/git-signature.ts";
import { openRemote } from "../../agent/sources/git.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { repository } from "../helpers/git.ts";
import { t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";
import { isMissing } from "../helpers/tools.ts";

const keyrings: string[] = [];
afterEach(() => {
  for (const home of keyrings.splice(0))
    execFileSync("gpgconf", ["--kill", "all"], { env: { ...process.env, GNUPGHOME: home } });
});

function sshKey(home: string, name: string) {
  const path = join(home, name);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]);
  const [type = "", key = ""] = readFileSync(`${path}.pub`, "utf8").split(" ");
  return {
    line: `${name}@example.org ${type} ${key}\n`,
    options: ["-c", "gpg.format=ssh", "-c", `user.signingkey=${path}`],
  };
}

/** A key that gpg signs with; `env` leads git to it. */
function gpgKey(home: string, name: string) {
  const keyring = join(home, `.${name}`);
  mkdirSync(keyring, { mode: 0o700 });
  keyrings.push(keyring);
  const env = { ...process.env, GNUPGHOME: keyring };
  const gpg = (...args: string[]) =>
    execFileSync("gpg", ["--batch", "--quiet", "--passphrase", "", ...args], { env, stdio: "pipe", encoding: "utf8" });
  gpg("--quick-gen-key", `${name} <${name}@example.org>`, "ed25519", "sign", "never");
  return { armoured: gpg("--export", "--armor"), id: `${name}@example.org`, env };
}

function setUp(home = temporaryFolder()) {
  const repo = repository(join(home, "repo"));
  const file = join(home, "signers");
  const data = join(home, "data");
  const signed = (options: string[], files: Record<string, string> = {}, env: NodeJS.ProcessEnv = process.env) => {
    repo.write(files);
    repo.git("add", "-A");
    const who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    const args = ["-C", repo.path, ...who, ...options, "commit", "-q", "--allow-empty", "-S", "-m", "signed"];
    execFileSync("git", args, { env: { ...env, GIT_CONFIG_GLOBAL: "/dev/null" }, stdio: "pipe" });
    return repo.git("rev-parse", "HEAD");
  };
  const open = (verify: string | null = file, env: NodeJS.ProcessEnv = process.env) =>
    openRemote(
      data,
      { url: repo.path, ref: "main", path: "", limits: { bytes: 2 ** 20, entries: 100 }, verify },
      { ...env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
    );
  return { home, repo, file, data, signed, open };
}

describe.skipIf(isMissing("ssh-keygen") || isMissing("gpg"))("--git-verify", () => {
  test("takes what a key of the file signed with SSH, and nothing else", async () => {
    const { home, repo, file, signed, open } = setUp();
    const [alice, mallory] = [sshKey(home, "alice"), sshKey(home, "mallory")];
    writeFileSync(file, `# who may\n${alice.line}`);
    const good = signed(alice.options, { "a/script.sh": "true\n" });
    const remote = await open();
    expect(await remote.checkout(await remote.ask())).toEqual({ commit: good, refused: null });

    repo.commit({ "a/script.sh": "unsigned\n" });
    expect(await remote.checkout(await remote.ask())).toMatchObject({
      unverified: true,
      refused: expect.stringContaining("it is not signed") as string,
    });
    const other = signed(mallory.options, { "a/script.sh": "mallory\n" });
    expect(await remote.checkout(await remote.ask())).toMatchObject({
      commit: other,
      unverified: true,
      refused: expect.stringContaining("none of the keys") as string,
    });
    expect(remote.commit()).toBe(good);

    // A commit whose content was changed after it was signed.
    const forged = repo.git("cat-file", "commit", signed(alice.options)).replace(/\nsigned$/, "\nforged");
    const id = execFileSync("git", ["-C", repo.path, "hash-object", "-t", "commit", "-w", "--stdin"], {
      input: forged,
      encoding: "utf8",
    }).trim();
    repo.git("update-ref", "refs/heads/main", id);
    expect(await remote.checkout(await remote.ask())).toMatchObject({ commit: id, unverified: true });
    expect(remote.commit()).toBe(good);

    // Its key comes into the file: the same commit is taken.
    repo.git("update-ref", "refs/heads/main", other);
    writeFileSync(file, alice.line + mallory.line);
    expect(await remote.checkout(await remote.ask())).toEqual({ commit: other, refused: null });
    rmSync(file);
    signed(alice.options);
    expect((await remote.checkout(await remote.ask())).refused).toContain("cannot be read");
    expect(remote.commit()).toBe(other);
  });

  test("takes what an OpenPGP key of the file signed; the user's own keyring does not count", async () => {
    const { home, file, signed, open } = setUp();
    const [bob, eve, ssh] = [gpgKey(home, "bob"), gpgKey(home, "eve"), sshKey(home, "alice")];
    writeFileSync(file, ssh.line + bob.armoured);
    const good = signed(["-c", `user.signingkey=${bob.id}`], { "a/script.sh": "true\n" }, bob.env);
    const remote = await open(file, eve.env);
    expect(await remote.checkout(await remote.ask())).toEqual({ commit: good, refused: null });
    signed(["-c", `user.signingkey=${eve.id}`], {}, eve.env);
    expect(await remote.checkout(await remote.ask())).toMatchObject({ unverified: true });
    expect(remote.commit()).toBe(good);
    const again = signed(ssh.options);
    expect(await remote.checkout(await remote.ask())).toEqual({ commit: again, refused: null });
  }, 30_000);

  test("begins anew where an agent without it had put a commit in force", async () => {
    const { home, repo, file, open } = setUp();
    writeFileSync(file, sshKey(home, "alice").line);
    repo.commit({ "a/script.sh": "true\n" });
    const before = await open(null);
    await before.checkout(await before.ask());
    expect(before.commit()).not.toBe(null);
    expect((await open()).commit()).toBe(null);
  });

  test("refuses to start without a file that holds keys", async () => {
    const { file, open } = setUp();
    await expect(open()).rejects.toThrow(ConfigError);
    writeFileSync(file, "# nobody\n\n");
    await expect(open()).rejects.toThrow(/holds no keys/);
  });

  test("is said by the follower, which tries the same commit again once the keys have changed", async () => {
    const { home, repo, file, signed, open } = setUp();
    const [alice, late] = [sshKey(home, "alice"), sshKey(home, "late")];
    writeFileSync(file, alice.line);
    const good = signed(alice.options, { "a/script.sh": "true\n" });
    const remote = await open();
    const follower = createFollower({
      clock: fakeClock(t0),
      log: quietLog(),
      remote,
      url: remote.url,
      ref: "main",
      intervalMs: 60_000,
      random: () => 0.5,
      onSwitched: () => Promise.resolve(),
    });
    follower.start();
    await eventually(() => follower.health().commit === good);
    expect(follower.health()).toMatchObject({ error: null, unverified: false });
    const next = signed(late.options);
    await follower.pollNow();
    expect(follower.health()).toMatchObject({ commit: good, unverified: true });
    writeFileSync(file, alice.line + late.line);
    await follower.pollNow();
    expect(follower.health()).toMatchObject({ commit: next, unverified: false, error: null });
    repo.commit();
    await follower.pollNow();
    expect(follower.health().unverified).toBe(true);
    repo.git("update-ref", "refs/heads/main", next); // what is in force needs no look
    await follower.pollNow();
    expect(follower.health()).toMatchObject({ commit: next, unverified: false, error: null });
    await follower.stop();
  });
});

test("an allowed-signers file may hold OpenPGP keys between its lines", () => {
  const block = (text: string) => `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${text}\n-----END PGP PUBLIC KEY BLOCK-----`;
  const parts = splitAllowedSigners(`a ssh-ed25519 AAAA\r\n${block("one")}\nb ssh-rsa BBBB\n${block("two")}\n`);
  expect(parts.ssh.split("\n").filter(Boolean)).toEqual(["a ssh-ed25519 AAAA", "b ssh-rsa BBBB"]);
  expect(parts.gpg).toBe(`${block("one")}\n${block("two")}`);
});

test("a signature counts in a commit's header only", () => {
  expect(isSigned("tree a\ngpgsig -----BEGIN SSH SIGNATURE-----\n x\n\ntext")).toBe(true);
  expect(isSigned("tree a\n\ngpgsig in the text")).toBe(false);
});
