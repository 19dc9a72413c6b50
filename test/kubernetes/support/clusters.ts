// The clusters that the contract suite runs on, one interface: an agent is started with its arguments, and a test acts
// on it as an administrator would.
import { mkdirSync, writeFileSync } from "node:fs";
import { systemClock } from "../../../agent/platform/clock.ts";
import { createClient, type Client } from "../../../agent/runners/kubernetes/client.ts";
import type { ServerAccess } from "../../../agent/runners/kubernetes/kubeconfig.ts";
import { startFakeServer, type FakeServer, type Stored } from "./fake-server.ts";
import { startKubelet, type Kubelet } from "./kubelet.ts";

export interface Cluster {
  namespace: string;
  /** As the administrator. */
  client: Client;
  /** Arguments of an agent whose data folder this is; makes the claim and whatever a pod needs to mount it. */
  argsFor: (data: string) => Promise<string[]>;
  pods: () => Promise<Stored[]>;
  image: string;
  /** True where pods are containers, with a user and limits of their own. */
  isIsolated: boolean;
  putSecret: (name: string, values: Readonly<Record<string, string>>) => Promise<void>;
  /** At most so many pods that have not ended; the result takes it away. */
  setQuota: (pods: number) => Promise<() => Promise<void>>;
  /** Only of the fake one. */
  server: FakeServer | null;
  /** Only of stand-ins. */
  kubelet: Kubelet | null;
  stop: () => Promise<void>;
}

export async function fakeCluster(): Promise<Cluster> {
  const server = await startFakeServer();
  const access = accessOf(server.url, null);
  const kubelet = await startKubelet(access, "batches");
  const client = createClient(access, { clock: systemClock, userAgent: "test" });
  return {
    namespace: "batches",
    client,
    image: "batch",
    isIsolated: false,
    putSecret(name, values) {
      server.put("secrets", { metadata: { name }, data: encoded(values) });
      return Promise.resolve();
    },
    setQuota(pods) {
      server.quotaPods = pods;
      return Promise.resolve(() => {
        server.quotaPods = null;
        return Promise.resolve();
      });
    },
    server,
    kubelet,
    argsFor(data) {
      mkdirSync(data, { recursive: true, mode: 0o700 });
      const kubeconfig = `${data}.kubeconfig`;
      writeFileSync(kubeconfig, kubeconfigText(server.url, "test", null));
      return Promise.resolve([...kubernetesArgs(kubeconfig, "batches"), "--kubernetes-image", "batch"]);
    },
    pods: () => Promise.resolve(server.objects("pods")),
    async stop() {
      await kubelet.stop();
      client.close();
      await server.close();
    },
  };
}

export function kubernetesArgs(kubeconfig: string, namespace: string, claim = "batch-agent-data"): string[] {
  return [
    "--runner",
    "kubernetes",
    "--kubeconfig",
    kubeconfig,
    "--kubernetes-namespace",
    namespace,
    "--kubernetes-claim",
    claim,
  ];
}

export function accessOf(server: string, token: string | null, ca: string | null = null): ServerAccess {
  return {
    server,
    namespace: null,
    ca,
    insecure: false,
    serverName: null,
    certificate: null,
    token: token === null ? null : { value: token },
  };
}

export function kubeconfigText(server: string, token: string, ca: string | null): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: "batches" } }],
    clusters: [
      {
        name: "test",
        cluster: {
          server,
          ...(ca === null ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
        },
      },
    ],
    users: [{ name: "test", user: { token } }],
  });
}

/** Values as a Secret holds them. */
export function encoded(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
  );
}
