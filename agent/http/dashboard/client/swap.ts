// Takes a page that the agent renders now and puts its live parts in place of the old ones. The one place where text
// becomes markup.

interface MarkupPolicy {
  createHTML: (text: string) => string;
}
declare global {
  interface Window {
    trustedTypes?: { createPolicy: (name: string, rules: MarkupPolicy) => MarkupPolicy };
  }
}

// Only the agent's own pages pass here, with every text in them already escaped.
const rules: MarkupPolicy = { createHTML: (text) => text };
const policy = window.trustedTypes?.createPolicy("batch-agent", rules) ?? rules;

/** As the server last gave them: what scripts changed since (times) is no reason to replace a part. */
const given = new WeakMap<Element, string>();

/** Gets `address` anew; null when the agent does not answer with a page. */
export async function fetchPage(address: string): Promise<Document | null> {
  try {
    const response = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (response.redirected && new URL(response.url).pathname.endsWith("/login")) location.reload();
    if (!response.ok) return null;
    return new DOMParser().parseFromString(policy.createHTML(await response.text()), "text/html");
  } catch {
    return null;
  }
}

/** Replaces the elements that `selector` finds, matched by id. What has the focus keeps it, what is open stays open. */
export function swap(fresh: Document, selector = "[data-live]"): void {
  for (const next of fresh.querySelectorAll(selector)) {
    const old = document.getElementById(next.id);
    if (old === null) continue;
    const text = next.outerHTML;
    if (given.get(old) === text) continue;
    const focus = old.contains(document.activeElement) ? focusPath(document.activeElement) : null;
    const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
    const scrolled = [...old.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const adopted = document.adoptNode(next);
    old.replaceWith(adopted);
    given.set(adopted, text);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    adopted.querySelectorAll(".scroll").forEach((box, index) => (box.scrollLeft = scrolled[index] ?? 0));
    if (focus !== null) adopted.querySelector<HTMLElement>(focus)?.focus({ preventScroll: true });
  }
}

/** How to find the same thing in the new markup. */
function focusPath(element: Element | null): string | null {
  if (element === null) return null;
  if (element.id !== "") return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  return href === null ? null : `[href="${CSS.escape(href)}"]`;
}
