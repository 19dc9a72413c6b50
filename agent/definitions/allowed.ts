// What batches may name of a cluster: the agent's account could give any Secret of its namespace to any image.
import type { BatchFile } from "../model/batch.ts";
import type { Fault } from "./text-file.ts";
import type { Path, YamlFile } from "./yaml.ts";

/** Names and globs: `*` is any text, `?` any character. */
export interface AllowList {
  images: readonly string[];
  secrets: readonly string[];
  configMaps: readonly string[];
  /** Image of batches that name none; null where such a batch cannot run. */
  defaultImage: string | null;
}

/** Returns a fault for everything that a batch names beyond the lists. */
export function notAllowed(
  kubernetes: Partial<NonNullable<BatchFile["kubernetes"]>> | undefined,
  allowed: AllowList,
  yaml: Pick<YamlFile, "place">,
): Fault[] {
  const faults: Fault[] = [];
  const report = (path: Path, message: string, hint: string) =>
    faults.push({ code: "kubernetes-not-allowed", path, place: yaml.place(path, "value"), message, hint });
  const image = kubernetes?.image;
  if (image === undefined && allowed.defaultImage === null)
    report(["kubernetes"], "no image is named, and the agent has none", "set kubernetes.image, or --kubernetes-image");
  if (image !== undefined && !isAllowed(image, allowed.images))
    report(
      ["kubernetes", "image"],
      `the image ${JSON.stringify(image)} is not allowed`,
      hintOf(allowed.images, "images"),
    );
  for (const [index, from] of (kubernetes?.envFrom ?? []).entries()) {
    const [key, name, list, option] =
      "secret" in from
        ? (["secret", from.secret, allowed.secrets, "secrets"] as const)
        : (["configMap", from.configMap, allowed.configMaps, "config-maps"] as const);
    if (isAllowed(name, list)) continue;
    const what = key === "secret" ? "Secret" : "ConfigMap";
    const message = `the ${what} ${JSON.stringify(name)} is not allowed`;
    report(["kubernetes", "envFrom", index, key], message, hintOf(list, option));
  }
  return faults;
}

function hintOf(list: readonly string[], option: string): string {
  return list.length === 0
    ? `none are; whoever runs the agent allows them with --kubernetes-${option}`
    : `allowed are ${list.join(", ")} (--kubernetes-${option})`;
}

function isAllowed(name: string, globs: readonly string[]): boolean {
  return globs.some((glob) => matchesGlob(name, glob));
}

/** Takes time that grows with the product of both lengths at most. */
export function matchesGlob(name: string, glob: string): boolean {
  let at = 0;
  let from = 0;
  let star: { glob: number; name: number } | null = null;
  while (at < name.length) {
    if (glob[from] === "*") star = { glob: from++, name: at };
    else if (from < glob.length && (glob[from] === "?" || glob[from] === name[at])) {
      from += 1;
      at += 1;
    } else if (star !== null) {
      from = star.glob + 1;
      at = ++star.name;
    } else return false;
  }
  while (glob[from] === "*") from += 1;
  return from === glob.length;
}
