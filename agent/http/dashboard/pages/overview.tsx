// The page at /: all batches with their last results, strips and next starts, to search, filter and sort.
import { lastFilters, sorts, type Counts, type ListQuery } from "../batch-list.ts";
import type { BatchState } from "../../../model/batch.ts";
import { Row, type ListRow } from "./batch-row.tsx";
import { Choice, Filters, GroupAndTag } from "./filters.tsx";
import { Command } from "./parts.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export interface Pool {
  group: string;
  name: string;
  size: number;
  running: number;
  waiting: number;
}

export interface Overview {
  agent: AgentState;
  counts: Counts;
  tags: readonly string[];
  groups: readonly string[];
  query: ListQuery;
  /** Page of the list, from 1, of how many. */
  page: { at: number; of: number };
  found: number;
  rows: readonly ListRow[];
  pools: readonly Pool[];
  /** A batch to try out while nothing has ever run. */
  tryOut: string | null;
}

const stateNames: readonly BatchState[] = ["scheduled", "chained", "disabled", "invalid", "removed"];
const sortNames = {
  attention: "needs attention",
  name: "name",
  chain: "chain",
  last: "latest execution",
  next: "next start",
  duration: "longest",
};

export function overviewPage(view: Overview) {
  const { agent, counts, query, rows } = view;
  return (
    <Shell
      title="Batches"
      agent={agent}
      place="batches"
      refresh="list"
      {...(agent.notReady.length > 0 ? { reloadSeconds: 10 } : {})}
    >
      <div class="head">
        <h1>Batches</h1>
        <CountLinks counts={counts} query={query} />
        <Pools pools={view.pools} />
      </div>
      {counts.all === 0 && agent.notReady.length > 0 ? (
        <div class="empty" id="list" data-live>
          <p>No batches can be shown yet.</p>
          <p>The agent is not ready: {agent.notReady.join("; ")}. This page goes on by itself.</p>
        </div>
      ) : counts.all === 0 && query.state === null && query.text === "" ? (
        <div class="empty" id="list" data-live>
          <p>There are no batches yet.</p>
          <p>
            Make a first folder with two batches, or put a folder with a <code>script.sh</code> and a{" "}
            <code>batch.yaml</code> into the folder of batches; it appears here within a moment:
          </p>
          <Command text="batch-agent init" />
          <p class="needs-scripts">
            <kbd>?</kbd> shows the keys and the words of these pages.
          </p>
        </div>
      ) : (
        <>
          <ListFilters query={query} tags={view.tags} groups={view.groups} />
          <div id="list" data-live aria-live="off">
            {view.tryOut !== null && (
              <div class="hint">
                <p>
                  Nothing has run yet. Batches start by their schedules; to try one now, run this on the agent's
                  machine:
                </p>
                <Command text={`batch-agent trigger ${view.tryOut} --follow`} />
              </div>
            )}
            <p class="found" role="status">
              {view.found} {view.found === 1 ? "batch" : "batches"}
              {view.page.of > 1 && `, page ${view.page.at} of ${view.page.of}`}
            </p>
            {rows.length === 0 ? (
              <div class="empty">
                <p>No batches match.</p>
                <p>
                  <a href="/">Show all batches</a>
                </p>
              </div>
            ) : (
              <table class="batches">
                <caption class="hidden">Batches with their last result and next start</caption>
                <thead>
                  <tr>
                    <th scope="col">Batch</th>
                    <th scope="col" class="wide">
                      Schedule
                    </th>
                    <th scope="col">Last result</th>
                    <th scope="col" class="wide">
                      Last 30
                    </th>
                    <th scope="col">Next start</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <Row row={row} now={agent.now} />
                  ))}
                </tbody>
              </table>
            )}
            <Pages query={query} page={view.page} />
          </div>
        </>
      )}
    </Shell>
  );
}

/** The query with `changes`, as the address of its page. */
function linkTo(query: ListQuery, changes: Partial<ListQuery> & { page?: number }): string {
  const { text, tag, group, state, last, sort, page } = { page: 1, ...query, ...changes };
  const pairs: [string, string | null][] = [
    ["q", text],
    ["tag", tag],
    ["group", group],
    ["state", state],
    ["last", last],
    ["sort", sort === "attention" ? null : sort],
    ["page", page === 1 ? null : String(page)],
  ];
  const search = new URLSearchParams(
    pairs.flatMap(([key, value]): [string, string][] => (value === null || value === "" ? [] : [[key, value]])),
  );
  return search.size === 0 ? "/" : `/?${search.toString()}`;
}

