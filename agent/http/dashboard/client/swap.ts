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

/** Boxes that are scrolled by themselves. */
const boxes = ".scroll, .log, .source, .files, .diff, pre";

/**
 * Replaces the elements that `selector` finds, matched by id. What has the focus keeps it, what is open stays open, and
 * boxes stay where they were scrolled to. A part in which text is being selected is left for the next time; returns
 * false where there was one.
 */
export function swap(fresh: Document, selector = "[data-live]"): boolean {
  let isWhole = true;
  for (const next of fresh.querySelectorAll(selector)) {
    const old = document.getElementById(next.id);
    if (old === null) continue;
    const text = next.outerHTML;
    if (given.get(old) === text) continue;
    if (isSelecting(old)) {
      isWhole = false;
      continue;
    }
    const focus = old.contains(document.activeElement) ? focusPath(old, document.activeElement) : null;
    const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
    const scrolled = [...old.querySelectorAll(boxes)].map(({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop]);
    const adopted = document.adoptNode(next);
    old.replaceWith(adopted);
    given.set(adopted, text);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    adopted.querySelectorAll(boxes).forEach((box, index) => {
      [box.scrollLeft = 0, box.scrollTop = 0] = scrolled[index] ?? [];
    });
    focus?.(adopted)?.focus({ preventScroll: true });
  }
  return isWhole;
}

function isSelecting(part: Element): boolean {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(part, true);
}

/** Returns how to find in the new markup what has the focus in the old: by its id, its address, or its place. */
function focusPath(
  part: Element,
  element: Element | null,
): ((fresh: Element) => HTMLElement | null | undefined) | null {
  if (element === null) return null;
  const href = element.getAttribute("href");
  const selector =
    element.id !== ""
      ? `#${CSS.escape(element.id)}`
      : href === null
        ? element.localName
        : `[href="${CSS.escape(href)}"]`;
  const place = [...part.querySelectorAll(selector)].indexOf(element);
  return (fresh) => fresh.querySelectorAll<HTMLElement>(selector)[place];
}
