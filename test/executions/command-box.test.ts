// The folder of commands between the agent and a command line, on a real disk.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askAgent, createCommandBox } from "../../agent/executions/command-box.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

test("an answer is written once, also when the box is looked at meanwhile: none is left behind", async () => {
  const data = temporaryFolder();
  const box = createCommandBox(data, Date.now);
  await box.open();
  for (let round = 0; round < 30; round++) {
    const asked = askAgent(
      data,
      { actor: "me@here", note: null, request: { kind: "cancel", target: "x" } },
      { waitMs: 60_000, patient: true },
    );
    let claimed = await box.claim();
    while (claimed.length === 0) claimed = await box.claim();
    const answered = claimed.map((one) => one.answer({ error: "no" }));
    await box.claim();
    expect(await asked).toEqual({ error: "no" });
    await Promise.all(answered);
    await box.claim();
  }
  expect(readdirSync(join(data, "commands"))).toEqual([]);
});
