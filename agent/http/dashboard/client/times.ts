// Writes the times of a page in the zone of the one who looks, and keeps the relative ones current.
import { relativeText, spanText } from "../../../text/relative-time.ts";
import { gridPath, localTicksOf, tickLabel, type Zoom } from "../drawing/window.ts";

export function writeTimes(): void {
  const now = Date.now();
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-relative]")) {
    const text = relativeText(Date.parse(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
    if (time.dataset["written"] === time.dateTime) continue;
    time.dataset["written"] = time.dateTime;
    time.title = localText(time.dateTime) + ownText(time.dateTime, time.dataset["own"]);
  }
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-absolute]")) {
    if (time.dataset["written"] === time.dateTime) continue;
    time.dataset["written"] = time.dateTime;
    time.title = time.dateTime;
    time.textContent = localText(time.dateTime) + ownText(time.dateTime, time.dataset["own"]);
  }
  const today = localText(new Date(now).toISOString()).slice(0, 10);
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-clock]")) {
    const local = localText(time.dateTime);
    const own = ownText(time.dateTime, time.dataset["own"]);
    const city = cityOf(own).replace(/\(\d\d-\d\d /, "(");
    const isSoon = local.slice(0, 10) === today || Math.abs(Date.parse(time.dateTime) - now) < dayMs;
    const text = (isSoon ? local.slice(11, 16) : local.slice(5, 16)) + city;
    if (time.textContent !== text) time.textContent = text;
    time.title = local + own;
  }
  for (const axis of document.querySelectorAll<SVGSVGElement>("svg.ticks")) writeTicks(axis);
  for (const title of document.querySelectorAll<SVGTitleElement>("title[data-title]")) {
    const text = title.textContent;
    const own = title.dataset["own"];
    const written = text.replace(
      /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC(?: \([^)]*\))?/g,
      (_, day: string, time: string) => localText(`${day}T${time}Z`) + ownText(`${day}T${time}Z`, own),
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

/** Puts ticks and grid of a timeline at full hours of the zone of the one who looks, once. */
function writeTicks(axis: SVGSVGElement): void {
  const { from = "", to = "", zoom = "" } = axis.dataset;
  const key = `${from} ${to} ${zoom}`;
  if (axis.dataset["written"] === key) return;
  axis.dataset["written"] = key;
  const window = { from: Number(from), to: Number(to), zoom: zoom as Zoom };
  const ticks = localTicksOf(window);
  axis.replaceChildren(
    ...ticks.map((at) => {
      const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      const label = tickLabel(at, localText(new Date(at).toISOString()), window);
      text.setAttribute("x", label.x);
      text.setAttribute("y", label.y);
      text.textContent = label.text;
      return text;
    }),
  );
  for (const grid of document.querySelectorAll<SVGPathElement>("path.grid[data-height]"))
    grid.setAttribute("d", gridPath(ticks, window, Number(grid.dataset["height"])));
}

const dayMs = 86_400_000;
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
  return (
    `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
    `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`
  );
}

/** ` (07:00 Asia/Tokyo)`: the time in the batch's own zone, as the server wrote it, where it differs from here. */
function ownText(at: string, own: string | undefined): string {
  if (own === undefined) return "";
  const here = localText(at);
  if (own.slice(0, 16) === here.slice(0, 16)) return "";
  return ` (${own.slice(0, 10) === here.slice(0, 10) ? own.slice(11) : own.slice(5)})`;
}

/** Fields for a date and a time, which the server fills in UTC: shown, and asked for, in the zone of who looks. */
export function makeFieldsLocal(form: HTMLFormElement): void {
  for (const input of form.querySelectorAll<HTMLInputElement>("input[data-at]")) {
    const at = input.dataset["at"] ?? "";
    const label = input.labels?.[0]?.querySelector("span");
    if (label != null) label.textContent = label.textContent.replace(" (UTC)", "");
    if (at !== "")
      input.value = localText(at)
        .slice(0, input.type === "date" ? 10 : 16)
        .replace(" ", "T");
  }
}

/** Returns the value of a field as the server takes it: what is a local time, in UTC. */
export function valueOf(form: HTMLFormElement, name: string, value: string): string {
  const input = form.elements.namedItem(name);
  if (!(input instanceof HTMLInputElement) || input.dataset["at"] === undefined || value === "") return value;
  const at = new Date(input.type === "date" ? `${value}T00:00` : value);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().replace(/:00\.000Z$/, "Z");
}

/** ` (02:00 Buenos Aires)` of ` (02:00 America/Argentina/Buenos_Aires)`. */
function cityOf(own: string): string {
  const slash = own.lastIndexOf("/");
  const short = slash < 0 ? own : own.slice(0, own.lastIndexOf(" ", slash) + 1) + own.slice(slash + 1);
  return short.replaceAll("_", " ");
}
