// A real control plane on loopback (etcd, API server, controller-manager, scheduler), with a stand-in for the kubelet
// or with a real kubelet on containerd and runc. Their programs come from ../cluster/build.sh and from Debian.
import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../agent/platform/clock.ts";
import { createClient, type Client } from "../../../agent/runners/kubernetes/client.ts";
import { eventually } from "../../helpers/tmp.ts";
import { accessOf, encoded, kubeconfigText, kubernetesArgs, type Cluster } from "./clusters.ts";
import type { Stored } from "./fake-server.ts";
import { batchImage, makeImages, pauseImage } from "./image.ts";
import { startKubelet } from "./kubelet.ts";
import { createPrograms, freePort, type Programs } from "./processes.ts";

const namespace = "batches";
const tokens = {
  admin: "admin-token",
  controllers: "controllers-token",
  scheduler: "scheduler-token",
  node: "node-token",
};

/** Why real clusters cannot be had here; null where they can. */
export function realFault(kind: "control-plane" | "kubelet"): string | null {
  try {
    accessSync(binaryPath(), constants.X_OK);
  } catch {
    return "the cluster is not built: test/kubernetes/cluster/build.sh";
  }
  if (!has("etcd")) return "there is no etcd (Debian's etcd-server)";
  if (kind === "control-plane") return null;
  if (process.getuid?.() !== 0) return "a kubelet needs root";
  const missing = ["containerd", "runc", "ctr"].filter((name) => !has(name));
  return missing.length > 0 ? `there is no ${missing.join(", ")}` : null;
}

