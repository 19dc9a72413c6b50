// The page at /executions: executions of all batches, newest first, with filters in the address.
import { statuses, type ExecutionStatus } from "../../../model/execution.ts";
import type { ExecutionView } from "../../../views.ts";
import { defaultListed, type ExecutionListQuery } from "../../protocol/query.ts";
import { linkToExecutions } from "../execution-list.ts";
import { reasonNames, reasonText } from "../words.ts";
import { ExecutionTable } from "./executions.tsx";
import { Choice, Filters, GroupAndTag } from "./filters.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export interface AllExecutions {
  agent: AgentState;
  query: ExecutionListQuery;
  groups: readonly string[];
  tags: readonly string[];
  items: readonly ExecutionView[];
  nextCursor: string | null;
  zoneOf: (batch: string) => string | null;
}

const spans: readonly (readonly [string, number])[] = [
  ["last hour", 3_600_000],
  ["last 24 hours", 86_400_000],
  ["last 7 days", 7 * 86_400_000],
];

export function allExecutionsPage({ agent, query, groups, tags, items, nextCursor, zoneOf }: AllExecutions) {
  const isFirst = query.cursor === null;
  return (
    <Shell title="Executions" agent={agent} place="executions" {...(isFirst ? { refresh: "all" } : {})}>
      <div class="head">
        <h1>Executions</h1>
        <StatusLinks query={query} />
        <SpanLinks query={query} now={agent.now} />
      </div>
      <Filters
        action="/executions"
        search={{ name: "batch", label: "Batch", hint: "name of a batch", value: query.batch ?? "" }}
      >
        <Choice
          label="Status"
          name="status"
          chosen={query.statuses.length === 1 ? (query.statuses[0] ?? null) : null}
          all={statuses.map((status) => [status, status])}
          none="any"
        />
        <Choice
          label="Reason"
          name="reason"
          chosen={query.reasons.length === 1 ? (query.reasons[0] ?? null) : null}
          all={reasonNames.map((reason) => [reason, reasonText(reason)])}
          none="any"
        />
        <GroupAndTag groups={groups} tags={tags} chosen={query} />
        <label>
          <span>From (UTC)</span>
          <input type="datetime-local" name="since" value={inputTime(query.sinceMs)} data-at={isoOf(query.sinceMs)} />
        </label>
        <label>
          <span>Until (UTC)</span>
          <input type="datetime-local" name="until" value={inputTime(query.untilMs)} data-at={isoOf(query.untilMs)} />
        </label>
        {query.limit !== defaultListed && <input type="hidden" name="limit" value={query.limit} />}
        {query.run !== null && <input type="hidden" name="run" value={query.run} />}
      </Filters>
      <div id="executions" data-live aria-live="off">
        {items.length === 0 ? (
          <Empty isFiltered={linkToExecutions(query) !== "/executions"} isFirst={isFirst} />
        ) : (
          <section class="box" aria-label="Executions">
            <ExecutionTable caption="Newest first" executions={items} now={agent.now} zoneOf={zoneOf} withBatch />
          </section>
        )}
        <nav class="pages" aria-label="Pages of the executions">
          {!isFirst && <a href={linkToExecutions(query)}>← Newest</a>}
          {nextCursor !== null && (
            <a rel="next" href={linkToExecutions(query, { cursor: nextCursor })}>
              Older →
            </a>
          )}
        </nav>
      </div>
    </Shell>
  );
}

function StatusLinks({ query }: { query: ExecutionListQuery }) {
  const chosen = query.statuses.join();
  const all: readonly (readonly [string, readonly ExecutionStatus[]])[] = [
    ["all", []],
    ...(statuses as readonly ExecutionStatus[]).map((status) => [status, [status]] as const),
  ];
  return (
    <div class="tiles" id="statuses" data-live>
      {all.map(([word, wanted]) => (
        <a
          class={`tile ${wanted.length === 0 || word === "succeeded" || word === "aborted" ? "quiet" : word}`}
          href={linkToExecutions(query, { statuses: wanted })}
          {...(wanted.join() === chosen ? { "aria-current": "true" as const } : {})}
        >
          {word}
        </a>
      ))}
    </div>
  );
}

function SpanLinks({ query, now }: { query: ExecutionListQuery; now: number }) {
  return (
    <div class="tiles" id="spans" data-live>
      {spans.map(([word, ms]) => (
        // To the minute, so that the address stays the same while the page is looked at anew.
        <a
          class="tile quiet"
          href={linkToExecutions(query, {
            since: `${new Date(now - ms).toISOString().slice(0, 16)}Z`,
            until: null,
          })}
        >
          {word}
        </a>
      ))}
    </div>
  );
}

/** `2026-11-24T02:00`, as an input for date and time takes it. */
function inputTime(ms: number | null): string {
  return ms === null ? "" : new Date(ms).toISOString().slice(0, 16);
}

const isoOf = (ms: number | null) => (ms === null ? "" : new Date(ms).toISOString());

function Empty({ isFiltered, isFirst }: { isFiltered: boolean; isFirst: boolean }) {
  return (
    <div class="empty">
      <p>{isFiltered || !isFirst ? "No executions match." : "Nothing has run yet."}</p>
      <p>
        {isFiltered || !isFirst ? (
          <a href="/executions">Show all executions</a>
        ) : (
          <>
            Start a batch by hand: <code>batch-agent trigger NAME</code>, or wait for its schedule on{" "}
            <a href="/">the list of batches</a>.
          </>
        )}
      </p>
    </div>
  );
}
