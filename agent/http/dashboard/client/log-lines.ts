// Links to lines of a log: one line `#L120` or a range `#L120-L130`. And whether long lines are wrapped.

const wrapKey = "batch-agent.wrap";

/** Makes line numbers links to one line, or with Shift to a range from the one before. */
export function addLineLinks(box: HTMLElement): void {
  let anchor: number | null = null;
  box.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest<HTMLElement>("a.n") : null;
    if (link === null) return;
    event.preventDefault();
    const line = Number(link.dataset["n"]);
    const isRange = event.shiftKey && anchor !== null;
    const [from, to] = isRange ? [Math.min(anchor ?? line, line), Math.max(anchor ?? line, line)] : [line, line];
    if (!event.shiftKey) anchor = line;
    history.replaceState(null, "", from === to ? `#L${from}` : `#L${from}-L${to}`);
    markNamed(box);
  });
}

/** The lines that the address names. */
export function namedLines(): { from: number; to: number } | null {
  const match = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash);
  if (match === null) return null;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
  return { from: Math.max(1, Math.min(from, to)), to: Math.max(1, from, to) };
}

/** Marks the lines that the address names, as far as they are there. */
export function markNamed(box: HTMLElement): void {
  for (const row of box.querySelectorAll(".marked")) row.classList.remove("marked");
  const named = namedLines();
  if (named === null) return;
  for (const link of box.querySelectorAll<HTMLElement>("a.n")) {
    const line = Number(link.dataset["n"]);
    if (line >= named.from && line <= named.to) link.parentElement?.classList.add("marked");
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
