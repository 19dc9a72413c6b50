// An API server of ours for pods, Leases, Secrets and ConfigMaps: versions, optimistic locking, pages, watches with
// bookmarks, 409, 410, 422, quota. What it does is also tested against a real one. Faults are made by `intercept`.
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

export interface Stored {
  apiVersion?: string;
  kind?: string;
  metadata: Record<string, unknown> & { name: string; uid: string; resourceVersion: string };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [key: string]: unknown;
}

interface Event {
  version: number;
  type: "ADDED" | "MODIFIED" | "DELETED";
  kind: string;
  object: Stored;
}

interface Watcher {
  kind: string;
  response: ServerResponse;
  matches: (object: Stored) => boolean;
}

/** Fate of a request: answered by the hook itself, cut before or after it was carried out. */
type Fault = "hang" | "cut" | "cut-after" | { status: number; body?: unknown; headers?: Record<string, string> };

export interface FakeServer {
  url: string;
  /** Called for each request; null lets it pass. */
  intercept: (method: string, path: string, headers: IncomingHttpHeaders) => Fault | null;
  requests: string[];
  objects: (kind: string) => Stored[];
  put: (kind: string, object: { metadata: { name: string }; [key: string]: unknown }) => Stored;
  /** Changes an object as somebody else would. */
  change: (kind: string, name: string, change: (object: Stored) => void) => void;
  remove: (kind: string, name: string) => void;
  quotaPods: number | null;
  /** Versions up to now can no longer be watched from. */
  compact: () => void;
  /** Cuts all connections and refuses new ones until `up`. */
  down: () => Promise<void>;
  up: () => Promise<void>;
  close: () => Promise<void>;
}

