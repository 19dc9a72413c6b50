// `batch-agent trigger`, `cancel`, `rerun` and `backfill`: their options.
import type { Command } from "commander";
import { thisUser } from "../machine.ts";
import type * as Operate from "../operate.ts";
import type { OperateDeps } from "../operate.ts";
import type { CommandContext } from "./context.ts";
import { dataFolder, dataOption, dateTime, named, noteOption, paramOption } from "./options.ts";

/** Commands that act on the agent of this machine, through its data folder. */
export function addOperating(program: Command, context: CommandContext): void {
  const act = async (
    data: string | undefined,
    work: (operate: typeof Operate, deps: OperateDeps) => Promise<number>,
  ) => {
    const operate = await import("../operate.ts");
    const dataDir = dataFolder(data, context.env);
    const deps = {
      dataDir,
      actor: thisUser(),
      write: context.out.text,
      complain: context.err.text,
      stdout: context.out.bytes,
      stderr: context.err.bytes,
      endOutput() {
        for (const printer of [context.out, context.err]) printer.end();
      },
    };
    context.finish(await work(operate, deps));
  };
  interface Asked {
    data?: string;
    note?: string;
    follow?: boolean;
  }
  dataOption(
    program
      .command("trigger")
      .description("ask the agent on this machine to start a batch; prints the execution's id")
      .argument("<batch>", "name of the batch", named)
      .addOption(paramOption())
      .option("--due-at <time>", "the run's logical date, ISO 8601 (default: now)", dateTime)
      .addOption(noteOption())
      .option("--follow", "print its output until it ends; the exit code is then the script's"),
  ).action(
    (
      batch: string,
      {
        data,
        param = {},
        dueAt = null,
        note,
        follow,
      }: Asked & { param?: Record<string, string>; dueAt?: number | null },
    ) =>
      act(data, (operate, deps) =>
        operate.trigger(batch, { params: param, dueAt, note: note ?? null, follow: follow === true }, deps),
      ),
  );
  dataOption(
    program
      .command("cancel")
      .description("end an execution, a run, or all open executions of a batch; prints their ids")
      .argument("<target>", "id of an execution or a run, or name of a batch", named)
      .addOption(noteOption()),
  ).action((target: string, { data, note }: Asked) =>
    act(data, (operate, deps) => operate.cancel(target, { note: note ?? null }, deps)),
  );
  dataOption(
    program
      .command("rerun")
      .description("do an execution, or what failed of a run, again; what follows goes on from there")
      .argument("<target>", "id of an execution or a run", named)
      .addOption(noteOption())
      .option("--follow", "print its output until it ends; the exit code is then the script's"),
  ).action((target: string, { data, note, follow }: Asked) =>
    act(data, (operate, deps) => operate.rerun(target, { note: note ?? null, follow: follow === true }, deps)),
  );
  dataOption(
    program
      .command("backfill")
      .description("start a batch for each due time of a range, one run after the other")
      .argument("<batch>", "name of the batch", named)
      .requiredOption("--from <time>", "first due time, ISO 8601, inclusive", dateTime)
      .requiredOption("--to <time>", "end of the range, exclusive", dateTime)
      .addOption(noteOption())
      .option("--dry-run", "only print the due times")
      .option("--again", "also those that have a run that succeeded"),
  ).action((batch: string, options: Asked & { from: number; to: number; dryRun?: boolean; again?: boolean }) =>
    act(options.data, (operate, deps) => {
      const { from, to, note, dryRun = false, again = false } = options;
      return operate.backfill(batch, { from, to, note: note ?? null, dryRun, again }, deps);
    }),
  );
}
