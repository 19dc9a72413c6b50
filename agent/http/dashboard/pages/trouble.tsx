// The page for what is not there or cannot be shown.
import { Shell, type AgentState } from "./shell.tsx";

export function troublePage({ agent, status, detail }: { agent: AgentState; status: number; detail: string }) {
  const title = status === 404 ? "Not found" : status < 500 ? "Not understood" : "Something went wrong";
  return (
    <Shell title={title} agent={agent}>
      <div class="empty">
        <h1>{title}</h1>
        <p>{detail.charAt(0).toUpperCase() + detail.slice(1)}.</p>
        {status === 404 && (
          <p>
            History is kept as each batch's <code>keep</code> says; what is older is gone, with its logs.
          </p>
        )}
        <p>
          <a href="/">All batches</a> · <a href="/timeline">Timeline</a> · <a href="/problems">Problems</a>
        </p>
      </div>
    </Shell>
  );
}
