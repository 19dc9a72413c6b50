// The cluster of tests that one of them is enough for: the fake one unless KUBERNETES_CLUSTER asks for another.
import { fakeCluster, type Cluster } from "./clusters.ts";
import { tryRealCluster } from "./real-cluster.ts";

export type { Cluster } from "./clusters.ts";

export async function openCluster(): Promise<Cluster> {
  const asked = process.env["KUBERNETES_CLUSTER"];
  const opened = asked === "control-plane" || asked === "kubelet" ? await tryRealCluster(asked) : await fakeCluster();
  if (typeof opened === "string") throw new Error(opened);
  return opened;
}
