// Metrics of the Kubernetes runner; none of them is there without it.
import { Counter, Gauge, type Registry } from "prom-client";

export interface KubernetesCounts {
  pods: number;
  /** Pods that came second to a claim. */
  seconds: number;
  /** Requests by method and status, as `GET 200`; status 0 where there was no answer. */
  requests: ReadonlyMap<string, number>;
  /** Whether this agent leads; null without a Lease. */
  leading: boolean | null;
}

/** Returns what brings the metrics up to date. */
export function addKubernetesMetrics(registry: Registry, counts: () => KubernetesCounts): () => void {
  const on = { registers: [registry] };
  const pods = new Gauge({
    ...on,
    name: "batch_agent_kubernetes_pods",
    help: "Pods of this agent, ended ones included.",
  });
  const seconds = new Counter({
    ...on,
    name: "batch_agent_kubernetes_second_pods_total",
    help: "Pods, or containers, that came second to an execution and did nothing.",
  });
  const requests = new Counter({
    ...on,
    name: "batch_agent_kubernetes_requests_total",
    help: "Requests to the API server; code 0 where there was no answer.",
    labelNames: ["method", "code"],
  });
  const leading =
    counts().leading === null
      ? null
      : new Gauge({ ...on, name: "batch_agent_leading", help: "1 if this agent leads, 0 if it stands by." });
  return () => {
    const now = counts();
    leading?.set(now.leading === true ? 1 : 0);
    pods.set(now.pods);
    seconds.reset();
    seconds.inc(now.seconds);
    requests.reset();
    for (const [key, count] of now.requests) {
      const [method = "", code = ""] = key.split(" ");
      requests.inc({ method, code }, count);
    }
  };
}
