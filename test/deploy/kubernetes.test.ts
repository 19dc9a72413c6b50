// What kustomize makes of deploy/kubernetes, against the JSON Schemas of Kubernetes and the Prometheus operator
// (values and what must be there) and their TypeScript types (keys that do not exist). No cluster is asked, so no
// admission rules.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Role } from "kubernetes-models/rbac.authorization.k8s.io/v1/Role";
import { RoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { PersistentVolumeClaim } from "kubernetes-models/v1/PersistentVolumeClaim";
import { ResourceQuota } from "kubernetes-models/v1/ResourceQuota";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { main } from "../helpers/cli.ts";
import { repository } from "../helpers/git.ts";
import { faultsOf, type Kind, type Manifest as AnyManifest } from "../helpers/manifests.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";
import { kubectlFault } from "../helpers/tools.ts";

interface Manifest extends AnyManifest {
  data?: Record<string, string>;
  spec?: {
    template?: {
      spec: {
        containers: { args: string[]; env: { name: string; value: string }[] }[];
        volumes: { name: string; configMap?: { items: { key: string; path: string }[] } }[];
      };
    };
  };
}

const core = "kubernetes-models/v1";
const rbac = "kubernetes-models/rbac.authorization.k8s.io/v1";
const kinds: Record<string, Kind> = {
  ConfigMap: { model: ConfigMap, home: `${core}/ConfigMap` },
  Deployment: { model: Deployment, home: "kubernetes-models/apps/v1/Deployment" },
  Namespace: { model: Namespace, home: `${core}/Namespace` },
  NetworkPolicy: { model: NetworkPolicy, home: "kubernetes-models/networking.k8s.io/v1/NetworkPolicy" },
  PersistentVolumeClaim: { model: PersistentVolumeClaim, home: `${core}/PersistentVolumeClaim` },
  PodDisruptionBudget: { model: PodDisruptionBudget, home: "kubernetes-models/policy/v1/PodDisruptionBudget" },
  ResourceQuota: { model: ResourceQuota, home: `${core}/ResourceQuota` },
  Role: { model: Role, home: `${rbac}/Role` },
  RoleBinding: { model: RoleBinding, home: `${rbac}/RoleBinding` },
  Service: { model: Service, home: `${core}/Service` },
  ServiceAccount: { model: ServiceAccount, home: `${core}/ServiceAccount` },
  ServiceMonitor: {
    model: ServiceMonitor,
    home: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
  },
};

function manifestsOf(yaml: string): Manifest[] {
  return parseAllDocuments(yaml).map((document) => document.toJS() as Manifest);
}

function kustomize(folder: string): Manifest[] {
  return manifestsOf(execFileSync("kubectl", ["kustomize", folder], { encoding: "utf8" }));
}

const fault = kubectlFault();
if (fault !== null) console.warn(`passed over, deploy/kubernetes is not looked at: ${fault}`);

describe.skipIf(fault !== null)("kustomize", { timeout: 120_000 }, () => {
  test.each([
    ["base", ["ConfigMap", "Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"]],
    ["git", ["Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"]],
  ])("%s is valid", (folder, names) => {
    const manifests = kustomize(`deploy/kubernetes/${folder}`);
    expect(manifests.map(({ kind }) => kind).sort()).toEqual(names);
    expect(faultsOf(manifests, kinds)).toEqual([]);
    // Else the Service of that name would be told to the pod as BATCH_AGENT_PORT.
    expect(manifests.find(({ kind }) => kind === "Deployment")?.spec?.template?.spec).toMatchObject({
      enableServiceLinks: false,
    });
  });

  test("with a token and monitoring it is valid", () => {
    const folder = temporaryFolder();
    execFileSync("cp", ["-r", "deploy/kubernetes", folder]);
    const mine = join(folder, "kubernetes/mine");
    mkdirSync(mine);
    writeFileSync(
      join(mine, "kustomization.yaml"),
      "resources: [../base]\ncomponents: [../components/token, ../components/monitoring]\n",
    );
    const manifests = kustomize(mine);
    expect(manifests.map(({ kind }) => kind)).toContain("ServiceMonitor");
    expect(JSON.stringify(manifests)).toContain('"BATCH_AGENT_TOKEN_FILE"');
    expect(faultsOf(manifests, kinds)).toEqual([]);
  });

  test("with pods and a second agent it is valid", () => {
    const folder = temporaryFolder();
    execFileSync("cp", ["-r", "deploy/kubernetes", folder]);
    const mine = join(folder, "kubernetes/mine");
    mkdirSync(mine);
    const text = "resources: [../base]\ncomponents: [../components/pods, ../components/ha, ../components/token]\n";
    writeFileSync(join(mine, "kustomization.yaml"), text);
    const manifests = kustomize(mine);
    expect(new Set(manifests.map(({ kind }) => kind))).toEqual(
      new Set(Object.keys(kinds).filter((kind) => kind !== "ServiceMonitor")),
    );
    expect(faultsOf(manifests, kinds)).toEqual([]);
  });

  test("faults are found", () => {
    const yaml = execFileSync("kubectl", ["kustomize", "deploy/kubernetes/base"], { encoding: "utf8" });
    expect(faultsOf(manifestsOf(yaml.replace("livenessProbe", "livenesProbe")), kinds)).toEqual([
      expect.stringContaining("livenesProbe"),
    ]);
    expect(faultsOf(manifestsOf(yaml.replace("replicas: 1", "replicas: one")), kinds).join()).toContain("replicas");
    expect(faultsOf(manifestsOf(yaml.replace("name: agent\n", "nam: agent\n")), kinds).join()).toContain("name");
  });

  test("the agent takes the arguments and variables of the git variant, and follows a repository by them", async () => {
    const root = temporaryFolder();
    const folder = repository(join(root, "repository"));
    const commit = folder.commit({
      "batches.d/report/batch.yaml": 'cron: "0 4 * * *"\n',
      "batches.d/report/script.sh": "true\n",
    });
    const token = join(root, "token");
    writeFileSync(token, "a-token\n");
    const container = kustomize("deploy/kubernetes/git").find(({ kind }) => kind === "Deployment")?.spec?.template?.spec
      .containers[0];
    const variables = Object.fromEntries(container?.env.map(({ name, value }) => [name, value]) ?? []);
    expect(variables).toMatchObject({
      BATCH_AGENT_GIT_URL: expect.stringContaining("https://") as string,
      BATCH_AGENT_TOKEN_FILE: "/etc/batch-agent/token",
    });
    // The image's own settings, and what differs here: where repository, token and data are.
    const here = {
      BATCH_AGENT_GIT_URL: `file://${folder.path}`,
      BATCH_AGENT_TOKEN_FILE: token,
      BATCH_AGENT_DATA: join(root, "data"),
      BATCH_AGENT_PORT: "0",
    };
    const child = spawn(process.execPath, [main, ...(container?.args ?? [])], {
      cwd: root,
      env: { PATH: process.env["PATH"], HOME: root, ...variables, ...here },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    try {
      const url = await eventually(
        () => /dashboard: (http:[^"\s]+)/.exec(said)?.[1] ?? (child.exitCode === null ? null : `ended: ${said}`),
        30_000,
      );
      const headers = { Authorization: "Bearer a-token" };
      await eventually(async () => (await fetch(`${url}/readyz`)).status === 200, 30_000);
      expect(await (await fetch(`${url}/api/batches/report`, { headers })).json()).toMatchObject({
        state: "scheduled",
        commit,
      });
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("the image starts with what the base says, or with BATCH_AGENT_GIT_URL alone", () => {
    const dockerfile = readFileSync("Dockerfile", "utf8");
    const args = kustomize("deploy/kubernetes/base").find(({ kind }) => kind === "Deployment")?.spec?.template?.spec
      .containers[0]?.args;
    expect(args).toEqual(["run", "/batches.d"]);
    expect(
      dockerfile
        .trimEnd()
        .split("\n")
        .filter((line) => /^(WORKDIR|ENTRYPOINT|CMD)/.test(line))
        .slice(-3),
    ).toEqual(["WORKDIR /", expect.stringContaining("/app/dist/main.js"), 'CMD ["run"]']);
  });

  test("the ConfigMap, as the kubelet lays it out, is a folder of valid batches", () => {
    const root = temporaryFolder();
    const manifests = kustomize("deploy/kubernetes/base");
    const data = manifests.find(({ kind }) => kind === "ConfigMap")?.data ?? {};
    const items = manifests.flatMap(
      ({ spec }) => spec?.template?.spec.volumes.flatMap(({ configMap }) => configMap?.items ?? []) ?? [],
    );
    expect(items.map(({ key }) => key).sort()).toEqual(Object.keys(data).sort());
    for (const { key, path } of items) {
      mkdirSync(join(root, "..2026_11_25_10_00_00.1", dirname(path)), { recursive: true });
      writeFileSync(join(root, "..2026_11_25_10_00_00.1", path), data[key] ?? "");
    }
    symlinkSync("..2026_11_25_10_00_00.1", join(root, "..data"));
    for (const name of new Set(items.map(({ path }) => dirname(path)))) symlinkSync(`..data/${name}`, join(root, name));
    const { status, stdout } = spawnSync(process.execPath, [main, "validate", root], { encoding: "utf8" });
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining("2 batches") as string });
  });
});