function has(program: string): boolean {
  try {
    execFileSync("which", [program], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function binaryPath(): string {
  return execFileSync(join(import.meta.dirname, "../cluster/build.sh"), ["--path"], { encoding: "utf8" }).trim();
}

export interface RealCluster extends Cluster {
  home: string;
  programs: Programs;
  /** Starts the API server again, on its own port. */
  startServer: () => Promise<void>;
  url: string;
  /** Versions up to now are forgotten by etcd. */
  compact: () => Promise<void>;
  /** Makes a volume of a folder for a claim that is there. */
  makeVolume: (namespace: string, claim: string, path: string, storageClass?: string) => Promise<void>;
  ca: string;
  kubectl: (...args: string[]) => string;
  /** Of the administrator. */
  kubeconfig: string;
  /** A command line that is kubectl. */
  kubectlCommand: string;
  /** Path of a template for pods that have no network of their own. */
  template: () => string;
}

/**
 * Starts a real cluster, or says why this machine starts none (no cgroups, no mounts, no time): its tests are then
 * passed over. A second try is for what another process took in between.
 */
export async function tryRealCluster(kind: "control-plane" | "kubelet"): Promise<RealCluster | string> {
  const began = Date.now();
  for (let tries = 1; ; tries++) {
    // Sockets have short paths, and pods have an empty folder at /tmp.
    const home = mkdtempSync("/var/tmp/bac-");
    const programs = createPrograms(home);
    try {
      return await realCluster(kind, home, programs);
    } catch (error) {
      await programs.stopAll();
      unmountAll(home);
      rmSync(home, { recursive: true, force: true });
      const why = error instanceof Error ? error.message : String(error);
      if (tries === 2 || Date.now() - began > maxFirstTryMs) return `a real cluster does not start here: ${why}`;
    }
  }
}

/** A first try that took longer is not repeated. */
const maxFirstTryMs = 100_000;

async function realCluster(kind: "control-plane" | "kubelet", home: string, programs: Programs): Promise<RealCluster> {
  const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
  const server = `https://127.0.0.1:${port}`;
  const cluster = binaryPath();
  makeKeys(home);
  programs.start("etcd", "etcd", [
    ...["--data-dir", join(home, "etcd"), "--unsafe-no-fsync", "--log-level", "error"],
    ...[
      "--listen-client-urls",
      `http://127.0.0.1:${etcdPort}`,
      "--advertise-client-urls",
      `http://127.0.0.1:${etcdPort}`,
    ],
    ...["--listen-peer-urls", `http://127.0.0.1:${peerPort}`],
    ...[
      "--initial-advertise-peer-urls",
      `http://127.0.0.1:${peerPort}`,
      "--initial-cluster",
      `default=http://127.0.0.1:${peerPort}`,
    ],
  ]);
  const startServer = async () => {
    programs.start("kube-apiserver", cluster, [
      "kube-apiserver",
      ...[`--etcd-servers=http://127.0.0.1:${etcdPort}`, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"],
      ...[`--secure-port=${port}`, `--cert-dir=${join(home, "certs")}`, "--service-cluster-ip-range=10.96.0.0/24"],
      ...[
        `--service-account-key-file=${join(home, "sa.pub")}`,
        `--service-account-signing-key-file=${join(home, "sa.key")}`,
      ],
      ...["--service-account-issuer=https://batch-agent.test", `--token-auth-file=${join(home, "tokens.csv")}`],
      ...["--authorization-mode=Node,RBAC", "--endpoint-reconciler-type=none"],
    ]);
    await eventually(async () => {
      const ca = readIfThere(join(home, "certs/apiserver.crt"));
      if (ca === null) return null;
      const client = createClient(accessOf(server, tokens.admin, ca), { clock: systemClock, userAgent: "test" });
      const ready = await client.request("GET", "/readyz");
      client.close();
      return ready.kind === "ok" ? true : null;
    }, 90_000);
  };
  await startServer();
  const ca = readFileSync(join(home, "certs/apiserver.crt"), "utf8");
  const kubeconfig = (name: keyof typeof tokens) => {
    const path = join(home, `${name}.kubeconfig`);
    writeFileSync(path, kubeconfigText(server, tokens[name], ca));
    return path;
  };
  programs.start("kube-controller-manager", cluster, [
    "kube-controller-manager",
    ...[`--kubeconfig=${kubeconfig("controllers")}`, "--use-service-account-credentials=true", "--leader-elect=false"],
    ...[
      `--root-ca-file=${join(home, "certs/apiserver.crt")}`,
      `--service-account-private-key-file=${join(home, "sa.key")}`,
    ],
    ...["--bind-address=127.0.0.1", `--secure-port=${await freePort()}`, `--cert-dir=${join(home, "cm")}`],
    ...["--pvclaimbinder-sync-period=1s", `--controllers=${controllers.join(",")}`],
  ]);
  programs.start("kube-scheduler", cluster, [
    "kube-scheduler",
    ...[`--kubeconfig=${kubeconfig("scheduler")}`, "--leader-elect=false", "--bind-address=127.0.0.1"],
    ...[`--secure-port=${await freePort()}`, `--cert-dir=${join(home, "sched")}`],
  ]);
  const admin = kubeconfig("admin");
  const client = createClient(accessOf(server, tokens.admin, ca), { clock: systemClock, userAgent: "test" });
  await must(client, "POST", "/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace },
  });
  // Pods are refused until a controller has made the account that they name.
  await eventually(async () => {
    const account = await client.request("GET", `/api/v1/namespaces/${namespace}/serviceaccounts/default`);
    return account.kind === "ok" ? true : null;
  }, 60_000);
  const standIn = kind === "control-plane" ? await standInNode(client, accessOf(server, tokens.admin, ca)) : null;
  if (kind === "kubelet") await realKubelet(home, programs, cluster, kubeconfig("node"), client);
  let claims = 0;
  return {
    home,
    programs,
    namespace,
    client,
    ca,
    url: server,
    kubeconfig: admin,
    kubectlCommand: `${cluster} kubectl --kubeconfig=${admin}`,
    template() {
      const path = join(home, "template.yaml");
      writeFileSync(path, kind === "kubelet" ? hostNetwork : neverPull);
      return path;
    },
    compact: () => compact(etcdPort),
    makeVolume: (of, claim, path, storageClass) => makeVolume(client, of, claim, path, storageClass),
    image: kind === "kubelet" ? batchImage : "batch",
    isIsolated: kind === "kubelet",
    async putSecret(name, values) {
      const path = `/api/v1/namespaces/${namespace}/secrets`;
      await must(client, "POST", path, { apiVersion: "v1", kind: "Secret", metadata: { name }, data: encoded(values) });
    },
    async setQuota(pods) {
      const path = `/api/v1/namespaces/${namespace}/resourcequotas`;
      // Pods of earlier tests that go on would count: none do.
      await must(client, "POST", path, {
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "rq" },
        spec: { hard: { pods: String(pods) } },
      });
      return async () => {
        await client.request("DELETE", `${path}/rq`);
      };
    },
    server: null,
    kubelet: standIn?.kubelet ?? null,
    startServer,
    kubectl: (...args) => execFileSync(cluster, ["kubectl", `--kubeconfig=${admin}`, ...args], { encoding: "utf8" }),
    async argsFor(data) {
      mkdirSync(data, { recursive: true, mode: 0o700 });
      const claim = `data-${++claims}`;
      await makeClaim(client, claim, data);
      const template = `${data}.template.yaml`;
      writeFileSync(template, kind === "kubelet" ? hostNetwork : neverPull);
      return [
        ...kubernetesArgs(admin, namespace, claim),
        ...["--kubernetes-image", kind === "kubelet" ? batchImage : "batch", "--kubernetes-template", template],
      ];
    },
    async pods() {
      const answer = await client.request("GET", `/api/v1/namespaces/${namespace}/pods`);
      return answer.kind === "ok" ? (answer.body as { items: Stored[] }).items : [];
    },
    async stop() {
      await standIn?.stop();
      client.close();
      await programs.stopAll();
      unmountAll(home);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const controllers = [
  ...["garbage-collector-controller", "pod-garbage-collector-controller", "node-lifecycle-controller"],
  ...["taint-eviction-controller", "resourcequota-controller", "serviceaccount-controller"],
  ...["serviceaccount-token-controller", "namespace-controller", "root-ca-certificate-publisher-controller"],
  ...["persistentvolume-binder-controller", "disruption-controller", "deployment-controller", "replicaset-controller"],
];

const neverPull = `apiVersion: v1
kind: Pod
spec: {containers: [{name: batch, imagePullPolicy: Never}]}
`;
/** No network is made for pods here. */
const hostNetwork = `apiVersion: v1
kind: Pod
spec: {hostNetwork: true, containers: [{name: batch, imagePullPolicy: Never}]}
`;

function makeKeys(home: string): void {
  execFileSync("openssl", ["genrsa", "-out", join(home, "sa.key"), "2048"], { stdio: "ignore" });
  execFileSync("openssl", ["rsa", "-in", join(home, "sa.key"), "-pubout", "-out", join(home, "sa.pub")], {
    stdio: "ignore",
  });
  writeFileSync(
    join(home, "tokens.csv"),
    [
      `${tokens.admin},admin,1,"system:masters"`,
      `${tokens.controllers},system:kube-controller-manager,2`,
      `${tokens.scheduler},system:kube-scheduler,3`,
      `${tokens.node},system:node:n1,4,"system:nodes"`,
      "",
    ].join("\n"),
    { mode: 0o600 },
  );
}

/** By etcd's JSON gateway. */
async function compact(port: number): Promise<void> {
  const ask = async (path: string, body: object) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v3/kv/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`etcd, ${path}: ${await answer.text()}`);
    return (await answer.json()) as { header: { revision: string } };
  };
  const { header } = await ask("range", { key: "YQ==", limit: 1 });
  await ask("compaction", { revision: header.revision, physical: true });
}

async function must(client: Client, method: "POST" | "PUT", path: string, body: unknown): Promise<Stored> {
  const answer = await client.request(method, path, body);
  if (answer.kind !== "ok") throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer.body as Stored;
}

async function makeVolume(client: Client, of: string, claim: string, path: string, storageClass = ""): Promise<void> {
  await must(client, "POST", "/api/v1/persistentvolumes", {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: claim },
    spec: {
      capacity: { storage: "100Gi" },
      accessModes: ["ReadWriteMany"],
      storageClassName: storageClass,
      persistentVolumeReclaimPolicy: "Retain",
      hostPath: { path },
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: of, name: claim },
    },
  });
}

async function makeClaim(client: Client, name: string, path: string): Promise<void> {
  const size = { storage: "1Gi" };
  await makeVolume(client, namespace, name, path);
  await must(client, "POST", `/api/v1/namespaces/${namespace}/persistentvolumeclaims`, {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: { accessModes: ["ReadWriteMany"], storageClassName: "", volumeName: name, resources: { requests: size } },
  });
  // A scheduler that has seen it unbound waits before it looks again.
  await eventually(async () => {
    const claim = await client.request("GET", `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`);
    return claim.kind === "ok" && (claim.body as Stored).status?.["phase"] === "Bound" ? true : null;
  }, 60_000);
}

/** A Node object with a status and a Lease, kept fresh, and the pods of it as plain processes. */
async function standInNode(client: Client, access: Parameters<typeof startKubelet>[0]) {
  const node = await must(client, "POST", "/api/v1/nodes", {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n1" },
  });
  const capacity = { cpu: "1000", memory: "1000Gi", pods: "10000" };
  const beat = async () => {
    const now = new Date().toISOString();
    const at = now.replace(/\.\d+/, "");
    const conditions = [
      {
        type: "Ready",
        status: "True",
        reason: "KubeletReady",
        message: "",
        lastHeartbeatTime: at,
        lastTransitionTime: at,
      },
    ];
    const known = await client.request("GET", "/api/v1/nodes/n1");
    const base = known.kind === "ok" ? (known.body as Stored) : node;
    await client.request("PUT", "/api/v1/nodes/n1/status", {
      ...base,
      status: { capacity, allocatable: capacity, conditions },
    });
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "n1", namespace: "kube-node-lease" },
      spec: { holderIdentity: "n1", leaseDurationSeconds: 40, renewTime: now.replace("Z", "000Z") },
    };
    const path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    const put = await client.request("PUT", `${path}/n1`, lease);
    if (put.kind === "refused" && put.status === 404) await client.request("POST", path, lease);
  };
  await beat();
  const beating = setInterval(() => void (kubelet.isSilent ? undefined : beat()), 2_000);
  const kubelet = await startKubelet(access, namespace);
  return {
    kubelet,
    async stop() {
      clearInterval(beating);
      await kubelet.stop();
    },
  };
}

