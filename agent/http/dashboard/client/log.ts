// The log on an execution's page: follow and pause, load what lies above and below, go to a line, search.
import { addLineLinks, addWrapping, markNamed, namedLines } from "./log-lines.ts";
import { createSearch } from "./log-search.ts";
import { fetchPiece, follow, type LogLine, type LogPiece } from "./log-stream.ts";
import { createLogView } from "./log-view.ts";

/** Rests between the last letter typed and the search. */
const typingMs = 250;
const box = document.getElementById("log");
const first = box?.querySelector<HTMLElement>(".chunk");
const tools = document.getElementById("log-tools");
if (box != null && first != null && tools !== null) start(box, first, tools);

function start(box: HTMLElement, first: HTMLElement, tools: HTMLElement): void {
  const { page = "", view: name = "merged" } = box.dataset;
  const given = (key: string) => Number(box.dataset[key]);
  const view = createLogView(box, first, { start: given("start"), end: given("end"), first: given("first") });
  const toggle = tools.querySelector<HTMLButtonElement>("[data-follow]");
  const note = document.getElementById("log-note");
  const earlier = box.querySelector<HTMLAnchorElement>(".earlier");
  const later = box.querySelector<HTMLAnchorElement>(".later");
  const isGrowing = box.dataset["growing"] === "true";
  let size = given("size");
  let next = box.dataset["next"] ?? "0-0";
  let stop: AbortController | null = null;
  let following = false;
  /** True while the bottom of what is shown is where following goes on. */
  let isAtEnd = view.end() >= size;
  let waiting: LogLine[] = [];
  let frame = 0;
  let loading = Promise.resolve();

  function say(text: string): void {
    if (note !== null && note.textContent !== text) note.textContent = text;
  }
  function toEnd(): void {
    box.scrollTop = box.scrollHeight;
  }
  function showEdges(): void {
    if (earlier !== null) earlier.hidden = view.firstNumber() <= 1;
    if (later !== null) later.hidden = isAtEnd;
    markNamed(box);
  }

  /** One after the other. */
  function load(where: string, put: (piece: LogPiece) => void): Promise<void> {
    return (loading = loading.then(async () => {
      try {
        const piece = await fetchPiece(page, name, where);
        size = piece.size;
        put(piece);
        isAtEnd = view.end() >= size;
        if (isAtEnd) next = piece.next;
        showEdges();
      } catch {
        say("The log cannot be read just now.");
      }
    }));
  }

  async function pauseFor(work: () => Promise<void>): Promise<void> {
    if (following) setFollowing(false);
    await work();
  }

  /** Brings a line into sight, and loads it where it is not there. */
  async function show(line: number): Promise<void> {
    await pauseFor(async () => {
      if (view.row(line) === null) await load(`line=${line}`, (piece) => view.replace(piece));
      for (const row of box.querySelectorAll(".current")) row.classList.remove("current");
      view.row(line)?.scrollIntoView({ block: "center" });
    });
  }

  async function showNamed(): Promise<void> {
    const named = namedLines();
    if (named === null) return;
    await show(named.from);
    markNamed(box);
  }

  async function toLatest(): Promise<void> {
    await load("", (piece) => view.replace(piece));
    toEnd();
  }

  function setFollowing(on: boolean): void {
    following = on;
    toggle?.setAttribute("aria-pressed", String(on));
    if (toggle !== null) toggle.textContent = on ? "Following" : "Follow";
    stop?.abort();
    stop = null;
    write();
    if (!on) return say("Paused. Follow goes on with the newest lines.");
    say("");
    const mine = (stop = new AbortController());
    void (isAtEnd ? Promise.resolve() : toLatest()).then(() => {
      toEnd();
      if (scrollY > 0) box.scrollIntoView({ block: "nearest" });
      return follow(page, name, next, { onLines, onShorter, onBehind, onEnd, onBroken }, mine.signal);
    });
  }

  /** Written once a frame, however fast they come. */
  function onLines(lines: LogLine[], id: string): void {
    waiting.push(...lines);
    next = id;
    if (frame === 0) frame = requestAnimationFrame(write);
    if (waiting.length > 20_000) write(); // a hidden page has no frames
  }
  function write(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    if (waiting.length === 0) return;
    view.append(
      waiting,
      next.split("-").reduce((sum, offset) => sum + Number(offset), 0),
    );
    waiting = [];
    say("");
    showEdges();
    if (following) toEnd();
  }
  function onShorter(): void {
    say("The log got shorter: something overwrote it. It goes on from its new end.");
  }
  function onBehind(): void {
    waiting = [];
    isAtEnd = false;
    if (following) setFollowing(true); // from the newest lines on
  }
  function onBroken(): void {
    say("The log cannot be read just now; trying again.");
  }
  function onEnd(): void {
    write();
    following = false;
    toggle?.remove();
    box.dataset["growing"] = "false";
    toEnd();
    say("The execution has ended; this is the end of its log.");
  }

  const input = tools.querySelector<HTMLInputElement>("input[type=search]");
  const found = document.getElementById("log-found");
  const search = createSearch(
    page,
    name,
    async (line) => {
      await show(line);
      view.row(line)?.classList.add("current");
    },
    (text) => {
      if (found !== null) found.textContent = text;
    },
  );
  let typing: ReturnType<typeof setTimeout> | null = null;
  let searched = "";
  async function ask(): Promise<void> {
    if (typing !== null) clearTimeout(typing);
    typing = null;
    searched = input?.value ?? "";
    const asked = search.ask(searched, firstInSight());
    view.markHits((text) => search.holds(text));
    await asked;
  }
  function firstInSight(): number {
    const top = box.getBoundingClientRect().top;
    const row = [...box.querySelectorAll(".chunk > div")].find((one) => one.getBoundingClientRect().bottom > top);
    return Number(row?.id.slice(1) ?? view.firstNumber());
  }
  const step = (by: -1 | 1) => void (input?.value === searched ? search.step(by) : ask());
  input?.addEventListener("input", () => {
    if (typing !== null) clearTimeout(typing);
    typing = setTimeout(() => void ask(), typingMs);
  });
  input?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    step(event.shiftKey ? -1 : 1);
  });
  for (const button of tools.querySelectorAll<HTMLElement>("[data-step]"))
    button.addEventListener("click", () => step(button.dataset["step"] === "1" ? 1 : -1));

  const times = tools.querySelector<HTMLButtonElement>("[data-times]");
  const setTimes = (on: boolean) => {
    times?.setAttribute("aria-pressed", String(on));
    view.setTimes(on);
  };
  times?.addEventListener("click", (event) => {
    event.preventDefault();
    const isBelow = box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
    setTimes(times.getAttribute("aria-pressed") !== "true");
    if (isBelow) toEnd();
  });

  earlier?.addEventListener("click", (event) => {
    event.preventDefault();
    void pauseFor(() => load(`before=${view.start()}`, (piece) => view.addEarlier(piece)));
  });
  later?.addEventListener("click", (event) => {
    event.preventDefault();
    void load(`after=${view.end()}`, (piece) => view.addLater(piece));
  });
  toggle?.addEventListener("click", () => setFollowing(!following));
  // Whoever scrolls up wants to read: hold still.
  box.addEventListener(
    "wheel",
    (event) => {
      if (following && event.deltaY < 0) setFollowing(false);
    },
    { passive: true },
  );
  box.addEventListener("keydown", (event) => {
    if (following && ["ArrowUp", "PageUp", "Home"].includes(event.key)) setFollowing(false);
    if (event.key === "Home" && view.firstNumber() > 1) {
      event.preventDefault();
      void load("line=1", (piece) => view.replace(piece)).then(() => (box.scrollTop = 0));
    }
    if (event.key !== "End" || following) return;
    if (isGrowing && toggle?.isConnected === true) setFollowing(true);
    else if (!isAtEnd) {
      event.preventDefault();
      void toLatest();
    }
  });

  addWrapping(box, tools);
  addLineLinks(box);
  addEventListener("hashchange", () => void showNamed());
  if (times?.getAttribute("aria-pressed") === "true") setTimes(true);
  const error = box.querySelector(".error-line");
  if (isAtEnd) toEnd();
  error?.scrollIntoView({ block: "center" });
  scrollTo(0, 0); // the box is scrolled, not the page
  if (namedLines() !== null) void showNamed();
  else if (isGrowing && isAtEnd) setFollowing(true);
}
