// Manifests held against the JSON Schemas of Kubernetes and the Prometheus operator (values and what must be there) and
// against their TypeScript types (keys that do not exist). No cluster is asked, so no admission rules.
import { join } from "node:path";
import ts from "typescript";

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
}

/** Schema of a kind, and the module that its type comes from. */
export interface Kind {
  model: new (manifest: never) => { validate: () => void };
  home: string;
}

/** Returns what is wrong with these; nothing if all is well. */
export function faultsOf(manifests: readonly Manifest[], kinds: Readonly<Record<string, Kind>>): string[] {
  const faults = manifests.flatMap((manifest) => {
    const kind = kinds[manifest.kind];
    if (kind === undefined) return [`no schema for ${manifest.kind}`];
    try {
      new kind.model(manifest as never).validate();
      return [];
    } catch (error) {
      return [`${manifest.kind}: ${String(error)}`];
    }
  });
  return [...faults, ...unknownKeys(manifests, kinds)];
}

/** TypeScript takes no key in a literal that its type does not have. */
function unknownKeys(manifests: readonly Manifest[], kinds: Readonly<Record<string, Kind>>): string[] {
  const file = join(import.meta.dirname, "manifests-checked.ts"); // never written
  const text = manifests
    .map(
      (manifest, i) =>
        `import type { I${manifest.kind} as T${i} } from "${kinds[manifest.kind]?.home}";\n` +
        `export const v${i}: T${i} = ${JSON.stringify(manifest, null, 1)};\n`,
    )
    .join("");
  const options = {
    ...{ strict: true, skipLibCheck: true, noEmit: true, types: [] },
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.getSourceFile = (path, target) =>
    path === file ? ts.createSourceFile(file, text, target) : getSourceFile(path, target);
  return ts
    .getPreEmitDiagnostics(ts.createProgram([file], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}
