// Turns batch.schema.json into a TypeScript constant, from which the compiler derives the type of a batch.yaml.
// Run by `npm run build`; the result is not committed, so the schema stays the only place where a key is declared.
import { readFileSync, writeFileSync } from "node:fs";

const schema = readFileSync(new URL("batch.schema.json", import.meta.url), "utf8").trim();
writeFileSync(
  new URL("../agent/core/batch-schema.gen.ts", import.meta.url),
  `// Made from schemas/batch.schema.json by schemas/generate.mjs; do not edit.\nexport const batchSchema = ${schema} as const;\n`,
);
