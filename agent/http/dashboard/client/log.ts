// The log on an execution's page: follow and pause, load what came earlier, search in what is loaded.
import { bytesText } from "../../../text/relative-time.ts";
import { addLineLinks, addWrapping } from "./log-lines.ts";
import { createWholeSearch } from "./log-search.ts";
import { follow, readRange } from "./log-stream.ts";
import { createLogView } from "./log-view.ts";

const stepBytes = 64 * 1024;
const box = document.getElementById("log");
const first = box?.querySelector<HTMLElement>(".chunk");
const tools = document.getElementById("log-tools");
if (box != null && first != null && tools !== null) start(box, first, tools);

function start(box: HTMLElement, first: HTMLElement, tools: HTMLElement): void {
  const address = box.dataset["source"] ?? "";
  const view = createLogView(
    box,
    first,
    ...((["start", "end", "first"] as const).map((name) => Number(box.dataset[name])) as [number, number, number]),
  );
  const toggle = tools.querySelector<HTMLButtonElement>("[data-follow]");
  const note = document.getElementById("log-note");
  const earlier = box.querySelector<HTMLAnchorElement>(".earlier");
  const input = tools.querySelector<HTMLInputElement>("input");
  const found = document.getElementById("log-found");
  const growing = box.dataset["growing"] === "true";
  let stop: AbortController | null = null;
  let following = false;
  /** True when the bottom of what is shown is no longer the end of the log. */
  let detached = false;
  let waiting: { text: string; end: number }[] = [];
  let frame = 0;

  addWrapping(box, tools);
  toEnd();
  box.querySelector(".error-line")?.scrollIntoView({ block: "center" });
  scrollTo(0, 0); // the box is scrolled, not the page
  const isAtLine = addLineLinks(box);
  if (growing && !isAtLine) setFollowing(true);

  function say(text: string): void {
    if (note !== null) note.textContent = text;
  }
  function toEnd(): void {
    box.scrollTop = box.scrollHeight;
  }
  function setFollowing(on: boolean): void {
    if (on && detached) return location.reload(); // the lines between are not here any more
    following = on;
    toggle?.setAttribute("aria-pressed", String(on));
    if (toggle !== null) toggle.textContent = on ? "Following" : "Follow";
    stop?.abort();
    stop = null;
    if (!on) return say("Paused. Follow goes on where it stopped.");
    say("");
    stop = new AbortController();
    toEnd();
    if (scrollY > 0) box.scrollIntoView({ block: "nearest" });
    void follow(
      address,
      view.end(),
      { onLines, onShorter, onEnd, onBroken: () => say("The log cannot be read just now; trying again.") },
      stop.signal,
    );
  }

  /** Written once a frame, however fast they come. */
  function onLines(text: string, end: number): void {
    waiting.push({ text, end });
    if (frame === 0) frame = requestAnimationFrame(write);
    if (waiting.length > 200) write(); // a hidden page has no frames
  }
  function write(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    const last = waiting.at(-1);
    if (last === undefined) return;
    view.append(waiting.map(({ text }) => text).join("\n"), last.end);
    waiting = [];
    note?.classList.remove("bad");
    if (note?.textContent !== "") say("");
    showEarlier();
    if (following) toEnd();
  }
  function onShorter(end: number): void {
    onLines("[the log got shorter here; what stood there is gone]", end);
  }
  function onEnd(): void {
    write();
    following = false;
    toggle?.remove();
    say("The execution has ended; this is the end of its log.");
  }
  function showEarlier(): void {
    if (earlier === null) return;
    earlier.hidden = view.start() === 0;
    earlier.textContent = `Load earlier lines (${bytesText(view.start())} above)`;
  }

  async function loadEarlier(): Promise<void> {
    const end = view.start();
    const from = Math.max(0, end - stepBytes);
    const bytes = await readRange(address, from, end);
    const newline = from === 0 ? -1 : bytes.indexOf(10);
    const cut = newline >= 0 && newline < bytes.length - 1 ? newline + 1 : 0;
    const text = new TextDecoder().decode(bytes.subarray(cut)).replace(/\n$/, "");
    if (view.prepend(text, from + cut)) {
      if (following) setFollowing(false);
      detached = true;
      if (toggle !== null) toggle.textContent = "Back to the end";
      say("The end of the log is no longer shown here.");
    }
    showEarlier();
  }

  earlier?.addEventListener("click", (event) => {
    event.preventDefault();
    loadEarlier().catch(() => say("The log cannot be read just now."));
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
    if (event.key === "End" && growing && !following) setFollowing(true);
  });

  const whole = createWholeSearch(box);
  const search = (step: -1 | 0 | 1) => {
    if (following && input?.value !== "") setFollowing(false);
    if (found === null || input === null) return;
    found.textContent = view.search(input.value, step);
    if (whole === null || input.value === "") return;
    whole(input.value, step)
      .then((said) => (found.textContent = said ?? found.textContent))
      .catch(() => (found.textContent = "the log cannot be searched just now"));
  };
  input?.addEventListener("input", () => search(0));
  for (const button of tools.querySelectorAll<HTMLElement>("[data-step]"))
    button.addEventListener("click", () => search(button.dataset["step"] === "1" ? 1 : -1));
  input?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    search(event.shiftKey ? 1 : -1); // from the end of the log upwards
  });
}
