// Describes what the pages load: one style sheet, the scripts of client/ and the pure modules they share with the
// server. Nothing else is served from disk.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Context, Hono } from "hono";
import { colourRules } from "../../text/ansi.ts";
import { HttpProblem } from "../protocol/problem.ts";

const styleParts = ["client/base.css", "client/pages.css", "client/log.css"];
const types = { css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8", svg: "image/svg+xml" };

/**
 * Below /assets/ lies the built program's own layout, so that a script's relative imports lead where they do on disk.
 */
const served: Record<string, { files: readonly string[]; type: keyof typeof types }> = {
  "/style.css": { files: styleParts, type: "css" },
  "/assets/icon.svg": { files: ["client/icon.svg"], type: "svg" },
  ...Object.fromEntries(
    [
      "http/dashboard/client/main.js",
      "http/dashboard/client/swap.js",
      "http/dashboard/client/copy.js",
      "http/dashboard/client/keys.js",
      "http/dashboard/client/times.js",
      "http/dashboard/drawing/window.js",
      "http/dashboard/client/log.js",
      "http/dashboard/client/log-view.js",
      "http/dashboard/client/log-stream.js",
      "http/dashboard/client/log-lines.js",
      "http/dashboard/client/log-search.js",
      "http/dashboard/client/log-search-box.js",
      "text/relative-time.js",
      "text/ansi.js",
    ].map((file) => [`/assets/${file}`, { files: [`../../${file}`], type: "js" as const }]),
  ),
};

/**
 * Everything is read here, once: an update of the program's folder must not change, or take away, what a running
 * agent serves.
 */
export function addAssetRoutes(app: Hono): void {
  for (const [path, { files, type }] of Object.entries(served)) {
    const loaded = load(files);
    app.get(path, (c) => {
      if (loaded === null) throw new HttpProblem(404, `there is nothing at ${path}: the program was not built whole`);
      return answer(c, loaded.body, loaded.etag, types[type]);
    });
  }
}

/** null when one is not there, as in a checkout that is not built. */
function load(files: readonly string[]): { body: string; etag: string } | null {
  try {
    const texts = files.map((file) => readFileSync(new URL(file, import.meta.url), "utf8"));
    const body = [...texts, ...(files === styleParts ? [colourRules()] : [])].join("\n");
    return { body, etag: `"${createHash("sha256").update(body).digest("hex").slice(0, 16)}"` };
  } catch {
    return null;
  }
}

/** Asked for again each time and answered with 304, so that pages and scripts of two versions never meet. */
function answer(c: Context, body: string, etag: string, type: string): Response {
  const headers = { "Content-Type": type, "Cache-Control": "no-cache", ETag: etag };
  if (c.req.header("If-None-Match") === etag) return c.body(null, 304, headers);
  return c.body(body, 200, headers);
}
