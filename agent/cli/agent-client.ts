// Asks a running agent over HTTP: documents whole, logs as streams that are read no faster than they are taken. No
// policy.
import { closest } from "../definitions/suggest.ts";
import { AgentError } from "../errors.ts";
import { tlsTrouble } from "../text/tls-words.ts";

export interface AgentClient {
  /** Tells where it asks, `http://127.0.0.1:8080`. */
  readonly url: string;
  /** A JSON document; an answer with one of the statuses `also` counts too. Throws AgentError. */
  json: <T>(path: string, also?: readonly number[]) => Promise<T>;
  /** The bytes of an answer, as they come. Throws AgentError, while they are read too. */
  stream: (path: string) => Promise<AsyncIterable<Uint8Array>>;
}

const answerMs = 30_000;

/**
 * `url` without `/` at its end; `token`: null for none, and then `withheld` says what to tell when one is asked for.
 */
export function createClient(url: string, token: string | null, withheld: AgentError | null = null): AgentClient {
  async function ask(path: string, headers: Record<string, string>): Promise<Response> {
    const aborter = new AbortController();
    const late = setTimeout(() => aborter.abort(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
    try {
      const bearer: Record<string, string> = token === null ? {} : { Authorization: `Bearer ${token}` };
      return await fetch(url + path, { headers: { ...headers, ...bearer }, signal: aborter.signal });
    } catch (error) {
      throw unreachable(url, error);
    } finally {
      clearTimeout(late);
    }
  }

  async function refused(response: Response): Promise<AgentError> {
    const { status } = response;
    if (status === 401) {
      if (withheld !== null) return withheld;
      const hint = "name the file that holds it with --token-file or BATCH_AGENT_TOKEN_FILE";
      return token === null
        ? new AgentError(`the agent at ${url} asks for a token`, { status, hint })
        : new AgentError(`the agent at ${url} does not take this token`, {
            status,
            hint: "is it the file of this agent, and its present content?",
          });
    }
    const body = (await response.json().catch(() => null)) as { detail?: unknown } | null;
    if (typeof body?.detail === "string") return new AgentError(body.detail, { status });
    if (status >= 502 && status <= 504)
      return unreachable(url, new Error(`whatever stands in front of it says ${status}`));
    return new AgentError(`what answers at ${url} is not a batch-agent (status ${status})`, {
      status,
      hint: "check the address: --url or BATCH_AGENT_URL",
    });
  }

  return {
    url,
    async json<T>(path: string, also: readonly number[] = []) {
      const response = await ask(path, { Accept: "application/json" });
      if (!response.ok && !also.includes(response.status)) throw await refused(response);
      const text = await response.text().catch((error: unknown) => {
        throw unreachable(url, error);
      });
      try {
        return JSON.parse(text) as T;
      } catch {
        throw new AgentError(`what answers at ${url} is not a batch-agent`, {
          status: response.status,
          hint: "check the address: --url or BATCH_AGENT_URL",
        });
      }
    },
    async stream(path) {
      const response = await ask(path, {});
      if (!response.ok) throw await refused(response);
      return chunks(url, response);
    },
  };
}

async function* chunks(url: string, response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  try {
    for await (const chunk of response.body) yield chunk;
  } catch (error) {
    throw unreachable(url, error);
  }
}

function unreachable(url: string, error: unknown): AgentError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const text = cause instanceof Error ? cause.message : "";
  const reason =
    tlsTrouble(code, text) ?? reasons[code] ?? (cause instanceof Error ? cause.message || code : String(cause));
  return new AgentError(`no agent answers at ${url}: ${reason}`, {
    hint: "is one running (batch-agent run), and there? Another address: --url or BATCH_AGENT_URL",
    cause: error,
  });
}

const reasons: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the name of the host could not be looked up",
  ECONNRESET: "connection lost",
  UND_ERR_SOCKET: "connection lost",
  UND_ERR_BODY_TIMEOUT: "it has gone silent",
};

/** Does work on an agent's answers. Throws AgentError where they are of another form than an agent's. */
export async function withAnswers<T>(client: AgentClient, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new AgentError(
      `what answers at ${client.url} is no batch-agent, or one of another version: ${error.message}`,
      { status: 200, hint: "check the address: --url or BATCH_AGENT_URL", cause: error },
    );
  }
}

/** Returns the error for a batch that the agent does not have, with the name that was probably meant. */
export function noBatch(url: string, name: string, names: readonly string[], isFiltered = false): AgentError {
  const near = closest(name, names);
  return new AgentError(
    `the agent at ${url} has no batch ${name}${isFiltered ? " that fits the filter" : ""}`,
    near === null ? {} : { hint: `did you mean ${near}?` },
  );
}

/** Throws AgentError for a group that the agent does not have; undefined and the top pass. */
export async function checkGroup(client: AgentClient, group: string | undefined): Promise<void> {
  if (group === undefined || group === "") return;
  const { items } = await client.json<{ items: { name: string }[] }>("/api/groups");
  const known = items.map(({ name }) => name);
  if (known.includes(group)) return;
  const near = closest(group, known);
  throw new AgentError(
    `the agent at ${client.url} has no group ${group}`,
    near === null || near === "" ? {} : { hint: `did you mean ${near}?` },
  );
}
