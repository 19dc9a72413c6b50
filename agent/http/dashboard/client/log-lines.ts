// Links to lines of a log: one line `#L120` or a range `#L120-L130`. And whether long lines are wrapped.

const wrapKey = "batch-agent.wrap";

/**
 * Marks what the address names, also when it changes; loads it where it is not shown. Returns whether it names a
 * line.
 */
export function addLineLinks(box: HTMLElement): boolean {
  let anchor: number | null = null;
  box.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest<HTMLElement>("a.n") : null;
    if (link === null) return;
    event.preventDefault();
    const line = Number(link.dataset["n"]);
    const [from, to] =
      event.shiftKey && anchor !== null ? [Math.min(anchor, line), Math.max(anchor, line)] : [line, line];
    if (!event.shiftKey) anchor = line;
    history.replaceState(null, "", from === to ? `#L${from}` : `#L${from}-L${to}`);
    mark(box, from, to);
  });
  addEventListener("hashchange", () => show(box));
  return show(box);
}

function show(box: HTMLElement): boolean {
  const match = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
  if (match === null) return false;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
  const row = document.getElementById(`L${from}`);
  if (row === null) {
    const asked = new URLSearchParams(location.search).get("line");
    if (asked !== String(from)) location.replace(`${box.dataset["page"] ?? ""}&line=${from}${location.hash}`);
    return true;
  }
  mark(box, from, to);
  row.scrollIntoView({ block: "center" });
  return true;
}

function mark(box: HTMLElement, from: number, to: number): void {
  for (const row of box.querySelectorAll(".marked")) row.classList.remove("marked");
  for (const link of box.querySelectorAll<HTMLElement>("a.n")) {
    const line = Number(link.dataset["n"]);
    if (line >= from && line <= to) link.parentElement?.classList.add("marked");
  }
}

export function addWrapping(box: HTMLElement, tools: HTMLElement): void {
  const button = tools.querySelector("[data-wrap]");
  const set = (wraps: boolean) => {
    box.classList.toggle("no-wrap", !wraps);
    button?.setAttribute("aria-pressed", String(wraps));
  };
  set(stored() !== "no");
  button?.addEventListener("click", () => {
    const wraps = box.classList.contains("no-wrap");
    set(wraps);
    try {
      localStorage.setItem(wrapKey, wraps ? "yes" : "no");
    } catch {
      // Wherever nothing may be stored, the choice holds for this page.
    }
  });
}

function stored(): string | null {
  try {
    return localStorage.getItem(wrapKey);
  } catch {
    return null;
  }
}
