// The page at /: all batches with their last results, strips and next starts, to search, filter and sort.
import { lastFilters, sorts, type Counts, type Listed, type ListQuery } from "../batch-list.ts";
import type { BatchState } from "../../../model/batch.ts";
import type { Execution } from "../../../model/execution.ts";
import type { Mark } from "../drawing/sparkline.ts";
import type { ExecutionView } from "../../../views.ts";
import { BatchLink, Clock, Command, executionPath, Relative, Status, Strip, ToneMark, Took } from "./parts.tsx";
import { scheduleWords } from "../schedule-words.ts";
import { whyText } from "../words.ts";
import { Shell, type AgentState } from "./shell.tsx";

export interface Overview {
  agent: AgentState;
  counts: Counts;
  tags: readonly string[];
  groups: readonly string[];
  query: ListQuery;
  /** Page of the list, from 1, of how many. */
  page: { at: number; of: number };
  found: number;
  rows: readonly (Listed & {
    /** Its latest executions, oldest first. */
    recent: readonly Mark[];
    /** How its latest finished one ended. */
    result: Execution | null;
    next: string | null;
    live: ExecutionView | null;
  })[];
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
    <Shell title="Batches" agent={agent} place="batches" refresh="list">
      <div class="head">
        <h1>Batches</h1>
        <CountLinks counts={counts} query={query} />
      </div>
      {counts.all === 0 && query.state === null && query.text === "" ? (
        <div class="empty" id="list" data-live>
          <p>There are no batches yet.</p>
          <p>
            Make a first folder with two batches, or put a folder with a <code>script.sh</code> and a{" "}
            <code>batch.yaml</code> into the folder of batches; it appears here within a moment:
          </p>
          <Command text="batch-agent init" />
        </div>
      ) : (
        <>
          <Filters query={query} tags={view.tags} groups={view.groups} />
          <div id="list" data-live aria-live="off">
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

function Row({ row, now }: { row: Overview["rows"][number]; now: number }) {
  const { status, recent, result, next, live } = row;
  const file = status.batch?.file;
  const description = file?.description;
  return (
    <tr id={`b-${status.name}`}>
      <th scope="row" {...(description === undefined ? {} : { title: description })}>
        <BatchLink name={status.name} />
        {status.state !== "scheduled" && status.state !== "chained" && (
          <span class={`badge ${status.state}`}>{status.state}</span>
        )}
        {status.problems.length > 0 && status.state !== "invalid" && (
          <span class="badge invalid">last edit has problems</span>
        )}
        {status.batch !== null && status.batch.group !== "" && (
          <a class="tag group" href={`/?group=${encodeURIComponent(status.batch.group)}`}>
            {`${status.batch.group}/`}
          </a>
        )}
        {file?.tags.slice(0, 3).map((tag) => (
          <a class="tag" href={`/?tag=${encodeURIComponent(tag)}`}>
            {tag}
          </a>
        ))}
        {description !== undefined && <span class="about">{description.slice(0, 120)}</span>}
      </th>
      <td class="schedule wide">
        <ScheduleText row={row} />
      </td>
      <td>
        {live !== null && (
          <a class="line" data-row-link href={executionPath(live.id)}>
            <Status of={live} /> {live.status === "running" && <Took execution={live} now={now} />}{" "}
            <SmallProgress execution={live} />
          </a>
        )}
        {result !== null && (
          <a class="line" {...(live === null ? { "data-row-link": true } : {})} href={executionPath(result.id)}>
            <Status of={result} /> <Relative at={result.finishedAt ?? result.createdAt} now={now} />
            {result.status === "succeeded" && result.durationMs !== null && (
              <span class="dim">
                , took <Took execution={result} now={now} />
              </span>
            )}
            {result.status !== "succeeded" && (
              <span class="why" title={whyText(result)}>
                {whyText(result)}
              </span>
            )}
          </a>
        )}
        {live === null && result === null && <ToneMark tone="none" word="never ran" />}
      </td>
      <td class="wide strip-cell">
        <Strip executions={recent} now={now} />
      </td>
      <td>
        <NextStart row={row} next={next} now={now} />
      </td>
    </tr>
  );
}

/** Its own schedule, or what it follows. */
function ScheduleText({ row }: { row: Overview["rows"][number] }) {
  const { batch, state } = row.status;
  if (batch === null) return null;
  if (batch.schedule !== null) {
    const words = scheduleWords(batch.schedule);
    const zone = batch.schedule.timeZone;
    const written = batch.schedule.patterns.map(({ text }) => text).join(", ");
    return (
      <span title={`${words} (${written}, ${zone})`}>
        {words}
        {/\d:\d\d/.test(words) && (
          <span class="dim" data-unless-zone={zone}>
            {` ${zone}`}
          </span>
        )}
      </span>
    );
  }
  const after = batch.after.slice(0, maxNames).join(", ");
  const more = batch.after.length - maxNames;
  if (batch.after.length > 0)
    return (
      <span class="dim" title={`after ${batch.after.join(", ")}`}>
        {`after ${after}${more > 0 ? ` and ${more} more` : ""}`}
      </span>
    );
  return state === "chained" ? <span class="dim">when another batch fails</span> : null;
}

const maxNames = 3;

function SmallProgress({ execution }: { execution: ExecutionView }) {
  if (execution.progress === null) return null;
  const { percent, message } = execution.progress;
  return (
    <span class="dim" title={message ?? ""}>
      <progress max="100" value={String(percent)} aria-label={`progress of ${execution.batch}`} />
      {` ${Math.round(percent)} %`}
    </span>
  );
}

function NextStart({ row, next, now }: { row: Overview["rows"][number]; next: string | null; now: number }) {
  const { blockedBy } = row.status;
  if (blockedBy.length > 0)
    return (
      <span class="dim" title={blockedBy.join(", ")}>
        blocked by {blockedBy.slice(0, maxNames).join(", ")}
        {blockedBy.length > maxNames && ` and ${blockedBy.length - maxNames} more`}
      </span>
    );
  if (next === null) return <span class="dim">–</span>;
  return (
    <>
      <Relative at={next} now={now} />{" "}
      <span class="dim wide">
        <Clock at={next} now={now} />
      </span>
    </>
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

function Filters({ query, tags, groups }: { query: ListQuery; tags: readonly string[]; groups: readonly string[] }) {
  return (
    <form class="filters" method="get" action="/" role="search" data-filters>
      <label class="grow">
        <span>Search</span>
        <input type="search" name="q" value={query.text} placeholder="name, description or tag" autocomplete="off" />
      </label>
      <Choice
        label="Group"
        name="group"
        chosen={query.group}
        all={groups.map((group) => [group, group])}
        none={groups.length === 0 ? "none yet" : "any"}
      />
      <Choice label="Tag" name="tag" chosen={query.tag} all={tags.map((tag) => [tag, tag])} none="any" />
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
      <MoreFilters />
      <button type="submit">Apply</button>
    </form>
  );
}

export function Choice({
  label,
  name,
  chosen,
  all,
  none,
}: {
  label: string;
  name: string;
  chosen: string | null;
  all: readonly (readonly [string, string])[];
  none: string | null;
}) {
  return (
    <label>
      <span>{label}</span>
      <select name={name}>
        {none !== null && <option value="">{none}</option>}
        {all.map(([value, word]) => (
          <option value={value} selected={value === chosen}>
            {word}
          </option>
        ))}
      </select>
    </label>
  );
}

/** On a small screen, shows the choices beside the search. */
export function MoreFilters() {
  return (
    <label class="more-filters">
      <input type="checkbox" /> More filters
    </label>
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
