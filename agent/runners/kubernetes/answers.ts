// What an answer to a POST of a pod means for its start. Pure.
import type { StatusBody } from "./api.ts";

export type Verdict =
  /** The name is taken: look whose the pod is. */
  | { kind: "exists" }
  /** Ask again; `waitingFor` in the server's words. */
  | { kind: "again"; words: string }
  /** A quota is full: wait until something of it is given back. */
  | { kind: "quota"; words: string }
  /** The account lacks a right, or the server does not know yet that it has it. */
  | { kind: "forbidden"; words: string }
  /** It will never be taken. */
  | { kind: "refused"; words: string };

/** `status`: of an answer that is not 2xx. */
export function classifyRefusal(status: number, { reason, message: words }: StatusBody): Verdict {
  if (status === 409) return reason === "AlreadyExists" ? { kind: "exists" } : { kind: "again", words };
  if (status === 403) {
    if (/exceeded quota|status unknown for quota/.test(words)) return { kind: "quota", words };
    if (/cannot create resource|RBAC|no relation found/.test(words)) return { kind: "forbidden", words };
    return { kind: "refused", words };
  }
  if (status === 401) return { kind: "forbidden", words };
  // 408 and 429 have been obeyed by the client already; what is left of them is a busy server.
  if (status >= 500 || status === 408 || status === 429) return { kind: "again", words };
  return { kind: "refused", words };
}
