// What helm makes of deploy/helm/batch-agent, for each way to get batches, against the schemas of Kubernetes. helm is
// no part of Debian: `go install helm.sh/helm/v3/cmd/helm@v3.17.3` makes one; without it the templates are passed over.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { Ingress } from "kubernetes-models/networking.k8s.io/v1/Ingress";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { PersistentVolumeClaim } from "kubernetes-models/v1/PersistentVolumeClaim";
import { Service } from "kubernetes-models/v1/Service";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { runOptions } from "../../agent/config.ts";
import { type } from "../helpers/cli.ts";
import { blocksOf, root } from "../helpers/docs.ts";
import { faultsOf, type Kind, type Manifest } from "../helpers/manifests.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const chart = join(root, "deploy/helm/batch-agent");
const core = "kubernetes-models/v1";
const kinds: Record<string, Kind> = {
  ConfigMap: { model: ConfigMap, home: `${core}/ConfigMap` },
  Deployment: { model: Deployment, home: "kubernetes-models/apps/v1/Deployment" },
  Ingress: { model: Ingress, home: "kubernetes-models/networking.k8s.io/v1/Ingress" },
  NetworkPolicy: { model: NetworkPolicy, home: "kubernetes-models/networking.k8s.io/v1/NetworkPolicy" },
  PersistentVolumeClaim: { model: PersistentVolumeClaim, home: `${core}/PersistentVolumeClaim` },
  Service: { model: Service, home: `${core}/Service` },
  ServiceMonitor: {
    model: ServiceMonitor,
    home: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
  },
};

interface Pod {
  containers: {
    args: string[];
    env: { name: string; value: string }[];
    volumeMounts: { name: string; mountPath: string }[];
  }[];
  volumes: { name: string; configMap?: { items: { key: string; path: string }[] } }[];
}

function helm(...words: string[]) {
  return spawnSync("helm", words, { encoding: "utf8" });
}

function render(values: object): { manifests: Manifest[]; said: string } {
  const file = join(temporaryFolder(), "values.json");
  writeFileSync(file, JSON.stringify(values));
  const { status, stdout, stderr } = helm(
    "template",
    "batch-agent",
    chart,
    "--kube-version",
    "1.30.0",
    "--values",
    file,
  );
  const manifests = status === 0 ? parseAllDocuments(stdout).map((one) => one.toJS() as Manifest) : [];
  return { manifests: manifests.filter((one) => one !== null), said: stderr };
}

function podOf(manifests: readonly Manifest[]): Pod {
  const found = manifests.find(({ kind }) => kind === "Deployment") as unknown as { spec: { template: { spec: Pod } } };
  return found.spec.template.spec;
}

const environmentOf = (pod: Pod) =>
  Object.fromEntries(pod.containers[0]?.env.map(({ name, value }) => [name, value]) ?? []);
const readmeValues = parse(blocksOf(readFileSync(join(chart, "README.md"), "utf8"), "yaml")[0] ?? "") as object;
const always = ["Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"];
const token = { existingSecret: "s" };

const isThere = helm("version", "--short").status === 0;
if (!isThere) console.warn("passed over, deploy/helm is not rendered: there is no helm");

