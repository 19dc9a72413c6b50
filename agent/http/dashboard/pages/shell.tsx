// The frame of every page: head, header with the agent's state, navigation, footer, help.
import type { Child } from "hono/jsx";
import type { Catalog } from "../../../status.ts";
import { Relative } from "./parts.tsx";

export interface AgentState {
  version: string;
  now: number;
  /** Id of the newest event that the page knows of. */
  event: number;
  /** True when people log in. */
  guarded: boolean;
  /** Batches whose latest end is a failure. */
  failing: number;
  notReady: readonly string[];
  details: ReturnType<Catalog["details"]>;
}

type NavItem = "batches" | "executions" | "timeline" | "problems" | null;

interface ShellProps {
  title: string;
  /** null: the page tells nothing of the agent, such as before a login. */
  agent: AgentState | null;
  place?: NavItem;
  /** Tells which events call for a fresh look: `list`, `all`, `batch:<name>` or `run:<id>`; none without it. */
  refresh?: string;
  /** Scripts of client/ beyond main.js. */
  scripts?: readonly string[];
  /** Without scripts, load the page again after so many seconds. */
  reloadSeconds?: number;
  children: Child;
}

/** A whole HTML document, without its doctype. */
export function Shell({ title, agent, place = null, refresh, scripts = [], reloadSeconds, children }: ShellProps) {
  const failing = agent?.failing ?? 0;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${failing > 0 ? `(${failing} failing) ` : ""}${title} · batch-agent`}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/style.css" />
        {agent !== null &&
          ["main", ...scripts].map((name) => (
            <script type="module" src={`/assets/http/dashboard/client/${name}.js`}></script>
          ))}
        {reloadSeconds !== undefined && (
          <noscript>
            <meta http-equiv="refresh" content={String(reloadSeconds)} />
          </noscript>
        )}
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to content
        </a>
        <header class="top">
          <a class="brand" href="/">
            <svg viewBox="0 0 32 32" aria-hidden="true">
              <path d="M5 26V14h5v12zm8.5 0V6h5v20zM22 26v-8h5v8z" />
            </svg>
            batch-agent
          </a>
          {agent !== null && <Navigation place={place} problems={agent.details.problems} failing={agent.failing} />}
          {agent !== null && <State agent={agent} />}
          {agent?.guarded === true && (
            <form class="leave" method="post" action="/login">
              <button name="leave">Log out</button>
            </form>
          )}
        </header>
        <main
          id="main"
          tabindex={-1}
          {...(refresh === undefined ? {} : { "data-refresh": refresh, "data-event": String(agent?.event ?? "") })}
        >
          {children}
        </main>
        {agent !== null && (
          <footer>
            batch-agent {agent.version} · <a href="/api/batches">API</a> · <a href="/metrics">metrics</a> ·{" "}
            <a href="/openapi.json">OpenAPI</a>
          </footer>
        )}
        {agent !== null && <Help />}
      </body>
    </html>
  );
}

function Navigation({ place, problems, failing }: { place: NavItem; problems: number; failing: number }) {
  const current = (name: NavItem) => (place === name ? { "aria-current": "page" as const } : {});
  return (
    <nav aria-label="Pages">
      <a href="/" {...current("batches")}>
        Batches{" "}
        <span id="failing-count" data-live>
          {failing > 0 && (
            <span class="count" title={`${failing} ${failing === 1 ? "batch is" : "batches are"} failing`}>
              {failing}
              <span class="hidden"> failing</span>
            </span>
          )}
        </span>
      </a>
      <a href="/executions" {...current("executions")}>
        Executions
      </a>
      <a href="/timeline" {...current("timeline")}>
        Timeline
      </a>
      <a href="/problems" {...current("problems")}>
        Problems{" "}
        <span id="problem-count" data-live>
          {problems > 0 && (
            <span
              class="count odd"
              title={`${problems} ${problems === 1 ? "problem" : "problems"} in batch definitions`}
            >
              {problems}
            </span>
          )}
        </span>
      </a>
    </nav>
  );
}

const shortcuts: readonly (readonly [string, string])[] = [
  ["/", "Search this page"],
  ["?", "Show or close this help"],
  ["g b", "Go to the batches"],
  ["g e", "Go to the executions"],
  ["g t", "Go to the timeline"],
  ["g p", "Go to the problems"],
  ["j", "Next row"],
  ["k", "Previous row"],
  ["Enter", "Open the row"],
];

const terms: readonly (readonly [string, string])[] = [
  ["Batch", "A script with its schedule: one folder with script.sh and batch.yaml."],
  ["Execution", "One start of a batch. Every retry is an execution of its own."],
  ["Run", "What one start sets off: the executions of a whole chain."],
  ["Failing", "The latest execution that ran to an end failed."],
  ["Problem", "Something is wrong in a batch's definition; what was valid before stays in force."],
  ["Aborted", "It was due but did not run, or was stopped; the reason stands beside it."],
  ["Unusual", "It succeeded, but its duration or its output lies far outside its recent successes."],
];

/** Opened by `?` and by the button in the header (client/keys.ts). */
function Help() {
  return (
    <dialog id="help" aria-labelledby="help-title">
      <form method="dialog">
        <h2 id="help-title">Help</h2>
        <button>Close</button>
      </form>
      <h3>Keys</h3>
      <dl>
        {shortcuts.map(([keys, meaning]) => (
          <>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </>
        ))}
      </dl>
      <h3>Words</h3>
      <dl>
        {terms.map(([word, meaning]) => (
          <>
            <dt>{word}</dt>
            <dd>{meaning}</dd>
          </>
        ))}
      </dl>
    </dialog>
  );
}

function State({ agent }: { agent: AgentState }) {
  const { notReady, details, now } = agent;
  const { watch, running, queued } = details;
  return (
    <div class="agent">
      <div id="agent-state" data-live>
        {notReady.length === 0 ? (
          <span class="ready">ready</span>
        ) : (
          <span class="not-ready">not ready: {notReady.join("; ")}</span>
        )}
        <a href="/executions?status=running">{running} running</a>
        <a href="/executions?status=queued">{queued} queued</a>
        <span class="watch">
          {watch.lastVerifiedAt === null ? (
            "Not scanned yet"
          ) : (
            <>
              Last scan <Relative at={watch.lastVerifiedAt} now={now} />
            </>
          )}
        </span>
      </div>
      <span id="connection" role="status"></span>
      <button type="button" class="needs-scripts" data-help aria-haspopup="dialog">
        Help
      </button>
    </div>
  );
}
