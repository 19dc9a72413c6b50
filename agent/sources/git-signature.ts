// Keys that may sign commits, as git needs them to verify a signature: the user's own keyring and settings do not
// count.
import { spawn } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { readBounded, removeTree, writeFresh } from "../platform/files.ts";

const maxFileBytes = 1024 * 1024;
const importMs = 30_000;

/** Options and environment for `git verify-commit`. */
export interface SigningKeys {
  options: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** Splits an allowed-signers file: lines of SSH keys, and armoured OpenPGP public keys between them. */
export function splitAllowedSigners(text: string): { ssh: string; gpg: string } {
  const block = /^-----BEGIN PGP PUBLIC KEY BLOCK-----$[\s\S]*?^-----END PGP PUBLIC KEY BLOCK-----$/gm;
  const unix = text.replaceAll("\r\n", "\n");
  return { ssh: unix.replace(block, ""), gpg: (unix.match(block) ?? []).join("\n") };
}

/** Returns whether a commit object, as `git cat-file` prints it, bears a signature. */
export function isSigned(commitObject: string): boolean {
  const [header = ""] = commitObject.split("\n\n", 1);
  return /^gpgsig(-sha256)? /m.test(header);
}

/**
 * Writes the keys of `file` into the folder `home`, in place of those before. Throws where they cannot be read or
 * used.
 */
export async function prepareKeys(
  file: string,
  home: string,
  env: Readonly<Record<string, string>>,
): Promise<SigningKeys> {
  const { ssh, gpg } = splitAllowedSigners(await readSigners(file));
  const [signers, keyring] = [join(home, "allowed-signers"), join(home, "gnupg")];
  await removeTree(home);
  await mkdir(keyring, { recursive: true, mode: 0o700 });
  await chmod(keyring, 0o700); // gpg refuses one that others may read
  await writeFresh(signers, ssh);
  // Every key in this keyring is trusted, none is fetched, and no daemon is left behind.
  await writeFresh(join(keyring, "gpg.conf"), "trust-model always\nno-autostart\nno-auto-key-retrieve\n");
  if (gpg !== "") await importKeys(gpg, { ...env, GNUPGHOME: keyring });
  const settings = {
    "gpg.program": "gpg",
    "gpg.openpgp.program": "gpg",
    "gpg.ssh.program": "ssh-keygen",
    "gpg.x509.program": "false",
    "gpg.ssh.allowedSignersFile": signers,
    "gpg.minTrustLevel": "undefined",
  };
  return {
    options: Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    env: { GNUPGHOME: keyring },
  };
}

/** Reads an allowed-signers file. Throws where there is none that can be read, or nothing in it. */
export async function readSigners(file: string): Promise<string> {
  const { bytes } = await readBounded(file, maxFileBytes).catch((error: unknown) => {
    throw new Error(`the keys of --git-verify cannot be read: ${messageOf(error)}`);
  });
  if (bytes.length > maxFileBytes) throw new Error(`${file} is larger than ${maxFileBytes} bytes`);
  const text = Buffer.from(bytes).toString("utf8");
  if (text.split("\n").every((line) => /^[ \t\r]*(?:#|$)/.test(line))) throw new Error(`${file} holds no keys`);
  return text;
}

function importKeys(armoured: string, env: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((done, fail) => {
    const gpg = spawn("gpg", ["--batch", "--quiet", "--import"], {
      env,
      stdio: ["pipe", "ignore", "pipe"],
      timeout: importMs,
      killSignal: "SIGKILL",
    });
    let said = "";
    gpg.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-1_000)));
    gpg.on("error", (error) =>
      fail("code" in error && error.code === "ENOENT" ? new Error("gpg is not on the agent's PATH") : error),
    );
    gpg.on("close", (code) => (code === 0 ? done() : fail(new Error(`gpg cannot import its keys: ${said.trim()}`))));
    gpg.stdin.on("error", () => undefined); // it has ended by itself, and says why
    gpg.stdin.end(`${armoured}\n`);
  });
}
