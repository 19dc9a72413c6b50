// The exit code by which a command passes on how a script ended.

const signalNumbers: Record<string, number> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15 };

/** 128 and the signal's number, as shells do; 1 where there was none. */
export function signalExitCode(signal: string | null): number {
  return signal === null ? 1 : 128 + (signalNumbers[signal] ?? 0);
}