const cleared: ListQuery = { text: "", tag: null, group: null, state: null, last: null, sort: "attention" };

/** More than these would push the batches off the first screen of a phone. */
const maxPools = 3;

/** Pools in use, those that batches wait for first; where there are many, the others are folded away. */
function Pools({ pools }: { pools: readonly Pool[] }) {
  const byNeed = pools.toSorted((a, b) => b.waiting - a.waiting || b.running - a.running);
  const shown = byNeed.slice(0, maxPools).filter(({ running }) => pools.length <= maxPools || running > 0);
  const folded = byNeed.slice(shown.length);
  return (
    <div class="pools dim" id="pools" data-live>
      {shown.map((pool) => (
        <PoolLink pool={pool} />
      ))}
      {folded.length > 0 && (
        <details id="more-pools">
          <summary>
            {folded.length} {shown.length > 0 && "more "}
            {folded.length === 1 ? "pool" : "pools"}
            {folded.every(({ running }) => running === 0) && (shown.length > 0 ? ", not in use" : ", none in use")}
          </summary>
          <div class="pools">
            {folded.map((pool) => (
              <PoolLink pool={pool} />
            ))}
          </div>
        </details>
      )}
    </div>
  );
}

/** Leads to what waits; a pool is named with its group where that is not the top. */
function PoolLink({ pool: { group, name, size, running, waiting } }: { pool: Pool }) {
  const within = group === "" ? "" : `&group=${encodeURIComponent(group)}`;
  return (
    <a
      href={`/executions?status=queued,running${within}`}
      title={`Pool ${name} of ${group === "" ? "the top" : group}`}
    >
      Pool {group === "" ? "" : `${group}/`}
      {name}: {running} of {size} in use{waiting > 0 && `, ${waiting} waiting`}
    </a>
  );
}

function CountLinks({ counts, query }: { counts: Counts; query: ListQuery }) {
  const last = (name: NonNullable<ListQuery["last"]>, tone: string, count: number, word: string) =>
    (count > 0 || tone === "failed") && (
      <a
        class={`tile ${count > 0 ? tone : "quiet"}`}
        href={linkTo(cleared, { last: name })}
        {...(query.last === name ? { "aria-current": "true" as const } : {})}
      >
        <b>{count}</b> {word}
      </a>
    );
  return (
    <div class="tiles" id="counts" data-live>
      {last("failed", "failed", counts.failed, "failing")}
      {last("unusual", "unusual", counts.unusual, "unusual")}
      {last("running", "running", counts.running, "running")}
      {last("queued", "queued", counts.queued, "queued")}
      <a class="tile quiet" href="/">
        <b>{counts.all}</b> in all
      </a>
      {counts.disabled > 0 && (
        <a class="tile quiet" href={linkTo(cleared, { state: "disabled" })}>
          <b>{counts.disabled}</b> disabled
        </a>
      )}
    </div>
  );
}

function ListFilters({ query, tags, groups }: Pick<Overview, "query" | "tags" | "groups">) {
  return (
    <Filters action="/" search={{ name: "q", label: "Search", hint: "name, description or tag", value: query.text }}>
      <GroupAndTag groups={groups} tags={tags} chosen={query} />
      <Choice
        label="State"
        name="state"
        chosen={query.state}
        all={stateNames.map((state) => [state, state])}
        none="any"
      />
      <Choice
        label="Last result"
        name="last"
        chosen={query.last}
        all={lastFilters.map((last) => [last, last])}
        none="any"
      />
      <Choice
        label="Order"
        name="sort"
        chosen={query.sort}
        all={sorts.map((sort) => [sort, sortNames[sort]])}
        none={null}
      />
    </Filters>
  );
}

function Pages({ query, page }: { query: ListQuery; page: Overview["page"] }) {
  if (page.of <= 1) return null;
  return (
    <nav class="pages" aria-label="Pages of the list">
      {page.at > 1 && (
        <a rel="prev" href={linkTo(query, { page: page.at - 1 })}>
          ← previous
        </a>
      )}
      <span>
        page {page.at} of {page.of}
      </span>
      {page.at < page.of && (
        <a rel="next" href={linkTo(query, { page: page.at + 1 })}>
          next →
        </a>
      )}
    </nav>
  );
}
