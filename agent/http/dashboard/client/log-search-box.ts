// The search field above a log, with its buttons for the next and the previous hit.
import { createSearch } from "./log-search.ts";

/** Time from the last key to the question, in ms. */
const typingMs = 250;

export interface SearchBox {
  /** Address of the execution, and the view that is shown. */
  page: string;
  name: string;
  /** Number of the first line in sight: the search begins there. */
  firstInSight: () => number;
  markHits: (isHit: (text: string) => boolean) => void;
  /** Brings a line that was found into sight. */
  onFound: (line: number) => Promise<void>;
}

export function addSearchBox(tools: HTMLElement, { page, name, firstInSight, markHits, onFound }: SearchBox): void {
  const input = tools.querySelector<HTMLInputElement>("input[type=search]");
  const found = document.getElementById("log-found");
  const search = createSearch(page, name, onFound, (text) => {
    if (found !== null) found.textContent = text;
  });
  let typing: ReturnType<typeof setTimeout> | null = null;
  let searched = "";
  async function ask(): Promise<void> {
    if (typing !== null) clearTimeout(typing);
    typing = null;
    searched = input?.value ?? "";
    const asked = search.ask(searched, firstInSight());
    markHits((text) => search.holds(text));
    await asked;
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
}

/** Returns the number of the first line of a log that is in sight; null where none is. */
export function firstInSight(box: HTMLElement): number | null {
  const top = box.getBoundingClientRect().top;
  const row = [...box.querySelectorAll(".chunk > div")].find((one) => one.getBoundingClientRect().bottom > top);
  return row === undefined ? null : Number(row.id.slice(1));
}
