// A stand-in for the kubelet: runs the pods of one node as plain processes of this machine, at the paths of their
// mounts, and says through the API what became of them. It speaks to our fake server and to a real one alike.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { systemClock } from "../../../agent/platform/clock.ts";
import { createClient } from "../../../agent/runners/kubernetes/client.ts";
import type { ServerAccess } from "../../../agent/runners/kubernetes/kubeconfig.ts";
import type { Stored } from "./fake-server.ts";

interface Container {
  image: string;
  command: string[];
  args?: string[];
  env?: { name: string; valueFrom?: { fieldRef: { fieldPath: string } }; value?: string }[];
  envFrom?: { prefix?: string; secretRef?: { name: string }; configMapRef?: { name: string } }[];
  volumeMounts: { name: string; mountPath: string; subPath?: string; readOnly?: boolean }[];
}

export interface Kubelet {
  /** Runs each container this often, at once, as a kubelet that has lost its memory may; the last to end is told of. */
  copies: number;
  /** Images that are there; others are waited for. */
  images: Set<string>;
  /** True: neither starts nor tells anything. */
  isSilent: boolean;
  /** What the node's clock is ahead, in seconds; negative where it is behind. */
  aheadSeconds: number;
  /** Exit codes of processes that are made up, by pod: `OOMKilled` and the like. */
  terminated: (pod: string, code: number) => Record<string, unknown> | null;
  started: () => number;
  stop: () => Promise<void>;
}

