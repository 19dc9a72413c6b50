// Describes what is different between an execution and the last success before it: commits, revisions, the diff of
// their files.
import type { Changes } from "../../views/changes.ts";
import { executionPath } from "./parts.tsx";

/** Lines of a diff that a page shows; the API has them all. */
const maxLines = 400;

export function ChangesBox({ changes: { from, to, files } }: { changes: Changes }) {
  return (
    <section class="box" id="changes" aria-labelledby="changes-title">
      <h2 id="changes-title">Changed since the last success</h2>
      {from === null ? (
        <p class="dim">It has never succeeded before, as far as its history goes.</p>
      ) : (
        <>
          <p>
            From <Side side={from} /> (<a href={executionPath(from.execution)}>the last success</a>) to{" "}
            <Side side={to} />
          </p>
          {files === null && <p class="dim">They cannot be compared: a revision is no longer there.</p>}
          {files?.length === 0 && (
            <p class="quiet">Nothing: script and settings are the same. Look at what it reads, and where it runs.</p>
          )}
          {files?.map((file) => (
            <div class="file">
              <p>
                <span class={`badge ${file.kind}`}>{file.kind}</span> <span class="mono">{file.path}</span>
              </p>
              {file.diff === null ? (
                <p class="dim">No text, or too large to compare.</p>
              ) : (
                <Diff text={file.diff} path={file.path} />
              )}
            </div>
          ))}
        </>
      )}
    </section>
  );
}

function Side({ side }: { side: { revision: string | null; commit: string | null } }) {
  return (
    <span class="mono" {...(side.commit === null ? {} : { title: side.commit })}>
      {side.commit === null ? (side.revision ?? "nothing") : side.commit.slice(0, 10)}
    </span>
  );
}

function Diff({ text, path }: { text: string; path: string }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <pre class="diff" tabindex={0} role="group" aria-label={`Changes of ${path}`}>
      {lines.slice(0, maxLines).map((line) => (
        <span class={kindOf(line)}>{`${line}\n`}</span>
      ))}
      {lines.length > maxLines && <span class="dim">{`… and ${lines.length - maxLines} more lines`}</span>}
    </pre>
  );
}

function kindOf(line: string): string {
  if (line.startsWith("+++") || line.startsWith("---")) return "dim";
  if (line.startsWith("@@")) return "hunk";
  return line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "";
}
