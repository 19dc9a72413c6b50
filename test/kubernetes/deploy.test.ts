// What lies in deploy/kubernetes for pods, applied to a real API server, and an agent that runs with that very account.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";
import { accessOf, kubeconfigText } from "./support/clusters.ts";
import type { Stored } from "./support/fake-server.ts";
import { startKubelet } from "./support/kubelet.ts";
import { realFault, tryRealCluster } from "./support/real-cluster.ts";
import { useCluster } from "./support/use-cluster.ts";

const fault = realFault("control-plane");
if (fault !== null) console.warn(`passed over, deploy/kubernetes is applied to no server: ${fault}`);
const namespace = "batch-agent";

describe.skipIf(fault !== null)(
  "deploy/kubernetes with components/pods and components/ha",
  { timeout: 120_000 },
  () => {
    const cluster = useCluster(async () => {
      const opened = await tryRealCluster("control-plane");
      if (typeof opened === "string") return opened;
      const kubelet = await startKubelet(accessOf(opened.url, "admin-token", opened.ca), namespace);
      const stop = () => kubelet.stop().then(opened.stop);
      return { ...opened, kubelet, stop };
    });

    /** The kustomization of the documentation, with the second agent that it names. */
    function overlay(): string {
      const folder = temporaryFolder();
      execFileSync("cp", ["-r", "deploy/kubernetes", folder]);
      const mine = join(folder, "kubernetes/mine");
      mkdirSync(mine);
      const docs = readFileSync("docs/kubernetes-pods.md", "utf8");
      const block = /```yaml\n([\s\S]*?)```/.exec(docs)?.[1] ?? "";
      expect(block).toContain("[../components/pods]");
      const text = block
        .replaceAll(/^ {3}/gm, "")
        .replace("[../components/pods]", "[../components/pods, ../components/ha]");
      writeFileSync(join(mine, "kustomization.yaml"), text);
      return mine;
    }

    test("the server takes it without a warning; the account can do what is documented and no more", async () => {
      const mine = overlay();
      // The namespace first: it is there for the others a moment later.
      const applied = cluster().kubectl("apply", "--validate=strict", "--warnings-as-errors", "-k", mine);
      for (const one of [
        "deployment.apps/batch-agent",
        "role.rbac.authorization.k8s.io/batch-agent-lease",
        "poddisruptionbudget.policy/batch-agent",
      ])
        expect(applied).toContain(`${one} created`);
      // Its pods are taken: Pod Security, quota and account let them in.
      await eventually(async () => {
        const pods = await cluster().client.request("GET", `/api/v1/namespaces/${namespace}/pods`);
        const items = pods.kind === "ok" ? (pods.body as { items: Stored[] }).items : [];
        return items.filter(({ metadata }) => metadata.name.startsWith("batch-agent-")).length === 2;
      }, 60_000).catch((error: unknown) => {
        throw new Error(cluster().kubectl("-n", namespace, "get", "replicasets", "-o", "yaml"), { cause: error });
      });
      const list = await eventually(() => {
        const said = cluster().kubectl(
          "auth",
          "can-i",
          "--list",
          "-n",
          namespace,
          `--as=system:serviceaccount:${namespace}:batch-agent`,
        );
        return said.includes("pods") ? said : null;
      }, 30_000);
      const own = list
        .split("\n")
        .filter((line) => !/authorization\.k8s\.io|authentication\.k8s\.io|^\s+\[\/|^Resources/.test(line))
        .map((line) => line.trim().replace(/\s+/g, " "))
        .filter((line) => line !== "");
      expect(own.sort()).toEqual(
        [
          "leases.coordination.k8s.io [] [] [create]",
          "leases.coordination.k8s.io [] [batch-agent] [get update]",
          "pods [] [] [create get list watch delete]",
        ].sort(),
      );
    });

    test("an agent runs with that account, under Pod Security restricted, and no token is in its pods", async () => {
      const place = workplace();
      place.put("report", 'cron: "* * * * * *"\nenv: {SECRET: s3cr3t}\n', "echo $SECRET");
      mkdirSync(place.data, { recursive: true, mode: 0o700 });
      await cluster().makeVolume(namespace, "batch-agent-data", place.data, "nfs");
      const made = await cluster().client.request(
        "POST",
        `/api/v1/namespaces/${namespace}/serviceaccounts/batch-agent/token`,
        {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: { expirationSeconds: 600 },
        },
      );
      if (made.kind !== "ok") throw new Error(JSON.stringify(made));
      const { token } = (made.body as { status: { token: string } }).status;
      const kubeconfig = join(place.home, "kubeconfig");
      writeFileSync(kubeconfig, kubeconfigText(cluster().url, token, cluster().ca));
      const args = ["--runner", "kubernetes", "--kubeconfig", kubeconfig, "--kubernetes-namespace", namespace];
      const agent = await startAgent(place, [
        ...args,
        "--kubernetes-claim",
        "batch-agent-data",
        "--kubernetes-image",
        "batch",
        "--lease",
        "batch-agent",
      ]);
      await eventually(async () => (await agent.executions("?status=succeeded")).length > 2, 60_000);
      const { details } = await agent.json<{ details: object }>("/readyz");
      expect(details).toMatchObject({ runner: { watching: true, problem: null }, lease: { leading: true } });
      const pods = await cluster().client.request("GET", `/api/v1/namespaces/${namespace}/pods`);
      if (pods.kind !== "ok") throw new Error("no pods");
      const own = (pods.body as { items: Stored[] }).items.filter(({ metadata }) =>
        metadata.name.startsWith("report-"),
      );
      expect(own.length).toBeGreaterThan(2);
      for (const pod of own) {
        expect(pod.spec).toMatchObject({
          automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true },
        });
        expect(JSON.stringify(pod)).not.toMatch(/s3cr3t|serviceAccountToken/);
      }
      await agent.exit("SIGTERM");
    });
  },
);
