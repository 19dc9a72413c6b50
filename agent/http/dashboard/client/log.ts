// The log on an execution's page: follow and pause, load what lies above and below, go to a line, search.
import { addLineLinks, addWrapping, markNamed, namedLines } from "./log-lines.ts";
import { addSearchBox, firstInSight } from "./log-search-box.ts";
import { fetchPiece, follow, type LogLine, type LogPiece } from "./log-stream.ts";
import { createLogView } from "./log-view.ts";

/** Invariant: pieces are loaded one after the other; what comes meanwhile is written once a frame. */
class LogBox {
  readonly #box: HTMLElement;
  readonly #page: string;
  readonly #name: string;
  readonly #view: ReturnType<typeof createLogView>;
  readonly #toggle: HTMLButtonElement | null;
  readonly #note = document.getElementById("log-note");
  readonly #earlier: HTMLAnchorElement | null;
  readonly #later: HTMLAnchorElement | null;
  readonly #isGrowing: boolean;
  #size: number;
  #next: string;
  #stop: AbortController | null = null;
  #following = false;
  /** True while the bottom of what is shown is where following goes on. */
  #isAtEnd: boolean;
  #waiting: LogLine[] = [];
  #frame = 0;
  #loading = Promise.resolve();

  constructor(box: HTMLElement, first: HTMLElement, tools: HTMLElement) {
    const { page = "", view = "merged", next = "0-0", growing } = box.dataset;
    const given = (key: string) => Number(box.dataset[key]);
    this.#box = box;
    this.#page = page;
    this.#name = view;
    this.#view = createLogView(box, first, { start: given("start"), end: given("end"), first: given("first") });
    this.#toggle = tools.querySelector<HTMLButtonElement>("[data-follow]");
    this.#earlier = box.querySelector<HTMLAnchorElement>(".earlier");
    this.#later = box.querySelector<HTMLAnchorElement>(".later");
    this.#isGrowing = growing === "true";
    this.#size = given("size");
    this.#next = next;
    this.#isAtEnd = this.#view.end() >= this.#size;
  }

