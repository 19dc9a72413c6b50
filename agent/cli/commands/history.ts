// `batch-agent history`, its options.
import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import { reasons, statuses } from "../../model/execution.ts";
import type { ExecutionView } from "../../views.ts";
import type { HistoryFilter } from "../history.ts";
import { historyText } from "../report/history.ts";
import { tableWidth, usesColours, type CommandContext } from "./context.ts";
import {
  connectionOptions,
  dataFolder,
  dataOption,
  pastTime,
  positive,
  wordsOf,
  type ConnectionOptions,
} from "./options.ts";

interface Options extends ConnectionOptions, Omit<HistoryFilter, "names"> {
  json?: boolean;
  offline?: boolean;
  data?: string;
}

export function addHistory(program: Command, context: CommandContext): void {
  const command = program
    .command("history")
    .description("list executions, newest first")
    .argument("[batch...]", "only of these batches")
    .option("--status <status>", "only with this status, or several with commas between", wordsOf(statuses))
    .option("--reason <reason>", "only with this reason, or several with commas between", wordsOf(reasons))
    .option("--group <group>", "only of batches of this group and all below it")
    .option("--tag <tag>", "only of batches with this tag; not with --offline")
    .option("--run <run>", "only of this run")
    .option("--since <time>", "only created since: a duration such as 24h, or an ISO 8601 time", pastTime)
    .option("--until <time>", "only created until: the same", pastTime)
    .option("-n, --count <number>", "how many at most", positive, 50)
    .option("--json", "as the API gives them: {items}")
    .option("--offline", "read the data folder (--data) instead of asking an agent; writes nothing")
    .addHelpText("after", "\nA time without a zone is UTC, as all times shown are.");
  dataOption(connectionOptions(command)).action(async (names: string[], options: Options) => {
    const { json = false, offline = false, data, ...filter } = options;
    if (offline && filter.tag !== undefined)
      throw new UsageError("--tag needs an agent: the record holds no tags", "choose by name or --group");
    if (data !== undefined && !offline)
      throw new UsageError("--data is read with --offline only", "an agent is named by --url");
    const { agentHistory, offlineHistory } = await import("../history.ts");
    const shape = { width: tableWidth(context), colours: usesColours(context) };
    const show = (items: readonly ExecutionView[]) =>
      context.out.text(json ? `${JSON.stringify({ items }, null, 2)}\n` : historyText(items, shape, Date.now()));
    if (offline)
      return show(await offlineHistory(dataFolder(data, context.env), { ...filter, names }, context.err.text));
    const { connect } = await import("../connect.ts");
    const { withAnswers } = await import("../agent-client.ts");
    const client = await connect(options, context.env, context.dotEnv);
    await withAnswers(client, async () => show(await agentHistory(client, { ...filter, names })));
  });
}
