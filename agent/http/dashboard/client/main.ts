// Describes what makes every page live: times that go on, parts that are looked at anew when the agent tells of a
// change, filters that act as one types.
import { addCopying } from "./copy.ts";
import { addKeys } from "./keys.ts";
import { fetchPage, swap } from "./swap.ts";
import { makeFieldsLocal, valueOf, writeTimes } from "./times.ts";

const main = document.querySelector<HTMLElement>("main");
const refresh = main?.dataset["refresh"] ?? "";
/** Changes are gathered for this long before they are asked for. */
const gatherMs = 400;
/** At least so long between two fresh looks. */
const restMs = refresh === "all" ? 5_000 : 1_000;
const maxRows = 100;
/** Between two tries to be told of changes again. */
const againMs = 5_000;

/** Names of batches that changed since the last look; null: look at all. */
let changed: Set<string> | null = new Set();
let timer: ReturnType<typeof setTimeout> | null = null;
let lastPoll = 0;
const filters = "form[data-filters]";
/** A part was left as it was because text in it is selected. */
let isPending = false;

function schedulePoll(name: string | null): void {
  if (name === null) changed = null;
  else changed?.add(name);
  timer ??= setTimeout(() => void pollNow(), Math.max(gatherMs, lastPoll + restMs - Date.now()));
}

async function pollNow(): Promise<void> {
  const names = changed;
  changed = new Set();
  const rows = refresh === "list" && names !== null && names.size <= maxRows;
  const address = new URL(location.href);
  address.hash = "";
  if (rows) address.searchParams.set("only", [...names].join(","));
  const page = await fetchPage(address.href);
  lastPoll = Date.now();
  timer = null;
  if (page !== null) {
    // The list has filters as soon as there is something to filter.
    if (page.querySelector(filters) !== null && document.querySelector(filters) === null) {
      location.reload();
      return;
    }
    document.title = page.title;
    isPending = !(rows ? swap(page, "[data-live]:not(#list), .batches tbody tr") : swap(page));
    writeTimes();
    showNodes();
  }
  const more = changed as Set<string> | null; // changes went on while the page was fetched
  if (more === null || more.size > 0) schedulePoll(more === null ? null : ([...more][0] ?? null));
}

/** Returns whether a change concerns this page; what of it, for `look`. */
function concerns(kind: string, data: { name?: string; batch?: string; run?: string }): string | null | undefined {
  const name = data.name ?? data.batch ?? "";
  if (refresh === "list") return document.getElementById(`b-${name}`) === null && kind === "batch" ? null : name;
  if (refresh === "all") return null;
  const [what, which] = [refresh.slice(0, refresh.indexOf(":")), refresh.slice(refresh.indexOf(":") + 1)];
  if (what === "batch" && which === name) return null;
  if (what === "run" && which === data.run) return null;
  return undefined;
}

let events: EventSource | null = null;
/** Id of the newest event that this page knows of. */
let known = main?.dataset["event"] ?? "";

function connect(): void {
  if (events !== null || document.hidden) return;
  const source = new EventSource(new URL(`../../../../api/events?since=${known}`, import.meta.url));
  events = source;
  source.addEventListener("reset", (event) => {
    known = event.lastEventId;
    schedulePoll(null); // what was missed cannot be told
  });
  for (const kind of ["batch", "execution"]) {
    source.addEventListener(kind, (event) => {
      const { lastEventId, data } = event as MessageEvent<string>;
      known = lastEventId;
      const about = concerns(kind, JSON.parse(data) as object);
      if (about !== undefined) schedulePoll(about);
    });
  }
  source.onopen = () => say("");
  source.onerror = () => {
    say("not live: agent unreachable");
    // After any answer but a good one (a proxy's 502, a login that has run out) the browser asks no more.
    if (source.readyState !== EventSource.CLOSED) return;
    events = null;
    setTimeout(connect, againMs);
    schedulePoll(null); // leads to the login where that is what is asked for
  };
}

/** A page nobody sees holds no connection: a browser has few of them for all its tabs. */
function disconnect(): void {
  events?.close();
  events = null;
}

function say(text: string): void {
  const place = document.getElementById("connection");
  if (place !== null && place.textContent !== text) place.textContent = text;
}

function liveFilters(form: HTMLFormElement): void {
  let typing: ReturnType<typeof setTimeout> | null = null;
  let asked = 0;
  async function apply(): Promise<void> {
    const mine = (asked += 1);
    const pairs = [...new FormData(form)].flatMap(([key, value]) =>
      value === "" || value === "attention" ? [] : [[key, valueOf(form, key, value as string)]],
    );
    const search = new URLSearchParams(pairs).toString();
    const address = search === "" ? location.pathname : `${location.pathname}?${search}`;
    const page = await fetchPage(address);
    if (page === null || mine !== asked) return;
    history.replaceState(null, "", address);
    swap(page);
    writeTimes();
  }
  form.addEventListener("input", () => {
    if (typing !== null) clearTimeout(typing);
    typing = setTimeout(() => void apply(), 200);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void apply();
  });
  form.classList.add("live");
  makeFieldsLocal(form);
}

/** Graphs that have not been scrolled yet: later it is up to the reader. */
const shownGraphs = new Set<string>();

/** Scrolls each graph to the node that the page is about, or to the first that failed. */
function showNodes(): void {
  for (const graph of document.querySelectorAll<HTMLElement>(".chain")) {
    const label = graph.getAttribute("aria-label") ?? "";
    const node =
      graph.querySelector<SVGAElement>("a[aria-current]") ??
      graph.querySelector(".node.failed, .node.running")?.closest("a") ??
      null;
    if (node === null || shownGraphs.has(label)) continue;
    shownGraphs.add(label);
    graph.scrollLeft = Number(node.dataset["left"]) - graph.clientWidth / 2;
  }
}

document.documentElement.classList.add("scripted");
addCopying();
addKeys();
showNodes();
const form = document.querySelector<HTMLFormElement>(filters);
if (form !== null) liveFilters(form);
writeTimes();
setInterval(writeTimes, 1_000);
if (refresh !== "") {
  connect();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) disconnect();
    else connect();
  });
  addEventListener("pagehide", disconnect);
  // No event tells that the agent has become ready.
  setInterval(() => {
    if (!document.hidden && document.querySelector(".not-ready") !== null) schedulePoll(null);
  }, againMs);
  document.addEventListener("selectionchange", () => {
    if (isPending && document.getSelection()?.isCollapsed !== false) schedulePoll(null);
  });
}
