// Turns batch.schema.json into a TypeScript constant, from which the compiler derives the type of a batch.yaml, and into the function that
// checks one: compiling it anew at every start would take a tenth of a second and 10 MiB.
// Run by `npm run build`; the results are not committed, so the schema stays the only place where a key is declared.
import { readFileSync, writeFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import standalone from "ajv/dist/standalone/index.js";

const text = readFileSync(new URL("batch.schema.json", import.meta.url), "utf8").trim();
const note = "// Made from schemas/batch.schema.json by schemas/generate.mjs; do not edit.\n";
/** @param {string} name @param {string} content */
const write = (name, content) => writeFileSync(new URL(`../agent/${name}.gen.ts`, import.meta.url), content);

write("model/batch-schema", `${note}export const batchSchema = ${text} as const;\n`);

const ajv = new Ajv2020({
  allErrors: true,
  strict: true,
  strictTuples: false,
  useDefaults: true,
  verbose: true,
  code: { source: true, esm: true, lines: true },
});
const code = standalone.default(ajv, ajv.compile(JSON.parse(text)));
// ajv writes `require` for what its code needs of itself, also where it writes a module; Node and the tests' loader differ in what `default` then is.
const imports = [...code.matchAll(/require\("([^"]+)"\)\.default/g)].map(([call, path], i) => ({
  call,
  name: `runtime${i}`,
  path,
}));
const body = imports.reduce((all, { call, name }) => all.replaceAll(call, `(${name}.default ?? ${name})`), code);
write(
  "definitions/check-batch",
  `// @ts-nocheck: plain JavaScript\n${note}${imports.map(({ name, path }) => `import ${name} from "${path}.js";\n`).join("")}${body}`,
);
