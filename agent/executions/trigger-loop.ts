// Looks for asked starts at short intervals and hands them to the executor.
import type { Clock } from "../async/clock.ts";
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

  async function look(): Promise<void> {
    try {
      for (const { batch, answer } of await box.take()) await answer(await deps.manual(batch));
    } catch (error) {
      log.warn("cannot look for asked starts", { error: error instanceof Error ? error.message : String(error) });
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