export async function startKubelet(access: ServerAccess, namespace: string, node = "n1"): Promise<Kubelet> {
  const client = createClient(access, { clock: systemClock, userAgent: "stand-in-kubelet" });
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const running = new Map<string, { children: ChildProcess[]; killed: boolean }>();
  const busy = new Set<string>();
  let started = 0;
  let closed = false;
  let silent = false;
  let abort: () => void = () => undefined;

  const kubelet: Kubelet = {
    copies: 1,
    images: new Set(["batch"]),
    get isSilent() {
      return silent;
    },
    set isSilent(value) {
      silent = value;
      if (!silent) abort(); // it lists its pods anew
    },
    aheadSeconds: 0,
    terminated: () => null,
    started: () => started,
    async stop() {
      closed = true;
      abort();
      const alive = [...running.values()]
        .flatMap(({ children }) => children)
        .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
      for (const { pid = 0 } of alive) killAll(pid);
      client.close();
      await Promise.resolve();
    },
  };

  /** Lists the node's pods page by page: the client takes no answer of any length. Null where that fails. */
  async function list(): Promise<{ resourceVersion: string; items: Stored[] } | null> {
    const items: Stored[] = [];
    for (let next = ""; ;) {
      const query = `fieldSelector=spec.nodeName%3D${node}&limit=500`;
      const from = next === "" ? "" : `&continue=${encodeURIComponent(next)}`;
      const listed = await client.request("GET", `${path}?${query}${from}`);
      if (listed.kind !== "ok") return null;
      const page = listed.body as { metadata: { resourceVersion: string; continue?: string }; items: Stored[] };
      items.push(...page.items);
      next = page.metadata.continue ?? "";
      if (next === "") return { resourceVersion: page.metadata.resourceVersion, items };
    }
  }

  async function follow(): Promise<void> {
    while (!closed) {
      const listed = await list();
      if (listed !== null) {
        for (const pod of listed.items) void see(pod);
        const query = `watch=1&fieldSelector=spec.nodeName%3D${node}&resourceVersion=${listed.resourceVersion}`;
        const watch = client.watch(
          `${path}?${query}`,
          (line) => {
            const event = JSON.parse(line) as { type: string; object: Stored };
            if (event.type === "ADDED" || event.type === "MODIFIED") void see(event.object);
          },
          () => undefined,
        );
        abort = watch.abort;
        await watch.ended;
      }
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  async function see(pod: Stored): Promise<void> {
    const { uid } = pod.metadata;
    if (kubelet.isSilent || closed) return;
    const known = running.get(uid);
    if (pod.metadata["deletionTimestamp"] !== undefined) return end(pod, known);
    if (known !== undefined || busy.has(uid) || ["Succeeded", "Failed"].includes(String(pod.status?.["phase"]))) return;
    busy.add(uid);
    await start(pod).finally(() => busy.delete(uid));
  }

  async function start(pod: Stored): Promise<void> {
    const container = (pod.spec?.["containers"] as Container[])[0] as Container;
    if (!kubelet.images.has(container.image))
      return wait(
        pod,
        "ErrImageNeverPull",
        `Container image "${container.image}" is not present with pull policy of Never`,
      );
    const env: Record<string, string> = {
      PATH: process.env["PATH"] ?? "",
      HOME: "/",
      HOSTNAME: pod.metadata.name,
    };
    for (const { prefix = "", secretRef, configMapRef } of container.envFrom ?? []) {
      const kind = secretRef === undefined ? "configmaps" : "secrets";
      const name = secretRef?.name ?? configMapRef?.name ?? "";
      const found = await client.request("GET", `/api/v1/namespaces/${namespace}/${kind}/${name}`);
      if (found.kind !== "ok")
        return wait(pod, "CreateContainerConfigError", `${kind.replace(/s$/, "")} "${name}" not found`);
      for (const [key, value] of Object.entries((found.body as { data?: Record<string, string> }).data ?? {}))
        env[prefix + key] = secretRef === undefined ? value : Buffer.from(value, "base64").toString();
    }
    for (const { name, value, valueFrom } of container.env ?? []) {
      const field = valueFrom?.fieldRef.fieldPath;
      env[name] = field === "spec.nodeName" ? node : field === "metadata.uid" ? pod.metadata.uid : (value ?? "");
    }
    if (closed || kubelet.isSilent) return;
    started += 1;
    const [command = "", ...words] = container.command;
    const children = Array.from({ length: kubelet.copies }, () =>
      spawn(command, [...words.map(atNode), ...(container.args ?? [])], { env, stdio: "ignore", detached: true }),
    );
    const at = nodeTime();
    running.set(pod.metadata.uid, { children, killed: false });
    const ends = Promise.all(
      children.map(
        (child) =>
          new Promise<number>((done) =>
            child.on("exit", (code, signal) => done(code ?? (signal === "SIGKILL" ? 137 : 143))),
          ),
      ),
    );
    void ends.then(async (codes) => {
      const code = codes.at(-1) ?? 0;
      const state = {
        exitCode: code,
        reason: code === 0 ? "Completed" : "Error",
        startedAt: at,
        finishedAt: nodeTime(),
        ...kubelet.terminated(pod.metadata.name, code),
      };
      while (kubelet.isSilent && !closed) await new Promise((done) => setTimeout(done, 50));
      await tell(pod, {
        phase: code === 0 ? "Succeeded" : "Failed",
        containerStatuses: [status(container, { terminated: state })],
      });
      await gone(pod);
    });
    await tell(pod, { phase: "Running", containerStatuses: [status(container, { running: { startedAt: at } })] });
  }

  const nodeTime = () => new Date(Date.now() + kubelet.aheadSeconds * 1_000).toISOString().replace(/\.\d+/, "");
  /** bash asks the kernel, whose clock all of this machine share: its wrapper is made to say another time. */
  const atNode = (word: string) =>
    word.replaceAll(
      "${EPOCHREALTIME:-$EPOCHSECONDS}",
      `$((EPOCHSECONDS + ${kubelet.aheadSeconds})).\${EPOCHREALTIME#*[.,]}`,
    );

  const status = (container: Container, state: object) => ({
    name: "batch",
    image: container.image,
    imageID: "",
    ready: false,
    restartCount: 0,
    state,
  });

  function wait(pod: Stored, reason: string, message: string): Promise<void> {
    const container = (pod.spec?.["containers"] as Container[])[0] as Container;
    return tell(pod, { phase: "Pending", containerStatuses: [status(container, { waiting: { reason, message } })] });
  }

  async function end(pod: Stored, known: { children: ChildProcess[]; killed: boolean } | undefined): Promise<void> {
    if (known === undefined) return gone(pod);
    const graceMs = Math.max(0, Date.parse(String(pod.metadata["deletionTimestamp"])) - Date.now());
    for (const child of known.children) if (!known.killed) child.kill("SIGTERM");
    known.killed = true;
    setTimeout(
      () => known.children.forEach((child) => child.exitCode === null && killAll(child.pid ?? 0)),
      graceMs,
    ).unref();
    if (known.children.every((child) => child.exitCode !== null || child.signalCode !== null)) await gone(pod);
  }

  /** A pod that is being deleted goes once its containers have ended. */
  async function gone(pod: Stored): Promise<void> {
    const answer = await client.request("GET", `${path}/${pod.metadata.name}`);
    if (answer.kind !== "ok") return;
    const now = answer.body as Stored;
    if (now.metadata.uid !== pod.metadata.uid || now.metadata["deletionTimestamp"] === undefined) return;
    await client.request("DELETE", `${path}/${pod.metadata.name}`, {
      gracePeriodSeconds: 0,
      preconditions: { uid: pod.metadata.uid },
    });
  }

  /** As a kubelet does: over whatever its status is by now, again and again until it is said. */
  async function tell(pod: Stored, said: Record<string, unknown>): Promise<void> {
    for (let turn = 0; turn < 100 && !closed; turn++) {
      const answer = await client.request("GET", `${path}/${pod.metadata.name}`);
      if (answer.kind === "refused" && answer.status === 404) return;
      if (answer.kind === "ok") {
        const now = answer.body as Stored;
        if (now.metadata.uid !== pod.metadata.uid) return;
        const phase = String(now.status?.["phase"]);
        if (said["phase"] === "Running" && phase !== "Pending") return;
        const put = await client.request("PUT", `${path}/${pod.metadata.name}/status`, {
          ...now,
          status: { ...now.status, ...said },
        });
        if (put.kind === "ok") return;
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  void follow();
  await Promise.resolve();
  return kubelet;
}

/** Kills a process and all that it has started. */
function killAll(pid: number): void {
  if (pid === 0) return;
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (!existsSync(`/proc/${entry}/stat`)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1");
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // gone
    }
  }
  const doomed = [pid];
  for (const one of doomed) for (const [child, parent] of parents) if (parent === one) doomed.push(child);
  for (const one of doomed) {
    try {
      process.kill(one, "SIGKILL");
    } catch {
      // gone
    }
  }
}
