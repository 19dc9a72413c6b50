// The built program as typed, without an agent of its own.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";

export const main = join(import.meta.dirname, "../../dist/main.js");

export interface Typed {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs it in `cwd` to its end; variables of this process that steer it are taken out. */
export function type(
  cwd: string,
  args: readonly string[],
  by: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Typed> {
  return new Promise((done) => {
    const env = {
      ...Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !/^(BATCH_AGENT_|NO_COLOR|FORCE_COLOR)/.test(name)),
      ),
      ...by.env,
    };
    const child = execFile(
      process.execPath,
      [main, ...args],
      { cwd, env, maxBuffer: 64 * 1024 * 1024 },
      (_error, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }),
    );
    child.stdin?.end(by.stdin ?? "");
  });
}

/** The same on a terminal (a real one, by script(1)); all it shows there, with `\n` for line ends. */
export async function typeOnTerminal(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Typed> {
  const line = [process.execPath, main, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    cwd,
    env: { ...process.env, TERM: "xterm", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: stdout.replaceAll("\r\n", "\n"), stderr: "" };
}

/** A port that was free a moment ago, for an agent that comes back on the same one. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}
