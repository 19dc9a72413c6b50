// Keys for those who do not reach for the mouse, and the help that lists them.

/** Below the path of --base-url, which is where this script comes from too. */
const pages: Readonly<Record<string, string>> = { b: "", e: "executions", t: "timeline", p: "problems" };
/** How long a `g` waits for the letter that says where to go. */
const patienceMs = 1_500;

export function addKeys(): void {
  const help = document.getElementById("help");
  const dialog = help instanceof HTMLDialogElement ? help : null;
  let goingSince = -Infinity;
  document.querySelector("[data-help]")?.addEventListener("click", () => dialog?.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
    const { key } = event;
    if (key === "?") {
      event.preventDefault();
      if (dialog?.open === true) dialog.close();
      else dialog?.showModal();
      return;
    }
    if (dialog?.open === true) return;
    const page = pages[key];
    if (event.timeStamp - goingSince < patienceMs && page !== undefined) {
      event.preventDefault();
      location.assign(new URL(`../../../../${page}`, import.meta.url));
    } else if (key === "/") {
      event.preventDefault();
      document.querySelector<HTMLInputElement>('main input[type="search"]')?.focus();
    } else if (key === "j" || key === "k") {
      event.preventDefault();
      focusRow(key === "j" ? 1 : -1);
    }
    goingSince = key === "g" ? event.timeStamp : -Infinity;
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable]") !== null;
}

/** Moves the focus to the main link of the next or previous row. */
function focusRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a[href]") !== null);
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[at === -1 ? (step === 1 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  const link = row?.querySelector<HTMLElement>("[data-row-link]") ?? row?.querySelector<HTMLElement>("a[href]");
  link?.focus();
  link?.scrollIntoView({ block: "nearest" });
}
