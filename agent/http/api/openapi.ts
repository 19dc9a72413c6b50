// The API's own description, from schemas/: one OpenAPI document with the schema of batch.yaml in it.
import { readFileSync } from "node:fs";
import { parse } from "yaml";

const read = (name: string) => readFileSync(new URL(`../../../schemas/${name}`, import.meta.url), "utf8");
// Read at once, as an update of the program's folder may take them away under a running agent; parsed when they are
// asked for.
const texts = { openapi: read("openapi.yaml"), batch: read("batch.schema.json") };

export interface OpenApi {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, object> };
}

/** The document as it is served; `version` is the agent's. */
export function openApi(version: string): OpenApi {
  const document = parse(texts.openapi) as OpenApi;
  const { $schema: _dialect, ...batchFile } = JSON.parse(texts.batch) as Record<string, unknown>;
  document.components.schemas["BatchFile"] = batchFile;
  document.info.version = version;
  return document;
}
