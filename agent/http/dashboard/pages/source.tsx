// What a batch is made of: its settings with what it inherits, and the files of its revision in force.
import { batchSchema } from "../../../model/batch-schema.gen.ts";
import type { BatchView } from "../../../views.ts";
import { bytesText } from "../../../text/relative-time.ts";
import { highlight } from "../highlight.ts";
import { batchPath } from "./parts.tsx";

export interface Source {
  files: readonly { path: string; size: number; executable: boolean }[];
  /** The file that is shown; `text` is null where it cannot be, and `trouble` says why. */
  shown: { path: string; text: string | null; trouble: string | null } | null;
}

/** Lines of a file that a page shows; the API has them all. */
const maxShownLines = 2_000;
const maxFiles = 200;

export function SourceBox({ name, source: { files, shown } }: { name: string; source: Source }) {
  return (
    <section class="box" id="source" aria-labelledby="source-title">
      <h2 id="source-title">Source</h2>
      <div class="source-columns">
        <nav aria-label="Files">
          <ul class="files">
            {files.slice(0, maxFiles).map(({ path, size, executable }) => (
              <li>
                <a
                  class="mono"
                  href={`${batchPath(name)}?file=${encodeURIComponent(path)}#source`}
                  {...(path === shown?.path ? { "aria-current": "page" as const } : {})}
                >
                  {path}
                </a>{" "}
                <span class="dim">
                  {bytesText(size)}
                  {executable && ", executable"}
                </span>
              </li>
            ))}
          </ul>
          {files.length > maxFiles && (
            <p class="dim">
              {files.length - maxFiles} more at <a href={`/api${batchPath(name)}/files`}>/api{batchPath(name)}/files</a>
              .
            </p>
          )}
        </nav>
        {shown !== null && <File name={name} shown={shown} />}
      </div>
    </section>
  );
}

function File({ name, shown: { path, text, trouble } }: { name: string; shown: NonNullable<Source["shown"]> }) {
  if (text === null) return <p class="dim">{trouble}</p>;
  const lines = highlight(path, text);
  return (
    <div class="file-text">
      <pre class="source" tabindex={0} role="group" aria-label={path}>
        {lines.slice(0, maxShownLines).map((tokens, index) => (
          <>
            <span class="line-number">{index + 1}</span>
            {tokens.map(({ kind, text: part }) => (kind === "plain" ? part : <span class={`t-${kind}`}>{part}</span>))}
            {"\n"}
          </>
        ))}
      </pre>
      <p class="dim">
        {lines.length > maxShownLines && `${lines.length - maxShownLines} more lines. `}
        <a href={`/api${batchPath(name)}/files/${path.split("/").map(encodeURIComponent).join("/")}`}>Plain text</a>
        {/^(?:batch|_group)\.ya?ml$/.test(path) && " · Values of env are hidden."}
      </p>
    </div>
  );
}

/** The group that each inherited setting comes from. */
export type Inherited = Readonly<Record<string, string>>;

export function Settings({ batch, inherited }: { batch: BatchView; inherited: Inherited }) {
  const all = Object.entries(batch.definition ?? {}).filter(
    ([key, value]) => key !== "description" && key !== "tags" && !isEmpty(value),
  );
  const isPlain = ([key, value]: [string, unknown]) => isDefault(key, value) && !(key in inherited);
  const [set, defaults] = [all.filter((one) => !isPlain(one)), all.filter(isPlain)];
  return (
    <section class="box" aria-labelledby="settings-title">
      <h2 id="settings-title">Settings</h2>
      {batch.definition === null ? (
        <p class="dim">
          {batch.state === "removed"
            ? "Its folder is gone. Its history stays for a while."
            : "There is no valid version of it yet."}
        </p>
      ) : (
        <>
          <SettingList settings={set} inherited={inherited} />
          {defaults.length > 0 && (
            <details id="defaults">
              <summary>{defaults.length} settings at their defaults</summary>
              <SettingList settings={defaults} inherited={inherited} />
            </details>
          )}
        </>
      )}
    </section>
  );
}

function SettingList({ settings, inherited }: { settings: readonly [string, unknown][]; inherited: Inherited }) {
  return (
    <dl class="settings">
      {settings.map(([key, value]) => (
        <>
          <dt class="mono">{key}</dt>
          <dd class="mono">
            {textOf(value)}
            <Origins name={key} inherited={inherited} />
          </dd>
        </>
      ))}
    </dl>
  );
}

/** From which groups a setting comes, and which of its keys, where it is merged of several. */
function Origins({ name, inherited }: { name: string; inherited: Inherited }) {
  const origins = Object.entries(inherited).filter(([key]) => key === name || key.startsWith(`${name}.`));
  if (origins.length === 0) return null;
  const words = origins.map(([key, group]) => {
    const part = key === name ? "" : `${key.slice(name.length + 1)} `;
    return `${part}from ${group === "" ? "the top" : group}/_group.yaml`.replace("the top/", "the top's ");
  });
  return <span class="dim"> ({words.join(", ")})</span>;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  if (typeof value === "object" && value !== null)
    return Object.entries(value)
      .map(([key, each]) => `${key}: ${textOf(each)}`)
      .join(", ");
  return String(value);
}

type Schema = Readonly<
  Record<
    string,
    {
      description?: string;
      default?: unknown;
      properties?: Readonly<Record<string, { description?: string; default?: unknown }>>;
    }
  >
>;
const known: Schema = batchSchema.properties;

/** Returns whether a setting says no more than would hold without it. */
function isDefault(key: string, value: unknown): boolean {
  const schema = known[key];
  if (schema?.properties !== undefined && typeof value === "object" && value !== null) {
    const { properties } = schema;
    return Object.entries(value).every(([part, one]) => one === properties[part]?.default);
  }
  return JSON.stringify(value) === JSON.stringify(schema?.default);
}
