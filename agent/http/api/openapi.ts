// The API's own description, from schemas/: one OpenAPI document with the schema of batch.yaml in it.
import { readFileSync } from "node:fs";
import { parse } from "yaml";

const read = (name: string) => readFileSync(new URL(`../../../schemas/${name}`, import.meta.url), "utf8");

export interface OpenApi {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, object> };
}

/** The document as it is served; `version` is the agent's. */
export function openApi(version: string): OpenApi {
  const document = parse(read("openapi.yaml")) as OpenApi;
  const { $schema: _dialect, ...batchFile } = JSON.parse(read("batch.schema.json")) as Record<string, unknown>;
  document.components.schemas["BatchFile"] = batchFile;
  document.info.version = version;
  return document;
}
