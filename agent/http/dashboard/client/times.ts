// Writes the times of a page in the zone of the one who looks, and keeps the relative ones current.
import { relativeText, spanText } from "../../../text/relative-time.ts";

export function writeTimes(): void {
  const now = Date.now();
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-relative]")) {
    const text = relativeText(Date.parse(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
    if (time.dataset["written"] === time.dateTime) continue;
    time.dataset["written"] = time.dateTime;
    time.title = localText(time.dateTime);
  }
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-absolute]")) {
    if (time.dataset["written"] === time.dateTime) continue;
    time.dataset["written"] = time.dateTime;
    time.title = time.dateTime;
    time.textContent = localText(time.dateTime) + ownText(time);
  }
  const today = localText(new Date(now).toISOString()).slice(0, 10);
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-clock]")) {
    const local = localText(time.dateTime);
    const text = local.slice(0, 10) === today ? local.slice(11, 16) : local.slice(5, 16);
    if (time.textContent !== text) time.textContent = text;
    time.title = local;
  }
  for (const tick of document.querySelectorAll<SVGTextElement>("text[data-tick]")) {
    const local = localText(tick.dataset["at"] ?? "");
    const text = tick.dataset["tick"] === "day" ? local.slice(5, 10) : local.slice(11, 16);
    if (tick.textContent !== text) tick.textContent = text;
  }
  for (const title of document.querySelectorAll<SVGTitleElement>("title[data-title]")) {
    const text = title.textContent;
    const written = text.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/g, (_, day, time) =>
      localText(`${day}T${time}Z`),
    );
    if (written !== text) title.textContent = written;
  }
  for (const span of document.querySelectorAll<HTMLElement>("[data-zone-name]")) {
    if (span.textContent !== zoneName) span.textContent = zoneName;
  }
  for (const span of document.querySelectorAll<HTMLElement>("[data-unless-zone]"))
    span.hidden = span.dataset["unlessZone"] === zoneName;
  for (const span of document.querySelectorAll<HTMLElement>("[data-since]")) {
    span.textContent = spanText(now - Date.parse(span.dataset["since"] ?? ""));
  }
}

const zoneName = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** One for all times: to make one takes longer than to write a hundred times with it. */
const shortZone = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" });

/** `03:00:00.1`, in the zone of the one who looks. */
export function clockText(iso: string): string {
  return `${localText(iso).slice(11, 19)}.${Math.floor(new Date(iso).getMilliseconds() / 100)}`;
}

/** `2026-11-24 03:00:00 GMT+1`, in the zone of the one who looks. */
export function localText(iso: string): string {
  const at = new Date(iso);
  const two = (part: number) => String(part).padStart(2, "0");
  const zone = shortZone.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "";
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`;
}

/** The time in the batch's own zone, as the server wrote it, where the clocks there differ from here. */
function ownText({ dataset, dateTime }: HTMLTimeElement): string {
  const own = dataset["own"];
  if (own === undefined) return "";
  return own.slice(0, 5) === localText(dateTime).slice(11, 16) ? "" : ` (${own})`;
}