export async function startFakeServer(options: { node?: string | null } = {}): Promise<FakeServer> {
  const node = options.node === undefined ? "n1" : options.node;
  const stores = new Map<string, Map<string, Stored>>();
  const events: Event[] = [];
  const watchers = new Set<Watcher>();
  let version = 1;
  let compacted = 0;
  let uids = 0;
  let port = 0;
  let server: Server;
  const store = (kind: string) => {
    const known = stores.get(kind) ?? new Map<string, Stored>();
    stores.set(kind, known);
    return known;
  };

  const fake: FakeServer = {
    url: "",
    intercept: () => null,
    requests: [],
    objects: (kind) => [...store(kind).values()],
    put: (kind, object) => create(kind, structuredClone(object) as unknown as Stored),
    change(kind, name, change) {
      const known = store(kind).get(name);
      if (known === undefined) throw new Error(`there is no ${kind} ${name}`);
      const object = structuredClone(known);
      change(object);
      save(kind, object, "MODIFIED");
    },
    remove(kind, name) {
      const object = store(kind).get(name);
      if (object !== undefined) drop(kind, object);
    },
    quotaPods: null,
    compact: () => void (compacted = version),
    async down() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      watchers.clear();
    },
    up: () => listen(),
    async close() {
      clearInterval(bookmarks);
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };

  function create(kind: string, object: Stored): Stored {
    object.metadata.uid = `uid-${++uids}`;
    object.metadata["creationTimestamp"] = new Date().toISOString().replace(/\.\d+/, "");
    if (kind === "pods") {
      object.status = { phase: "Pending" };
      if (node !== null && fits(object)) object.spec = { ...object.spec, nodeName: node };
      else
        object.status["conditions"] = [
          {
            type: "PodScheduled",
            status: "False",
            reason: "Unschedulable",
            message: "0/1 nodes are available: 1 Insufficient cpu.",
          },
        ];
    }
    return save(kind, object, "ADDED");
  }

  /** A node selector names a label that the only node does not have. */
  const fits = (pod: Stored) => Object.keys((pod.spec?.["nodeSelector"] as object | undefined) ?? {}).length === 0;

  function save(kind: string, object: Stored, type: Event["type"]): Stored {
    version += 1;
    object.metadata.resourceVersion = String(version);
    if (type === "DELETED") store(kind).delete(object.metadata.name);
    else store(kind).set(object.metadata.name, object);
    const event: Event = { version, type, kind, object: structuredClone(object) };
    events.push(event);
    for (const watcher of watchers) send(watcher, event);
    return object;
  }

  function drop(kind: string, object: Stored): void {
    save(kind, structuredClone(object), "DELETED");
  }

  function send({ kind, response, matches }: Watcher, event: Event): void {
    if (event.kind === kind && matches(event.object))
      response.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`);
  }

  const bookmarks = setInterval(() => {
    for (const { response, kind } of watchers)
      response.write(
        `${JSON.stringify({ type: "BOOKMARK", object: { kind, metadata: { resourceVersion: String(version) } } })}\n`,
      );
  }, 5_000);

  const refuse = (response: ServerResponse, code: number, reason: string, message: string, details = {}) =>
    answer(response, code, { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message, details });

  function list(kind: string, url: URL, response: ServerResponse): void {
    const matches = selector(url);
    const all = [...store(kind).values()].filter(matches).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    const [from, at] = (url.searchParams.get("continue") ?? `0 ${version}`).split(" ").map(Number) as [number, number];
    if (at < compacted) return refuse(response, 410, "Expired", "The provided continue parameter is too old");
    const limit = Number(url.searchParams.get("limit") ?? all.length);
    const more = from + limit < all.length;
    const metadata = { resourceVersion: String(at), ...(more ? { continue: `${from + limit} ${at}` } : {}) };
    answer(response, 200, { kind: "List", metadata, items: all.slice(from, from + limit) });
  }

  function watch(kind: string, url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get("resourceVersion") ?? version);
    response.writeHead(200, { "content-type": "application/json" });
    if (from < compacted) {
      const error = {
        kind: "Status",
        code: 410,
        reason: "Expired",
        message: `too old resource version: ${from} (${compacted})`,
      };
      response.end(`${JSON.stringify({ type: "ERROR", object: error })}\n`);
      return;
    }
    response.flushHeaders();
    if (from > version) return; // a version of the future says nothing, for ever
    const watcher = { kind, response, matches: selector(url) };
    for (const event of events) if (event.version > from) send(watcher, event);
    watchers.add(watcher);
    response.on("close", () => watchers.delete(watcher));
    setTimeout(() => response.end(), Number(url.searchParams.get("timeoutSeconds") ?? 300) * 1_000).unref();
  }

  function post(kind: string, object: Stored, response: ServerResponse): void {
    const { name, labels } = object.metadata as { name: string; labels?: Record<string, string> };
    if (store(kind).has(name))
      return refuse(response, 409, "AlreadyExists", `${kind} "${name}" already exists`, { name });
    if (name.length > 63 || Object.values(labels ?? {}).some((value) => value.length > 63))
      return refuse(
        response,
        422,
        "Invalid",
        `Pod "${name}" is invalid: metadata.labels: must be no more than 63 bytes`,
      );
    const open = fake
      .objects("pods")
      .filter(({ status }) => !["Succeeded", "Failed"].includes(String(status?.["phase"])));
    if (kind === "pods" && fake.quotaPods !== null && open.length >= fake.quotaPods)
      return refuse(
        response,
        403,
        "Forbidden",
        `pods "${name}" is forbidden: exceeded quota: rq, requested: pods=1, used: pods=${open.length}, limited: pods=${fake.quotaPods}`,
      );
    answer(response, 201, create(kind, object));
  }

  function remove(kind: string, object: Stored, asked: Record<string, unknown>, response: ServerResponse): void {
    const uid = (asked["preconditions"] as { uid?: string } | undefined)?.uid;
    if (uid !== undefined && uid !== object.metadata.uid)
      return refuse(response, 409, "Conflict", "Precondition failed: UID in precondition");
    const isRunning =
      kind === "pods" &&
      object.spec?.["nodeName"] !== undefined &&
      !["Succeeded", "Failed"].includes(String(object.status?.["phase"]));
    const grace = Number(asked["gracePeriodSeconds"] ?? object.spec?.["terminationGracePeriodSeconds"] ?? 30);
    if (!isRunning || grace === 0) {
      drop(kind, object);
      return answer(response, 200, object);
    }
    const copy = structuredClone(object);
    copy.metadata["deletionTimestamp"] = new Date(Date.now() + grace * 1_000).toISOString().replace(/\.\d+/, "");
    copy.metadata["deletionGracePeriodSeconds"] = grace;
    answer(response, 200, save(kind, copy, "MODIFIED"));
  }

  function update(kind: string, before: Stored, object: Stored, part: "status" | null, response: ServerResponse): void {
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion)
      return refuse(
        response,
        409,
        "Conflict",
        `Operation cannot be fulfilled on ${kind} "${object.metadata.name}": the object has been modified`,
      );
    if (kind === "leases" && /\.\d{3}Z/.test(JSON.stringify(object.spec)))
      return refuse(response, 400, "BadRequest", 'Lease in version "v1" cannot be handled: parsing time');
    const next =
      part === "status"
        ? { ...structuredClone(before), status: object.status }
        : { ...object, metadata: { ...before.metadata, ...object.metadata } };
    answer(response, 200, save(kind, next as Stored, "MODIFIED"));
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://x");
    const method = request.method ?? "GET";
    const isWatch = url.searchParams.has("watch");
    fake.requests.push(`${isWatch ? "WATCH" : method} ${url.pathname}`);
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const fault = fake.intercept(isWatch ? "WATCH" : method, url.pathname, request.headers);
    if (fault === "hang") return;
    if (fault === "cut") return void request.socket.destroy();
    if (typeof fault === "object" && fault !== null) {
      response.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
      return void response.end(
        JSON.stringify(fault.body ?? { kind: "Status", code: fault.status, message: "a fault" }),
      );
    }
    if (fault === "cut-after") response.end = () => void request.socket.destroy() as never;
    const [, kind = "", name, part] =
      /\/(pods|leases|secrets|configmaps|nodes)(?:\/([^/]+))?(?:\/(status))?$/.exec(url.pathname) ?? [];
    if (kind === "") return refuse(response, 404, "NotFound", "the server could not find the requested resource");
    const value = (body === "" ? {} : JSON.parse(body)) as Stored;
    if (name === undefined) {
      if (method === "POST") return post(kind, value, response);
      return isWatch ? watch(kind, url, response) : list(kind, url, response);
    }
    const object = store(kind).get(name);
    if (object === undefined) return refuse(response, 404, "NotFound", `${kind} "${name}" not found`, { name });
    if (method === "DELETE") return remove(kind, object, value, response);
    if (method === "PUT") return update(kind, object, value, part === undefined ? null : "status", response);
    answer(response, 200, object);
  }

  function listen(): Promise<void> {
    server = createServer((request, response) => {
      handle(request, response).catch(() => response.destroy());
    });
    return new Promise((done) =>
      server.listen(port, "127.0.0.1", () => {
        ({ port } = server.address() as AddressInfo);
        fake.url = `http://127.0.0.1:${port}`;
        done();
      }),
    );
  }
  await listen();
  return fake;
}

function selector(url: URL): (object: Stored) => boolean {
  const wanted = (url.searchParams.get("labelSelector") ?? "").split(",").filter((one) => one !== "");
  const field = /^spec\.nodeName=(.*)$/.exec(url.searchParams.get("fieldSelector") ?? "")?.[1];
  return (object) => {
    const labels = (object.metadata["labels"] ?? {}) as Record<string, string>;
    const hasAll = wanted.every((one) => labels[one.split("=")[0] ?? ""] === one.split("=")[1]);
    return hasAll && (field === undefined || object.spec?.["nodeName"] === field);
  };
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
