// What a crontab's variables say to the lines below them.
import { zoneHint } from "../../definitions/zone-hint.ts";
import { batchSchema } from "../../model/batch-schema.gen.ts";
import { isTimeZone } from "../../schedule/zone.ts";

const mailAddress = new RegExp(batchSchema.properties.notify.properties.mail.items.pattern);

/** Describes what variables say at one place of the file. */
export interface Setting {
  /** Shell that the commands are written for; `bash` for any bash. */
  shell: string;
  timeZone: string | null;
  mail: string[];
  jitter: string | null;
  env: Map<string, string>;
}

export type Inheritable = Pick<Setting, "timeZone" | "mail" | "jitter" | "env">;

export const bash = "bash";
/** Holds what cron calls where no SHELL is set. */
export const cronsShell = "/bin/sh";

/** Takes over what one line says. `tell`: a word on it; `lost` when not all of it comes along. */
export function readVariable(
  text: string,
  setting: Setting,
  addRemark: (message: string, lost?: boolean) => void,
): void {
  const match = /^(?:"([^"]*)"|'([^']*)'|([^\s=]+))\s*=\s*([^]*)$/.exec(text);
  const name = match?.[1] ?? match?.[2] ?? match?.[3] ?? "";
  if (match === null || !/^[A-Za-z_]\w*$/.test(name))
    return addRemark("left out: neither a time with a command nor NAME=value", true);
  const trimmed = (match[4] ?? "").trim();
  const value = /^(["'])([^]*)\1$/.exec(trimmed)?.[2] ?? trimmed;
  switch (name) {
    case "SHELL":
      setting.shell = value === "" ? cronsShell : /(^|\/)bash$/.test(value) ? bash : value;
      if (!/(^|\/)(ba|da)?sh$/.test(setting.shell)) addRemark(`the commands below run in ${value}, called by bash`);
      return;
    case "START_HOURS_RANGE":
    case "PERSISTENT":
      return addRemark(`${name} is anacron's or systemd-cron's and is not taken over`, true);
    case "TZ":
      setting.env.set(name, value);
      return addRemark("TZ: set for the commands, as cron does; the times go by CRON_TZ, else by the agent's zone");
    case "MAILTO": {
      const parts = value.split(/[,\s]+/).filter((part) => part !== "");
      setting.mail = parts.filter((part) => mailAddress.test(part));
      for (const part of parts)
        if (!setting.mail.includes(part))
          addRemark(`MAILTO: ${part} is not a mail address; nobody is told in its place`, true);
      if (setting.mail.length > 0)
        addRemark("cron mailed every output; the batches below mail failure and recovery (notify.on)");
      return;
    }
    case "CRON_TZ": {
      // As libc reads it, `:` only says that a file of the database follows.
      const zone = value.replace(/^:/, "");
      setting.timeZone = isTimeZone(zone) ? zone : null;
      if (zone !== "" && setting.timeZone === null)
        addRemark(
          `CRON_TZ: there is no time zone ${zone}; the batches below use the agent's${hinted(zoneHint(zone))}`,
          true,
        );
      return;
    }
    case "RANDOM_DELAY":
      setting.jitter = /^[1-9]\d{0,5}$/.test(value) ? `${value}m` : null;
      if (setting.jitter === null && !/^0*$/.test(value))
        addRemark(`RANDOM_DELAY: ${value} is not a number of minutes; the batches below wait for nothing`, true);
      return;
    case "LOGNAME":
    case "USER":
    case "MAILFROM":
    case "CONTENT_TYPE":
    case "CONTENT_TRANSFER_ENCODING":
      return addRemark(
        `${name} is not taken over${name === "MAILFROM" ? ": the agent's --mail-from is the sender" : ""}`,
      );
    default:
      if (name.startsWith("BATCH_"))
        return addRemark(`${name} is not taken over: names that begin with BATCH_ are the agent's own`, true);
      if (/\$/.test(value)) addRemark(`${name}: cron does not replace $ in a value, nor does the batch`);
      setting.env.set(name, value);
  }
}

function hinted(hint: string | null): string {
  return hint === null ? "" : ` (${hint})`;
}
