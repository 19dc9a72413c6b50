// Shells beside scripts that serve one after another: to start a shell for each script costs as much as the script's
// own bash. A shell reads an order as commands on its stdin and says on its stdout `s` once the script is started and
// `d <code>` once it has ended. It is a process of ours, not the script's: it leads a session of its own, and nothing
// of an order is left in it but its end.
import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { createLineReader } from "./protocol.ts";
import { reusableWrapper, wrapperVariable } from "./wrapper.ts";

/** Maximum number of shells, busy ones included: each holds two descriptors. Scripts past that get one of their own. */
const maxShells = 32;
/** Shells that may wait for an order. */
const maxIdle = 16;
/** Orders after which a shell is replaced, whatever it may have gathered. */
const maxOrders = 1_000;

export type ShellOutcome =
  /** Surely nothing was started. */
  { kind: "refused" } | { kind: "ended"; code: number | null; signal: string | null };

interface Shell {
  child: ChildProcessByStdio<Writable, Readable, null>;
  orders: number;
  onStarted: () => void;
  onEnded: ((outcome: ShellOutcome) => void) | null;
  /** True once the script of the current order is started. */
  isStarted: boolean;
}

export interface ShellPool {
  /**
   * Hands over an order; false where no shell is free. Calls `onStarted` once the shell has all that the order names
   * open, whatever comes of it, and `onEnded` once.
   */
  submit: (order: string, onStarted: () => void, onEnded: (outcome: ShellOutcome) => void) => boolean;
  /** Ends the shells that wait, and the others after their scripts. */
  close: () => void;
}

export function createShellPool(sh: string): ShellPool {
  const idle: Shell[] = [];
  let count = 0;
  let closed = false;
  /** Null until the first order: one that is refused then will be again, as where descriptors cannot be opened anew. */
  let works: boolean | null = null;

  function createShell(): Shell | null {
    const child = spawn(sh, ["-s", "batch-agent"], {
      cwd: "/",
      env: { [wrapperVariable]: "" },
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.on("error", () => undefined);
    if (child.pid === undefined) return null;
    const shell: Shell = { child, orders: 0, onStarted: () => undefined, onEnded: null, isStarted: false };
    count += 1;
    child.stdin.on("error", () => undefined); // its exit tells
    child.stdout.setEncoding("latin1").on(
      "data",
      createLineReader((line) => hear(shell, line)),
    );
    // Not `exit`, which may come before the last of what it said.
    child.once("close", (code, signal) => {
      // By itself it ends before it has started the script, or not at all.
      const isRefused = !shell.isStarted && code !== null;
      finish(shell, isRefused ? { kind: "refused" } : { kind: "ended", code: null, signal });
    });
    child.stdin.write(reusableWrapper.begin);
    return shell;
  }

  function hear(shell: Shell, line: string): void {
    if (line === "s") {
      works = true;
      shell.isStarted = true;
      shell.onStarted();
      return;
    }
    const { onEnded } = shell;
    shell.onEnded = null;
    if (closed || idle.length >= maxIdle || shell.orders >= maxOrders) shell.child.stdin.end();
    else idle.push(shell);
    onEnded?.({ kind: "ended", code: Number(line.slice(2)), signal: null });
  }

  /** Forgets a shell that is gone. */
  function finish(shell: Shell, outcome: ShellOutcome): void {
    const { onEnded } = shell;
    const at = idle.indexOf(shell);
    if (at >= 0) idle.splice(at, 1);
    count -= 1;
    shell.onEnded = null;
    if (onEnded === null) return;
    if (outcome.kind === "refused") works ??= false;
    if (!shell.isStarted) shell.onStarted();
    onEnded(outcome);
  }

  return {
    submit(order, onStarted, onEnded) {
      if (works === false) return false;
      const shell = idle.pop() ?? (count < maxShells ? createShell() : null);
      if (shell === null) return false;
      shell.orders += 1;
      Object.assign(shell, { onStarted, onEnded, isStarted: false });
      shell.child.stdin.write(order);
      return true;
    },
    close() {
      closed = true;
      for (const shell of idle.splice(0)) shell.child.stdin.end();
    },
  };
}
