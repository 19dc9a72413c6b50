// "Did you mean" for names of time zones. Pure.
import { isTimeZone } from "../schedule/zone.ts";
import { closest } from "./suggest.ts";

/** Abbreviations that clocks show, and the zones that show them. None names a zone: most are used in several places. */
const abbreviations: Record<string, readonly string[]> = Object.fromEntries(
  [
    "ACDT Australia/Adelaide",
    "ACST Australia/Adelaide Australia/Darwin",
    "ACT Australia/Darwin America/Rio_Branco",
    "ADT America/Halifax",
    "AEDT Australia/Sydney",
    "AEST Australia/Sydney Australia/Brisbane",
    "AET Australia/Sydney",
    "AGT America/Argentina/Buenos_Aires",
    "AKDT America/Anchorage",
    "AKST America/Anchorage",
    "ART America/Argentina/Buenos_Aires Africa/Cairo",
    "AST America/Halifax Asia/Riyadh",
    "AWST Australia/Perth",
    "BET America/Sao_Paulo",
    "BRT America/Sao_Paulo",
    "BST Europe/London Asia/Dhaka",
    "CAT Africa/Maputo",
    "CDT America/Chicago",
    "CEST Europe/Berlin Europe/Paris",
    "CNT America/St_Johns",
    "CST America/Chicago Asia/Shanghai",
    "CT America/Chicago",
    "CTT Asia/Shanghai",
    "EAT Africa/Nairobi",
    "ECT America/Guayaquil Europe/Paris",
    "EDT America/New_York",
    "EEST Europe/Athens Europe/Kyiv",
    "ET America/New_York",
    "HKT Asia/Hong_Kong",
    "ICT Asia/Bangkok",
    "IDT Asia/Jerusalem",
    "IET America/Indiana/Indianapolis",
    "IST Asia/Kolkata Europe/Dublin Asia/Jerusalem",
    "JST Asia/Tokyo",
    "KST Asia/Seoul",
    "MDT America/Denver",
    "MIT Pacific/Apia",
    "MSK Europe/Moscow",
    "MT America/Denver",
    "NDT America/St_Johns",
    "NET Asia/Yerevan",
    "NST America/St_Johns",
    "NZDT Pacific/Auckland",
    "NZST Pacific/Auckland",
    "PDT America/Los_Angeles",
    "PKT Asia/Karachi",
    "PLT Asia/Karachi",
    "PNT America/Phoenix",
    "PRT America/Puerto_Rico",
    "PST America/Los_Angeles Asia/Manila",
    "PT America/Los_Angeles",
    "SAST Africa/Johannesburg",
    "SGT Asia/Singapore",
    "SST Pacific/Pago_Pago Pacific/Guadalcanal",
    "VST Asia/Ho_Chi_Minh",
    "WAT Africa/Lagos",
    "WEST Europe/Lisbon",
    "WIB Asia/Jakarta",
  ].map((line) => {
    const [word = "", ...places] = line.split(" ");
    return [word, places];
  }),
);

let zones: readonly string[] | undefined;

/** A hint for a name that is no zone; null where nothing comes near it. */
export function zoneHint(name: string): string | null {
  zones ??= Intl.supportedValuesOf("timeZone");
  if (/^(UTC|GMT)?[+-]\d/i.test(name))
    return "an offset knows no clock changes: name a place, such as Europe/Paris, or UTC";
  const places = abbreviations[name.toUpperCase()];
  if (places !== undefined)
    return (
      `${name.toUpperCase()} is an abbreviation, not the name of a zone; did you mean ` +
      `${places.map((place) => `\`${place}\``).join(" or ")}?`
    );
  const plain = name.replace(/^:/, "").replace(/^(posix|right)\//i, "");
  if (plain !== name && isTimeZone(plain)) return `did you mean \`${plain}\`?`;
  const city = name.replace(/^.*\//, "").replace(/ /g, "_").toLowerCase();
  const near =
    zones.find((zone) => zone.toLowerCase().endsWith(`/${city}`)) ??
    closest(name, zones) ??
    closest(
      city,
      zones.map((zone) => zone.replace(/^.*\//, "")),
    );
  const whole = near === null || near.includes("/") ? near : zones.find((zone) => zone.endsWith(`/${near}`));
  return whole === null || whole === undefined ? null : `did you mean \`${whole}\`?`;
}
