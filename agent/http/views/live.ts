// Describes what the API and the pages both show: views of batches and executions with what is live about them.
import type { Context } from "hono";
import { estimatedEnd } from "../../executions/port.ts";
import type { BatchStatus } from "../../model/batch.ts";
import { isOpen, type Execution } from "../../model/execution.ts";
import { batchView, executionView, lastOf, type ExecutionView, type Live } from "../../views.ts";
import { HttpProblem } from "../protocol/problem.ts";
import type { AppDeps } from "./deps.ts";

const nextShown = 5;
/** Texts of ended executions that are at hand: what is asked for again and again. */
const textsAtHand = 2_000;

export type Reader = ReturnType<typeof createReader>;

export function createReader({
  catalog,
  history,
  logs,
  commits,
}: Pick<AppDeps, "catalog" | "history" | "logs" | "commits">) {
  /** Returns what a record does not know: a running one's logs grow, its end is foreseen, a queued one waits. */
  async function beside(execution: Execution): Promise<Live> {
    const commitInfo = commits.known(execution.commit) ?? (await commits.info(execution.commit));
    if (execution.status === "queued") {
      const waitingFor = catalog.waitingFor(execution.id);
      return { commitInfo, ...(waitingFor === undefined ? {} : { waitingFor }) };
    }
    if (execution.status !== "running") return { commitInfo };
    const [out, err] = await Promise.all(
      (["stdout", "stderr"] as const).map((stream) => logs.stat(execution.batch, execution.id, stream)),
    );
    const estimatedEndAt = estimatedEnd(execution, history.outlines(execution.batch));
    return { estimatedEndAt, stdoutBytes: out?.size ?? 0, stderrBytes: err?.size ?? 0, commitInfo };
  }

  async function live(execution: Execution): Promise<ExecutionView> {
    return executionView(execution, await beside(execution));
  }

  const texts = new Map<Execution, string>();

  /**
   * Its JSON, at once where nothing must be looked at for it. A record is never changed, only replaced, and shown
   * alike from its end on.
   */
  function text(execution: Execution): string | Promise<string> {
    if (isOpen(execution)) return live(execution).then((view) => JSON.stringify(view));
    const known = texts.get(execution);
    if (known !== undefined) return known;
    const commitInfo = commits.known(execution.commit);
    if (commitInfo === undefined) return live(execution).then((view) => JSON.stringify(view));
    if (texts.size >= textsAtHand) texts.clear();
    const made = JSON.stringify(executionView(execution, { commitInfo }));
    texts.set(execution, made);
    return made;
  }

  async function viewOf(status: BatchStatus) {
    const last = await history.find(lastOf(history.outlines(status.name))?.id ?? "");
    const lastLive = last === undefined ? {} : { live: await beside(last) };
    const commitInfo = commits.known(status.commit) ?? (await commits.info(status.commit));
    const past = {
      last,
      ...lastLive,
      counts: history.counts(status.name),
      outlines: () => history.outlines(status.name),
    };
    return batchView(status, past, catalog.next(status.name, nextShown), commitInfo);
  }

  const executionOf = async (c: Context): Promise<Execution> => {
    const id = c.req.param("id") ?? "";
    const execution = await history.find(id);
    if (execution === undefined) throw new HttpProblem(404, `there is no execution ${id}`);
    return execution;
  };

  return {
    live,
    text,
    viewOf,
    /** One of which nothing is kept any more is shown as removed. */
    batchNamed(name: string) {
      const gone = {
        name,
        state: "removed",
        batch: null,
        revision: null,
        commit: null,
        problems: [],
        blockedBy: [],
      } as const;
      return viewOf(catalog.batch(name) ?? gone);
    },
    /** The one the path names; throws a 404. */
    executionOf,
    /** The one the path names, with its logs; throws a 404, or a 410 where they are gone. */
    loggedOf: async (c: Context): Promise<Execution> => {
      const execution = await executionOf(c);
      if (execution.logsDeleted === true)
        throw new HttpProblem(410, `the logs of execution ${execution.id} are no longer kept (--keep-logs)`);
      return execution;
    },
    /** The one the path names; throws a 404. */
    batchOf: (c: Context): BatchStatus => {
      const name = c.req.param("name") ?? "";
      const status = catalog.batch(name);
      if (status === undefined) throw new HttpProblem(404, `there is no batch ${name}`);
      return status;
    },
  };
}
