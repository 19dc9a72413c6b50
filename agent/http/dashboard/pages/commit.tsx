// A commit: its subject, author and time where git knows them, and a link to its page.
import type { CommitInfo } from "../../../sources/port.ts";
import { When } from "./parts.tsx";

export function Commit({ commit, info, now }: { commit: string; info: CommitInfo | null; now: number }) {
  const short = commit.slice(0, 10);
  return (
    <>
      <span class="mono" title={commit}>
        {info?.url != null && /^https?:\/\//.test(info.url) ? (
          <a href={info.url} rel="noreferrer">
            {short}
          </a>
        ) : (
          short
        )}
      </span>
      {info !== null && (
        <>
          {" "}
          {info.subject} <span class="dim">by {info.author},</span> <When at={info.at} now={now} />
        </>
      )}
    </>
  );
}
