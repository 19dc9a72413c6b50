// Reads server-sent events as the HTML standard says: line ends, fields, ids that last.

export interface ServerEvent {
  event: string;
  data: string;
  /** The last event id after it. */
  id: string;
}

function createSseParser(onEvent: (event: ServerEvent) => void) {
  let rest = "";
  let [event, data, id] = ["", "", ""];
  const parser = {
    /** The last event id, as a browser would send it back. */
    lastId: "",
    feed(text: string) {
      rest += text;
      const lines = rest.split(/\r\n|\n|\r/);
      rest = lines.pop() as string;
      for (const line of lines) take(line);
    },
  };
  function take(line: string): void {
    if (line === "") {
      parser.lastId = id;
      if (data !== "") onEvent({ event: event === "" ? "message" : event, data: data.slice(0, -1), id });
      [event, data] = ["", ""];
      return;
    }
    const [, field = "", value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
    if (field === "event") event = value;
    if (field === "data") data += `${value}\n`;
    if (field === "id") id = value;
  }
  return parser;
}

/** Reads events until the answer ends, `enough` says so, or `signal` breaks it off; the id to resume with. */
export async function readEvents(
  url: string,
  onEvent: (event: ServerEvent) => unknown,
  options: { lastId?: string; signal?: AbortSignal } = {},
): Promise<string> {
  const breaker = new AbortController();
  options.signal?.addEventListener("abort", () => breaker.abort());
  const parser = createSseParser((event) => {
    if (!breaker.signal.aborted && onEvent(event) === true) breaker.abort();
  });
  const headers = {
    Accept: "text/event-stream",
    ...(options.lastId === undefined ? {} : { "Last-Event-ID": options.lastId }),
  };
  try {
    const response = await fetch(url, { headers, signal: breaker.signal });
    if (response.status !== 200) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      if (breaker.signal.aborted) break;
    }
  } catch (error) {
    if (!breaker.signal.aborted) throw error;
  }
  return parser.lastId;
}
