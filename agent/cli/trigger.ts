// `batch-agent trigger`: asks the agent on this machine to start a batch.
import { resolve } from "node:path";
import { askForStart } from "../executions/trigger-box.ts";

const waitMs = 5_000;

/** Writes the execution's id; gives the exit code, 1 if no agent takes it within 5 s or it refuses. */
export async function trigger(
  batch: string,
  dataDir: string,
  deps: { write: (text: string) => void; complain: (text: string) => void },
): Promise<number> {
  const answer = await askForStart(resolve(dataDir), batch, waitMs);
  if (answer !== null && "id" in answer) {
    deps.write(`${answer.id}\n`);
    if (answer.note !== undefined) deps.complain(`note: ${answer.note}\n`);
    return 0;
  }
  const hint = `is one running on this machine with the data folder ${dataDir}? (--data)`;
  deps.complain(
    answer === null
      ? `batch-agent: no agent took it within ${waitMs / 1000} s\nhint: ${hint}\n`
      : `batch-agent: ${answer.error}\n`,
  );
  return 1;
}
