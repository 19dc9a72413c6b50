// The five errors that are thrown. What is expected (a bad batch, a failed script, a refused start) is a value instead.

/** Describes what the agent is set to cannot be had (a folder, a port, a lock); the command ends with exit code 1. */
export class ConfigError extends Error {
  override name: string = "ConfigError";
  readonly hint: string | null;
  constructor(message: string, hint: string | null = null) {
    super(message);
    this.hint = hint;
  }
}

/** A flag or a variable says nothing that could be meant; the command ends with exit code 2. */
export class UsageError extends ConfigError {
  override name = "UsageError";
}

/** A file operation of the agent's own data failed: which one, on which path, and what to do about it. */
export class StoreError extends Error {
  override name = "StoreError";
  readonly op: string;
  readonly path: string;
  readonly hint: string | null;
  constructor(op: string, path: string, cause: unknown, hint: string | null = null) {
    super(`cannot ${op} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.op = op;
    this.path = path;
    this.hint = hint;
  }
}

/** The program contradicts itself: a bug, never a user's mistake. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** A running agent could not be asked over HTTP: nobody answers (`status` null), or it refuses. */
export class AgentError extends Error {
  override name = "AgentError";
  readonly status: number | null;
  readonly hint: string | null;
  constructor(message: string, options: { status?: number; hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status ?? null;
    this.hint = options.hint ?? null;
  }
}

/** Returns the message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