async function realKubelet(
  home: string,
  programs: Programs,
  cluster: string,
  kubeconfig: string,
  client: Client,
): Promise<void> {
  const socket = join(home, "containerd.sock");
  mkdirSync(join(home, "cni"));
  writeFileSync(
    join(home, "cni/10-loopback.conflist"),
    JSON.stringify({ cniVersion: "0.4.0", name: "none", plugins: [{ type: "loopback" }] }),
  );
  writeFileSync(join(home, "containerd.toml"), containerdConfig(home, socket));
  programs.start("containerd", "containerd", ["--config", join(home, "containerd.toml")]);
  const archive = makeImages(home);
  await eventually(() => {
    try {
      execFileSync("ctr", ["-a", socket, "-n", "k8s.io", "images", "import", archive], { stdio: "ignore" });
      return true;
    } catch {
      return null;
    }
  }, 60_000);
  writeFileSync(
    join(home, "kubelet.yaml"),
    JSON.stringify(kubeletConfig(home, socket, await freePort(), await freePort())),
  );
  programs.start("kubelet", cluster, [
    "kubelet",
    ...[`--config=${join(home, "kubelet.yaml")}`, `--kubeconfig=${kubeconfig}`, "--hostname-override=n1"],
    ...[`--root-dir=${join(home, "kubelet")}`, `--cert-dir=${join(home, "kubelet-certs")}`],
  ]);
  await eventually(async () => {
    const node = await client.request("GET", "/api/v1/nodes/n1");
    return node.kind === "ok" &&
      /"type":"Ready","status":"True"|"status":"True"[^}]*"type":"Ready"/.test(JSON.stringify(node.body))
      ? true
      : null;
  }, 120_000);
}

