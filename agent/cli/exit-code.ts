// The exit code by which a command passes on how a script ended.

/** By their numbers, from 1, on Linux. */
const signals = (
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU " +
  "URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split(" ");

/** 128 and the signal's number, as shells do; 1 where there was none. One without a name goes by `signal 34`. */
export function signalExitCode(signal: string | null): number {
  if (signal === null) return 1;
  const number = /^signal (\d+)$/.exec(signal)?.[1] ?? signals.indexOf(signal.replace(/^SIG/, "")) + 1;
  return 128 + Number(number);
}
