// What the kubelet does to a ConfigMap, Secret or projected volume: its atomic writer, step by step, and the mounts
// around it.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";

const mounted: string[] = [];

afterEach(() => {
  for (const path of mounted.splice(0).reverse()) execFileSync("umount", ["--lazy", path]);
});

/**
 * A volume at `path`. Keys are paths as in `items`: `script.sh`, `report/script.sh`. Each write makes a new folder
 * `..<time>.<random>`, swaps `..data` to it by rename, then takes out the links of keys that went, then the old folder.
 */
export function volume(path: string) {
  mkdirSync(path, { recursive: true });
  return {
    path,
    write(files: Readonly<Record<string, string>>, mode = 0o644): void {
      const old = readdirSync(path).includes("..data") ? readlinkSync(join(path, "..data")) : null;
      const time = new Date().toISOString().slice(0, 19).replace(/[-T:]/g, "_");
      const folder = mkdtempSync(join(path, `..${time}.`));
      chmodSync(folder, 0o755);
      for (const [key, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, key)), { recursive: true });
        writeFileSync(join(folder, key), text);
        chmodSync(join(folder, key), mode);
      }
      const shown = new Set(Object.keys(files).map((key) => key.split("/")[0] as string));
      const links = readdirSync(path).filter((name) => !name.startsWith(".."));
      for (const name of shown) if (!links.includes(name)) symlinkSync(join("..data", name), join(path, name));
      symlinkSync(folder.slice(path.length + 1), join(path, "..data_tmp"));
      renameSync(join(path, "..data_tmp"), join(path, "..data"));
      for (const name of links) if (!shown.has(name)) unlinkSync(join(path, name));
      if (old !== null) rmSync(join(path, old), { recursive: true });
    },
  };
}

/** Mounts a folder or file at another path, as a container sees a volume; needs root. */
export function bindMount(from: string, to: string, options: { readOnly?: boolean } = {}): void {
  execFileSync("mount", ["--bind", from, to]);
  mounted.push(to);
  if (options.readOnly) execFileSync("mount", ["-o", "remount,bind,ro", to]);
}
