// What is installed beside the program. `npm run licences` lists it, and ends with 1 where a licence is none of those
// below, so that a new dependency is looked at before it is shipped. `npm run sbom` prints a CycloneDX document of it.
// Both go by package-lock.json. `npm sbom --omit dev` alone will not do: npm 11 leaves out what a development
// dependency needs as well.
import { execFileSync } from "node:child_process";

const allowed = new Set([
  ...["MIT", "MIT-0", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"],
  ...["BlueOak-1.0.0", "MPL-2.0", "Unlicense"],
]);
const npm = (...words) => execFileSync("npm", words, { encoding: "utf8", maxBuffer: 2 ** 26 });

const [root, ...shipped] = npm("ls", "--all", "--omit", "dev", "--parseable", "--long", "--package-lock-only")
  .trim()
  .split("\n")
  .map((line) => line.split(":")[1]);
const isShipped = new Set(shipped);
const sbom = JSON.parse(npm("sbom", "--sbom-format", "cyclonedx", "--package-lock-only"));
sbom.metadata.component.name = root.slice(0, root.lastIndexOf("@"));
sbom.components = sbom.components.filter((one) => isShipped.has(`${one.name}@${one.version}`));
const references = new Set([sbom.metadata.component["bom-ref"], ...sbom.components.map((one) => one["bom-ref"])]);
sbom.dependencies = sbom.dependencies
  .filter(({ ref }) => references.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => references.has(one)) }));

if (process.argv[2] === "sbom") console.log(JSON.stringify(sbom, null, 2));
else listLicences();

function listLicences() {
  const rows = sbom.components.map(({ name, version, licenses = [] }) => ({
    name: `${name}@${version}`,
    licence:
      licenses.map(({ license, expression }) => expression ?? license.id ?? license.name).join(" AND ") || "none",
  }));
  const counts = new Map();
  for (const { licence } of rows) counts.set(licence, (counts.get(licence) ?? 0) + 1);
  for (const { name, licence } of rows) console.log(`${name}\t${licence}`);
  console.log(`${rows.length} packages: ${[...counts].map(([licence, count]) => `${count} ${licence}`).join(", ")}`);
  const others = rows.filter(({ licence }) => !isAllowed(licence));
  for (const { name, licence } of others) console.error(`look at ${name}: ${licence}`);
  process.exitCode = others.length > 0 ? 1 : 0;
}

function isAllowed(licence) {
  const choices = licence.replace(/[()]/g, "").split(" OR ");
  return choices.some((choice) => choice.split(" AND ").every((id) => allowed.has(id)));
}
