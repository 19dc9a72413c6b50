// Looks for asked starts at short intervals and hands them to the executor.
import type { Clock } from "../async/clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { TriggerBox, TriggerAnswer } from "./port.ts";

const pollMs = 300;

export interface TriggerLoop {
  start(): void;
  stop(): Promise<void>;
}

export function createTriggerLoop(deps: {
  clock: Clock;
  log: Logger;
  box: TriggerBox;
  manual(batch: string): Promise<TriggerAnswer>;
}): TriggerLoop {
  const { clock, log, box } = deps;
  let cancel: () => void = () => undefined;
  let current: Promise<void> = Promise.resolve();
  let stopped = false;
  /** Why the last look failed, so that it is told once. */
  let trouble: string | null = null;

  async function look(): Promise<void> {
    try {
      const asked = await box.take();
      trouble = null;
      for (const { batch, answer } of asked) {
        const told = await deps.manual(batch);
        await answer(told).catch((error: unknown) =>
          log.warn("an asked start cannot be answered", { batch, error: messageOf(error) }),
        );
      }
    } catch (error) {
      if (messageOf(error) !== trouble) log.warn("cannot look for asked starts", { error: messageOf(error) });
      trouble = messageOf(error);
      await box.open().catch(() => undefined);
    }
    if (!stopped) schedule();
  }

  function schedule(): void {
    cancel = clock.after(pollMs, () => void (current = look()));
  }

  return {
    start: schedule,
    async stop() {
      stopped = true;
      cancel();
      await current;
    },
  };
}
