// What tests of the dashboard share: batches, starts, and what a reader sees without scrolling.
import { execFileSync } from "node:child_process";
import type { Locator } from "playwright-core";
import type { Execution } from "../../agent/model/execution.ts";
import type { RunningAgent } from "./agent.ts";
import { eventually as within } from "./tmp.ts";

/** Never due while a test runs. */
export const rarely = "0 0 1 1 *";

export const eventually = <T>(look: Parameters<typeof within<T>>[0]) => within(look, 60_000);

/** Starts a batch as the command does, and gives its execution once it is there. */
export async function trigger(agent: RunningAgent, place: { data: string }, name: string): Promise<Execution> {
  const before = new Set((await agent.executions(`?batch=${name}`)).map(({ id }) => id));
  execFileSync(process.execPath, ["dist/main.js", "trigger", name, "--data", place.data], {
    cwd: `${import.meta.dirname}/../..`,
  });
  return eventually(async () => (await agent.executions(`?batch=${name}`)).find(({ id }) => !before.has(id)));
}

/** Starts a batch and waits until what it started has ended with a status. */
export async function runTo(
  agent: RunningAgent,
  place: { data: string },
  name: string,
  status: Execution["status"],
): Promise<Execution> {
  const { id } = await trigger(agent, place, name);
  return eventually(async () =>
    (await agent.executions(`?batch=${name}&status=${status}`)).find((one) => one.id === id),
  );
}

/** Whether all of an element lies in the first screen. */
export async function inFirstScreen(locator: Locator): Promise<boolean> {
  const [box, size] = [await locator.boundingBox(), locator.page().viewportSize()];
  return (
    box !== null &&
    size !== null &&
    box.x >= 0 &&
    box.y >= 0 &&
    box.x + box.width <= size.width &&
    box.y + box.height <= size.height
  );
}
