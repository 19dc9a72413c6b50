// Describes what the machine brings to the defaults: its cores, and the zone of its clocks.
import { readlinkSync, realpathSync } from "node:fs";
import { availableParallelism, hostname, userInfo } from "node:os";
import { dirname, resolve } from "node:path";
import type { Machine } from "../config.ts";
import { readPlainBytes } from "../platform/files.ts";
import { findMachineZone } from "../schedule/machine-zone.ts";

/** Zone files are a few KiB; more is none. */
const maxZoneFileBytes = 1024 * 1024;
const zoneFolders = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

let machine: Machine | null = null;

/** Looks once: the zone of a process does not change while it runs. */
export function thisMachine(env: Readonly<Record<string, string | undefined>>): Machine {
  machine ??= {
    cores: availableParallelism(),
    zone: findMachineZone(
      {
        tz: env["TZ"],
        folders: env["TZDIR"] ? [resolve(env["TZDIR"])] : zoneFolders,
        read: readZoneFile,
        follow,
        named: readZoneFile("/etc/timezone")?.toString("utf8").trim() ?? null,
      },
      Date.now(),
    ),
  };
  return machine;
}

function readZoneFile(path: string): Buffer | null {
  try {
    return readPlainBytes(path, maxZoneFileBytes);
  } catch {
    return null;
  }
}

function follow(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch {
    try {
      return resolve(dirname(path), readlinkSync(path));
    } catch {
      return null;
    }
  }
}

/** `user@host` of whoever runs a command: for people, not proof. */
export function thisUser(): string {
  let user = "";
  try {
    user = userInfo().username;
  } catch {
    // a container may run as a user that has no name
  }
  return `${user || `uid-${process.getuid?.() ?? "unknown"}`}@${hostname()}`;
}
