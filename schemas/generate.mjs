// Turns the schemas into TypeScript constants, from which the compiler derives the types of batch.yaml and
// _group.yaml, and into functions that check data: compiling them anew at every start would take a tenth of a second
// and 10 MiB. Run by `npm run build`; the results are not committed, so the schemas stay the only place where a key
// is declared.
import { readFileSync, writeFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import standalone from "ajv/dist/standalone/index.js";

/** @param {string} name */
const read = (name) => readFileSync(new URL(`${name}.schema.json`, import.meta.url), "utf8").trim();
/** @param {string} schema @param {string} path @param {string} content @param {string} [head] */
const write = (schema, path, content, head = "") =>
  writeFileSync(
    new URL(`../agent/${path}.gen.ts`, import.meta.url),
    `${head}// Made from schemas/${schema}.schema.json by schemas/generate.mjs; do not edit.\n${content}`,
  );

const batch = read("batch");
const group = read("group");
write("batch", "model/batch-schema", `export const batchSchema = ${batch} as const;\n`);
write("group", "model/group-schema", `export const groupSchema = ${group} as const;\n`);

/**
 * A schema as a module of plain JavaScript.
 * @param {object} schema
 */
function compile(schema) {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    strictTuples: false,
    allowUnionTypes: true,
    useDefaults: true,
    verbose: true,
    code: { source: true, esm: true, lines: true },
  });
  const code = standalone.default(ajv, ajv.compile(schema));
  // ajv writes `require` for what its code needs of itself, also where it writes a module; Node and the tests' loader
  // differ in what `default` then is.
  const imports = [
    ...new Map([...code.matchAll(/require\("([^"]+)"\)\.default/g)].map(([call, path]) => [call, path])),
  ];
  const names = imports.map(([call, path], i) => ({ call, path, name: `runtime${i}` }));
  const body = names.reduce((all, { call, name }) => all.replaceAll(call, `(${name}.default ?? ${name})`), code);
  return `${names.map(({ name, path }) => `import ${name} from "${path}.js";\n`).join("")}${body}`;
}

const plain = "// @ts-nocheck: plain JavaScript\n";
const parsedBatch = JSON.parse(batch);
const parsedGroup = JSON.parse(group);
const { defaults, ...rest } = parsedGroup.properties;
/** A key that a group leaves out is not filled in: batch.yaml, or a group above, may set it. */
const withoutDefault = Object.keys(defaults.properties).map((key) => {
  const { default: _filledIn, ...schema } = parsedBatch.properties[key];
  return [key, schema];
});
write("batch", "definitions/check-batch", compile(parsedBatch), plain);
// Defaults are checked for themselves, so that their faults read like those of a batch.yaml.
write(
  "group",
  "definitions/check-group",
  compile({ ...parsedGroup, $id: "group-shape", properties: { ...rest, defaults: { type: "object" } } }),
  plain,
);
write(
  "group",
  "definitions/check-defaults",
  compile({
    ...defaults,
    $id: "defaults",
    $defs: parsedBatch.$defs,
    properties: Object.fromEntries(withoutDefault),
  }),
  plain,
);
