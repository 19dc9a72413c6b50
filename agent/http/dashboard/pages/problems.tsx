// Problems with their place, the line in question and a hint; as a page of all, and as a part of a batch's page.
import type { Problem } from "../../../model/problem.ts";
import { batchPath } from "./parts.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export type ShownProblem = Problem & { excerpt: string | null };

export interface ProblemsPage {
  agent: AgentState;
  /** The agent's own trouble. */
  own: readonly ShownProblem[];
  groups: readonly { batch: string; known: boolean; problems: readonly ShownProblem[] }[];
  hidden: number;
}

export function problemsPage({ agent, own, groups, hidden }: ProblemsPage) {
  return (
    <Shell title="Problems" agent={agent} place="problems" refresh="all">
      <h1 class="head">Problems</h1>
      <div id="problems" data-live>
        {own.length === 0 && groups.length === 0 && (
          <div class="empty">
            <p>No problems.</p>
            <p>Every folder holds a batch that can run. Check a change before you commit it:</p>
            <p>
              <code>batch-agent validate</code>
            </p>
          </div>
        )}
        {own.length > 0 && (
          <section class="box trouble" aria-labelledby="own-title">
            <h2 id="own-title">The agent itself</h2>
            <ProblemList problems={own} />
          </section>
        )}
        {groups.map(({ batch, known, problems }) => (
          <section class="box" aria-label={batch}>
            <h2>{known ? <a href={batchPath(batch)}>{batch}</a> : batch}</h2>
            <ProblemList problems={problems} />
          </section>
        ))}
        {hidden > 0 && (
          <p class="dim">
            {hidden} more at <a href="/api/problems">/api/problems</a>.
          </p>
        )}
      </div>
    </Shell>
  );
}

/** Text in which what stands between backticks is code. */
function WithCode({ text }: { text: string }) {
  return <>{text.split("`").map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</>;
}

export function ProblemList({ problems }: { problems: readonly ShownProblem[] }) {
  return (
    <ul class="problems">
      {problems.map(({ file, line, column, code, message, hint, excerpt }) => (
        <li>
          <p>
            <span class="badge failed">{code}</span> <strong>{message}</strong>
          </p>
          {file !== null && <p class="mono dim">{[file, line, column].filter((part) => part !== null).join(":")}</p>}
          {excerpt !== null && line !== null && (
            <pre class="excerpt">
              <span class="line-number">{line}</span>
              {excerpt}
              {column !== null && column <= excerpt.length + 1 && (
                <>
                  {"\n"}
                  <span class="line-number" aria-hidden="true"></span>
                  <span class="caret" aria-hidden="true">{`${" ".repeat(column - 1)}^`}</span>
                </>
              )}
            </pre>
          )}
          {hint !== null && (
            <p>
              Hint: <WithCode text={hint} />
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}
