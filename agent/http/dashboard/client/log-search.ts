// Search over the whole of a log by the agent, where it can: from match to match, loading the lines around each.

interface Hit {
  stream: string;
  line: number;
}

type Search = (text: string, step: -1 | 0 | 1) => Promise<string | null>;

/** null where the agent searches no logs. What a search gives is what to say of it; null while one is typing. */
export function createWholeSearch(box: HTMLElement): Search | null {
  const address = box.dataset["search"];
  if (address === undefined) return null;
  let asked = "";
  let hits: Hit[] = [];
  let more = false;
  let at = 0;
  return async (text, step) => {
    if (step === 0) return null;
    if (text === asked) at += step;
    else {
      const response = await fetch(`${address}?q=${encodeURIComponent(text)}`, { cache: "no-store" });
      if (!response.ok) throw new Error(String(response.status));
      const answer = (await response.json()) as { items: Hit[]; more: boolean };
      hits = answer.items.filter(({ stream }) => stream === box.dataset["stream"]);
      [asked, more] = [text, answer.more];
      at = step === 1 ? 0 : hits.length - 1;
    }
    if (hits.length === 0) return "no match in the whole log";
    at = (at + hits.length) % hits.length;
    const line = hits[at]?.line ?? 1;
    if (document.getElementById(`L${line}`) === null)
      location.assign(`${box.dataset["page"] ?? ""}&line=${line}#L${line}`);
    else location.hash = `#L${line}`;
    return `${at + 1} of ${hits.length}${more ? " or more" : ""} in the whole log`;
  };
}
