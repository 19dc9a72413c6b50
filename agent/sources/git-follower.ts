// Follows a repository: asks what its ref names, takes a new commit over, waits, and after failures waits longer.
import { messageOf } from "../errors.ts";
import type { Clock } from "../async/clock.ts";
import { periodic } from "../async/periodic.ts";
import type { Logger } from "../logger.ts";
import { AmbiguousRef, nextPollMs } from "./git-remote.ts";
import type { GitHealth, Remote } from "./port.ts";

export interface Follower {
  start: () => void;
  /** Asks now, or once more after the look that is under way; resolves when what came of it is in force. */
  pollNow: () => Promise<void>;
  health: () => GitHealth;
  stop: () => Promise<void>;
}

export function createFollower(deps: {
  clock: Clock;
  log: Logger;
  remote: Remote;
  /** Holds what is shown of the settings: no credentials. */
  url: string;
  ref: string | null;
  intervalMs: number;
  /** 0 to 1, for waits that agents do not all have in common. */
  random: () => number;
  /** Puts the new tree in force; the old one is deleted afterwards. */
  onSwitched: () => Promise<void>;
}): Follower {
  const { clock, log, remote, url, ref } = deps;
  const polls = periodic(clock, () => nextPollMs(failures, deps.intervalMs, deps.random()), follow, onFailure);
  let stopped = false;
  let failures = 0;
  let error: string | null = null;
  let ambiguous = false;
  let unverified = false;
  let lastFetchedAt: string | null = null;
  /** A commit that was looked at and cannot be followed: it is not fetched again, unless other keys may verify it. */
  let refused: { commit: string; message: string } | null = null;

  function onFailure(thrown: unknown): void {
    failures += 1;
    ambiguous = thrown instanceof Error && thrown.cause instanceof AmbiguousRef;
    unverified = false;
    logTransition(messageOf(thrown));
  }

  async function follow(): Promise<void> {
    const asked = await remote.ask();
    if (asked.commit === remote.commit()) {
      refused = null;
      unverified = false;
    } else if (asked.commit !== refused?.commit || unverified) {
      const done = await remote.checkout(asked);
      unverified = done.unverified === true;
      refused = done.refused === null ? null : { commit: asked.commit, message: done.refused };
      if (refused === null) {
        log.info("commit in force", { commit: done.commit });
        await deps.onSwitched();
        await remote.tidy();
      }
    }
    lastFetchedAt = new Date(clock.now()).toISOString();
    failures = 0;
    ambiguous = false;
    logTransition(refused?.message ?? null);
  }

  /** Once for each trouble, not for each look. */
  function logTransition(message: string | null): void {
    if (stopped || message === error) return;
    if (message === null) log.info("the repository is followed again", { repository: url });
    else
      log.warn(`the repository cannot be followed, the last good commit stays in force: ${message}`, {
        repository: url,
        commit: remote.commit(),
      });
    error = message;
  }

  return {
    start: () => void polls.now(),
    pollNow: () => polls.now(),
    health: () => ({ url, ref, commit: remote.commit(), lastFetchedAt, error, ambiguous, unverified }),
    async stop() {
      stopped = true;
      remote.close();
      await polls.stop();
    },
  };
}
