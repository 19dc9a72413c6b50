import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Problem } from "../../agent/model/problem.ts";
import type { Message } from "../../agent/notify/port.ts";
import { createOutbox } from "../../agent/notify/outbox.ts";
import { createProblemLoop } from "../../agent/notify/problem-loop.ts";
import type { Topic } from "../../agent/notify/problem-news.ts";
import { createToldStore } from "../../agent/notify/told-problems.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

test("a data folder that takes no writes is told of at once, and again until it is taken", async () => {
  const data = join(temporaryFolder(), "data");
  writeFileSync(data, "a file in its place");
  const clock = fakeClock(t0);
  const log = quietLog();
  const problem: Problem = {
    ...{ batch: "", file: data, line: null, column: null, path: null, hint: null },
    ...{ code: "data-folder", message: "no space left" },
  };
  const topic: Topic = {
    ...{ key: "agent:data-folder:", name: "agent", problems: [problem], isPassing: true, settleMs: 2_000 },
    to: { mail: [], webhook: ["https://chat.example.org/x"] },
  };
  const sent: Message[] = [];
  let isAway = true;
  const webhook = {
    send(message: Message) {
      sent.push(message);
      return Promise.resolve(
        isAway ? ({ kind: "later", why: "away", waitMs: null, down: true } as const) : ({ kind: "accepted" } as const),
      );
    },
    close: () => undefined,
  };
  const loop = createProblemLoop({
    ...{ clock, log, outbox: createOutbox(data, { clock, log }), store: createToldStore(data, { clock, log }) },
    deliveries: { add: () => undefined },
    couriers: { mail: null, webhook },
    topics: () => ({ topics: [topic], isWhole: true }),
    linkTo: () => "http://127.0.0.1:8080/problems",
  });
  loop.start();
  /** Lets one check after the other come to its end. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 2_000) {
      await clock.advance(2_000);
      await eventually(() => clock.timers() > 0);
    }
  };
  await pass(4_000);
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ event: "problem", to: "https://chat.example.org/x" });
  await pass(40_000);
  expect(sent).toHaveLength(2);
  isAway = false;
  await pass(120_000);
  expect(sent).toHaveLength(3);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  await loop.stop();
});