function containerdConfig(home: string, socket: string): string {
  return `version = 2
root = "${home}/containerd"
state = "${home}/containerd-state"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${home}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
}

function kubeletConfig(home: string, socket: string, port: number, healthPort: number) {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    containerRuntimeEndpoint: `unix://${socket}`,
    failSwapOn: false,
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    enforceNodeAllocatable: [],
    authentication: { anonymous: { enabled: false }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    address: "127.0.0.1",
    port,
    healthzPort: healthPort,
    volumePluginDir: join(home, "plugins"),
    podLogsDir: join(home, "pod-logs"),
    evictionHard: { "memory.available": "1Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    imageGCHighThresholdPercent: 100,
  };
}

/** Containers and their mounts outlive containerd. */
function unmountAll(home: string): void {
  for (const shim of execFileSync("sh", ["-c", `pgrep -f '^/usr/bin/containerd-shim-runc-v2 .*${home}' || true`], {
    encoding: "utf8",
  }).split("\n"))
    if (shim !== "") execFileSync("sh", ["-c", `pkill -KILL -P ${shim}; kill -KILL ${shim}; true`]);
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  for (const mount of mounts.filter((path) => path.startsWith(home)).reverse())
    execFileSync("sh", ["-c", `umount -l '${mount}' || true`], { stdio: "ignore" });
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