describe.skipIf(!isThere)("helm", { timeout: 120_000 }, () => {
  test.each([
    ["the defaults", {}, ["ConfigMap", ...always]],
    [
      "a ConfigMap of one's own",
      { batches: { configMap: { name: "mine", items: [{ key: "a", path: "a/batch.yaml" }] } } },
      always,
    ],
    [
      "a claim",
      { batches: { source: "claim", claim: { name: "jobs", subPath: "batches.d" } }, data: { existingClaim: "d" } },
      ["Deployment", "NetworkPolicy", "Service"],
    ],
    ["the values of README", readmeValues, [...always, "Ingress", "ServiceMonitor"].sort()],
    [
      "everything else",
      {
        ...{
          batches: { source: "git", git: { url: "git@git.example.org:ops/batches.git", sshSecret: "k" } },
          token,
          tolerations: [{ operator: "Exists" }],
        },
        ...{
          nodeSelector: { disk: "ssd" },
          affinity: { nodeAffinity: {} },
          imagePullSecrets: [{ name: "r" }],
          podAnnotations: { a: "1" },
          podLabels: { b: "2" },
        },
        ...{
          extraEnv: [{ name: "X", value: "1" }],
          extraVolumes: [{ name: "x", emptyDir: {} }],
          extraVolumeMounts: [{ name: "x", mountPath: "/x" }],
        },
        ...{ networkPolicy: { enabled: false }, data: { storageClass: "fast" } },
      },
      ["Deployment", "PersistentVolumeClaim", "Service"],
    ],
  ])("with %s it is valid", (_name, values, want) => {
    const { manifests, said } = render(values);
    expect(said).toBe("");
    expect(manifests.map(({ kind }) => kind).sort()).toEqual(want);
    expect(faultsOf(manifests, kinds)).toEqual([]);
    const pod = podOf(manifests);
    const mounts = pod.containers[0]?.volumeMounts.map(({ name }) => name).sort();
    expect(mounts).toEqual(pod.volumes.map(({ name }) => name).sort());
    const known = new Set(
      runOptions({ cores: 1, zone: { timeZone: "UTC", note: null } }).map(
        ({ name }) => `BATCH_AGENT_${name.toUpperCase().replaceAll("-", "_")}`,
      ),
    );
    expect(
      Object.keys(environmentOf(pod)).filter((name) => name.startsWith("BATCH_AGENT_") && !known.has(name)),
    ).toEqual([]);
    expect(pod.containers[0]?.args).toEqual(
      "batches" in values && JSON.stringify(values).includes('"git"') ? ["run"] : ["run", "/batches.d"],
    );
  });

  test("the values of README reach the agent, the git helper by its own host only", () => {
    expect(environmentOf(podOf(render(readmeValues).manifests))).toMatchObject({
      BATCH_AGENT_BASE_URL: "https://ops.example.org/batches",
      BATCH_AGENT_TOKEN_FILE: "/etc/batch-agent/token/token",
      BATCH_AGENT_SMTP_URL_FILE: "/etc/batch-agent/mail/smtp-url",
      BATCH_AGENT_MAX_PARALLEL: "16",
      BATCH_AGENT_GIT_REF: "refs/heads/main",
      GIT_CONFIG_KEY_0: "credential.https://git.example.org.helper",
      // Kubernetes reads $$( as $(.
      GIT_CONFIG_VALUE_0: '!f() { echo username=git; echo "password=$$(cat /etc/batch-agent/git/token)"; }; f',
    });
  });

  test("files of the values are a folder of valid batches", async () => {
    const files = {
      "_group.yaml": "description: all\n",
      "a/batch.yaml": 'cron: "@daily"\n',
      "a/script.sh": "true\n",
      "g/b/batch.yaml": "after: a\n",
      "g/b/script.sh": "true\n",
    };
    const { manifests } = render({ batches: { configMap: { files } } });
    const data = (manifests.find(({ kind }) => kind === "ConfigMap") as unknown as { data: Record<string, string> })
      .data;
    const folder = temporaryFolder();
    for (const { key, path } of podOf(manifests).volumes.flatMap(({ configMap }) => configMap?.items ?? [])) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), data[key] ?? "");
    }
    // The chart's own example is merged in by helm.
    expect(await type(folder, ["validate", "."])).toMatchObject({ code: 0, stdout: "3 batches, no problems\n" });
  });

  test.each([
    ["an unknown key", { tokn: {} }, "tokn"],
    ["a source there is not", { batches: { source: "s3" } }, "batches/source"],
    ["git without a URL", { batches: { source: "git" } }, "batches.git.url is needed"],
    [
      "a token for ssh",
      { batches: { source: "git", git: { url: "ssh://git@h/x", tokenSecret: "t" } } },
      "for https:// only",
    ],
    ["an Ingress without a token", { ingress: { enabled: true, host: "h" } }, "needs token.existingSecret"],
    ["a setting that the chart makes", { settings: { "token-file": "/x" } }, "settings"],
    ["root", { user: 0 }, "user"],
  ])("%s is refused", (_name, values, why) => {
    const { manifests, said } = render(values);
    expect(manifests).toEqual([]);
    expect(said.replaceAll(".source", "/source").replaceAll("'", "")).toContain(why);
  });

  test("helm lint has nothing against it", () => {
    expect(helm("lint", "--strict", chart)).toMatchObject({ status: 0 });
  });
});

test("the chart is of the program's version, and its schema knows every value", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  expect(parse(readFileSync(join(chart, "Chart.yaml"), "utf8"))).toMatchObject({ version, appVersion: version });
  const schema = JSON.parse(readFileSync(join(chart, "values.schema.json"), "utf8")) as {
    properties: Record<string, unknown>;
  };
  const values = parse(readFileSync(join(chart, "values.yaml"), "utf8")) as object;
  expect(Object.keys(values).sort()).toEqual(
    Object.keys(schema.properties)
      .filter((key) => key !== "global")
      .sort(),
  );
  expect(
    execFileSync("find", [join(chart, "templates"), "-name", "*.yaml"], { encoding: "utf8" })
      .trim()
      .split("\n").length,
  ).toBe(7);
});