  /** Listens to what the reader does, and shows what the address asks for, an error, or the end. */
  start(tools: HTMLElement): void {
    addSearchBox(tools, {
      page: this.#page,
      name: this.#name,
      firstInSight: () => firstInSight(this.#box) ?? this.#view.firstNumber(),
      markHits: (isHit) => this.#view.markHits(isHit),
      onFound: async (line) => {
        await this.#show(line);
        this.#view.row(line)?.classList.add("current");
      },
    });

    const setTimes = addTimes(this.#box, tools, (on) => this.#view.setTimes(on));

    this.#earlier?.addEventListener("click", (event) => {
      event.preventDefault();
      void this.#pauseFor(() => this.#load(`before=${this.#view.start()}`, (piece) => this.#view.addEarlier(piece)));
    });
    this.#later?.addEventListener("click", (event) => {
      event.preventDefault();
      void this.#load(`after=${this.#view.end()}`, (piece) => this.#view.addLater(piece));
    });
    this.#toggle?.addEventListener("click", () => this.#setFollowing(!this.#following));
    addScrolling(this.#box, {
      onUp: () => {
        if (this.#following) this.#setFollowing(false);
      },
      onHome: () => {
        if (this.#view.firstNumber() <= 1) return false;
        void this.#load("line=1", (piece) => this.#view.replace(piece)).then(() => (this.#box.scrollTop = 0));
        return true;
      },
      onEnd: () => {
        if (this.#following) return false;
        const isOpen = this.#isGrowing && this.#toggle?.isConnected === true;
        if (isOpen) this.#setFollowing(true);
        else if (!this.#isAtEnd) void this.#toLatest();
        return !isOpen && !this.#isAtEnd;
      },
    });

    addWrapping(this.#box, tools);
    addLineLinks(this.#box);
    addEventListener("hashchange", () => void this.#showNamed());
    setTimes();
    const error = this.#box.querySelector(".error-line");
    if (this.#isAtEnd) this.#toEnd();
    error?.scrollIntoView({ block: "center" });
    scrollTo(0, 0); // the box is scrolled, not the page
    if (namedLines() !== null) void this.#showNamed();
    else if (this.#isGrowing && this.#isAtEnd) this.#setFollowing(true);
  }

  #say(text: string): void {
    if (this.#note !== null && this.#note.textContent !== text) this.#note.textContent = text;
  }

  #toEnd(): void {
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  #showEdges(): void {
    if (this.#earlier !== null) this.#earlier.hidden = this.#view.firstNumber() <= 1;
    if (this.#later !== null) this.#later.hidden = this.#isAtEnd;
    markNamed(this.#box);
  }

  /** One after the other. */
  #load(where: string, put: (piece: LogPiece) => void): Promise<void> {
    return (this.#loading = this.#loading.then(async () => {
      try {
        const piece = await fetchPiece(this.#page, this.#name, where);
        this.#size = piece.size;
        put(piece);
        this.#isAtEnd = this.#view.end() >= this.#size;
        if (this.#isAtEnd) this.#next = piece.next;
        this.#showEdges();
      } catch {
        this.#say("The log cannot be read just now.");
      }
    }));
  }

  async #pauseFor(work: () => Promise<void>): Promise<void> {
    if (this.#following) this.#setFollowing(false);
    await work();
  }

  /** Brings a line into sight, and loads it where it is not there. */
  async #show(line: number): Promise<void> {
    await this.#pauseFor(async () => {
      if (this.#view.row(line) === null) await this.#load(`line=${line}`, (piece) => this.#view.replace(piece));
      for (const row of this.#box.querySelectorAll(".current")) row.classList.remove("current");
      this.#view.row(line)?.scrollIntoView({ block: "center" });
    });
  }

  async #showNamed(): Promise<void> {
    const named = namedLines();
    if (named === null) return;
    await this.#show(named.from);
    markNamed(this.#box);
  }

  async #toLatest(): Promise<void> {
    await this.#load("", (piece) => this.#view.replace(piece));
    this.#toEnd();
  }

  #setFollowing(on: boolean): void {
    this.#following = on;
    this.#toggle?.setAttribute("aria-pressed", String(on));
    if (this.#toggle !== null) this.#toggle.textContent = on ? "Following" : "Follow";
    this.#stop?.abort();
    this.#stop = null;
    this.#write();
    this.#say(on ? "" : "Paused. Follow goes on with the newest lines.");
    if (!on) return;
    const mine = (this.#stop = new AbortController());
    void (this.#isAtEnd ? Promise.resolve() : this.#toLatest()).then(() => {
      this.#toEnd();
      if (scrollY > 0) this.#box.scrollIntoView({ block: "nearest" });
      const ends = {
        onLines: (lines: LogLine[], id: string) => this.#onLines(lines, id),
        onShorter: () => this.#onShorter(),
        onBehind: () => this.#onBehind(),
        onEnd: () => this.#onEnd(),
        onBroken: () => this.#onBroken(),
      };
      return follow(this.#page, this.#name, this.#next, ends, mine.signal);
    });
  }

  /** Written once a frame, however fast they come. */
  #onLines(lines: LogLine[], id: string): void {
    this.#waiting.push(...lines);
    this.#next = id;
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#write());
    if (this.#waiting.length > 20_000) this.#write(); // a hidden page has no frames
  }

  #write(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#waiting.length === 0) return;
    this.#view.append(
      this.#waiting,
      this.#next.split("-").reduce((sum, offset) => sum + Number(offset), 0),
    );
    this.#waiting = [];
    this.#say("");
    this.#showEdges();
    if (this.#following) this.#toEnd();
  }

  #onShorter(): void {
    this.#say("The log got shorter: something overwrote it. It goes on from its new end.");
  }

  #onBehind(): void {
    this.#waiting = [];
    this.#isAtEnd = false;
    if (this.#following) this.#setFollowing(true); // from the newest lines on
  }

  #onBroken(): void {
    this.#say("The log cannot be read just now; trying again.");
  }

  #onEnd(): void {
    this.#write();
    this.#following = false;
    this.#toggle?.remove();
    this.#box.dataset["growing"] = "false";
    this.#toEnd();
    this.#say("The execution has ended; this is the end of its log.");
  }
}

const box = document.getElementById("log");
const first = box?.querySelector<HTMLElement>(".chunk");
const tools = document.getElementById("log-tools");
if (box != null && first != null && tools !== null) new LogBox(box, first, tools).start(tools);

/** Has the button show and hide times; returns what shows them where the page came with them. */
function addTimes(box: HTMLElement, tools: HTMLElement, setTimes: (on: boolean) => void): () => void {
  const button = tools.querySelector<HTMLButtonElement>("[data-times]");
  const set = (on: boolean) => {
    button?.setAttribute("aria-pressed", String(on));
    setTimes(on);
  };
  const isOn = () => button?.getAttribute("aria-pressed") === "true";
  button?.addEventListener("click", (event) => {
    event.preventDefault();
    const isBelow = box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
    set(!isOn());
    if (isBelow) box.scrollTop = box.scrollHeight;
  });
  return () => {
    if (isOn()) set(true);
  };
}

/** Hears of scrolling by wheel and keys; `onHome` and `onEnd` return true where they have moved the view themselves. */
function addScrolling(box: HTMLElement, to: { onUp: () => void; onHome: () => boolean; onEnd: () => boolean }): void {
  // Whoever scrolls up wants to read: hold still.
  box.addEventListener(
    "wheel",
    (event) => {
      if (event.deltaY < 0) to.onUp();
    },
    { passive: true },
  );
  box.addEventListener("keydown", (event) => {
    if (["ArrowUp", "PageUp", "Home"].includes(event.key)) to.onUp();
    const isMoved = event.key === "Home" ? to.onHome() : event.key === "End" && to.onEnd();
    if (isMoved) event.preventDefault();
  });
}
