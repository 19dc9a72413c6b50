import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askForStart, createTriggerBox } from "../../agent/executions/trigger-box.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

test("what is taken in time is answered, however late; what nobody takes is withdrawn", async () => {
  const data = temporaryFolder();
  const box = createTriggerBox(data);
  await box.open();
  const asked = askForStart(data, "report", 300);
  const [taken] = await eventually(async () => {
    const all = await box.take();
    return all.length > 0 && all;
  });
  await new Promise((done) => setTimeout(done, 600)); // its record is being written
  await taken?.answer({ id: "01J0000000000000000000000A" as never });
  expect(await asked).toEqual({ id: "01J0000000000000000000000A" });

  expect(await askForStart(data, "report", 100)).toBeNull();
  expect(await box.take()).toEqual([]);
  expect(await readdir(join(data, "triggers"))).toEqual([]);
});
