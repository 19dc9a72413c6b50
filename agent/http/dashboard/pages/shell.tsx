// What every page shares: head, header with the agent's state, navigation, footer.
import type { Child } from "hono/jsx";
import type { Catalog } from "../../../status.ts";
import { Relative } from "./parts.tsx";

export interface AgentState {
  version: string;
  now: number;
  /** Id of the newest event that the page knows of. */
  event: number;
  /** Whether people log in. */
  guarded: boolean;
  notReady: readonly string[];
  details: ReturnType<Catalog["details"]>;
}

type Place = "batches" | "timeline" | "problems" | null;

interface ShellProps {
  title: string;
  /** null: the page tells nothing of the agent, such as before a login. */
  agent: AgentState | null;
  place?: Place;
  /** Which events call for a fresh look: `list`, `all`, `batch:<name>` or `run:<id>`; none without it. */
  refresh?: string;
  /** Scripts of client/ beyond main.js. */
  scripts?: readonly string[];
  /** Without scripts, load the page again after so many seconds. */
  reloadSeconds?: number;
  children: Child;
}

/** A whole HTML document, without its doctype. */
export function Shell({ title, agent, place = null, refresh, scripts = [], reloadSeconds, children }: ShellProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} · batch-agent`}</title>
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
          {agent !== null && <Navigation place={place} problems={agent.details.problems} />}
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
      </body>
    </html>
  );
}

function Navigation({ place, problems }: { place: Place; problems: number }) {
  const current = (name: Place) => (place === name ? { "aria-current": "page" as const } : {});
  return (
    <nav aria-label="Pages">
      <a href="/" {...current("batches")}>
        Batches
      </a>
      <a href="/timeline" {...current("timeline")}>
        Timeline
      </a>
      <a href="/problems" {...current("problems")}>
        Problems{" "}
        <span id="problem-count" data-live>
          {problems > 0 && <span class="count">{problems}</span>}
        </span>
      </a>
    </nav>
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
        <span>{running} running</span>
        <span>{queued} queued</span>
        <span class="watch">
          {watch.mode === "poll" ? "polling" : "watching"}
          {watch.lastVerifiedAt !== null && (
            <>
              , looked <Relative at={watch.lastVerifiedAt} now={now} />
            </>
          )}
        </span>
      </div>
      <span id="connection" role="status"></span>
    </div>
  );
}
