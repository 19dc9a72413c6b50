// An order → a pod: names, labels, mounts, and who has the last word on what.
import { describe, expect, test } from "vitest";
import type { Execution } from "../../../agent/model/execution.ts";
import type { Revision } from "../../../agent/model/ids.ts";
import { classifyRefusal } from "../../../agent/runners/kubernetes/answers.ts";
import { environmentFile } from "../../../agent/runners/kubernetes/environment.ts";
import { executionOf, labelOf, podName } from "../../../agent/runners/kubernetes/names.ts";
import { podManifest } from "../../../agent/runners/kubernetes/pod.ts";
import { maxEndedPods, planSweep } from "../../../agent/runners/kubernetes/sweep.ts";
import { noTemplate, parseTemplate } from "../../../agent/runners/kubernetes/template.ts";
import { readPod } from "../../../agent/runners/kubernetes/api.ts";
import type { RunSettings } from "../../../agent/runners/port.ts";
import { execution } from "../../helpers/make.ts";

const row = (fields: Partial<Execution> = {}): Execution => ({ ...execution(), ...fields });
const trigger = (kind: Execution["trigger"]["kind"], dueAt = "2026-11-24T02:00:00.000Z") => ({ kind, dueAt, by: null });

describe("a pod's name", () => {
  const base = row({ trigger: trigger("cron") });
  test("is the same for the same due time, whatever the execution's id", () => {
    expect(podName({ ...base, id: "01A" as Execution["id"] })).toBe(podName({ ...base, id: "01B" as Execution["id"] }));
    expect(podName(base)).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?-[0-9a-f]{10}$/);
  });
  test.each([
    ["another due time", { trigger: trigger("cron", "2026-11-24T02:01:00.000Z") }],
    ["another attempt", { attempt: 2 }],
    ["a retry", { trigger: trigger("retry") }],
    ["a start by hand", { trigger: trigger("manual") }],
  ])("is another for %s", (_name, fields) => {
    expect(podName({ ...base, ...fields })).not.toBe(podName(base));
  });
  test("of what follows is another in each run, of what is asked for in each execution", () => {
    for (const kind of ["after", "onFailure", "retry"] as const) {
      const one = row({ trigger: trigger(kind) });
      expect(podName({ ...one, run: "01OTHER" as Execution["run"] })).not.toBe(podName(one));
    }
    for (const kind of ["manual", "rerun"] as const) {
      const one = row({ trigger: trigger(kind) });
      expect(podName({ ...one, id: "01OTHER" as Execution["id"] })).not.toBe(podName(one));
    }
  });
  test("has at most 63 characters, as labels do", () => {
    expect(podName(row({ batch: "a".repeat(63) as Execution["batch"] }))).toHaveLength(63);
    expect(labelOf("x".repeat(200))).toHaveLength(63);
    expect(labelOf("a/b c")).toMatch(/^a-b-c-[0-9a-f]{10}$/);
    expect(labelOf("batch-agent-data")).toBe("batch-agent-data");
  });
});

const settings: RunSettings = { shellOptions: ["-e"], output: "file", input: "none", env: {}, envFiles: [] };
function manifest(kubernetes: RunSettings["kubernetes"] = {}, template = noTemplate, of: Partial<Execution> = {}) {
  return podManifest(
    {
      execution: row(of),
      revision: "aaaaaaaaaaaa" as Revision,
      fault: null,
      settings: { ...settings, ...(kubernetes === undefined ? {} : { kubernetes }) },
      previous: [],
    },
    {
      revision: "revisions/aaaaaaaaaaaa",
      state: "batches/report/state",
      execution: "batches/report/executions/01",
      previous: ["batches/first/executions/02"],
      inputs: [],
    },
    {
      instance: "data",
      claim: "data",
      dataDir: "/data",
      image: "batch",
      owner: { uid: 1000, gid: 1000 },
      template,
      pendingMs: 600_000,
    },
  );
}
interface Spec {
  containers: [
    {
      image: string;
      volumeMounts: object[];
      securityContext: object;
      resources?: object;
      envFrom?: object[];
      imagePullPolicy?: string;
      env: { name: string }[];
    },
  ];
  [key: string]: unknown;
}
const specOf = (made: ReturnType<typeof manifest>) => made.spec as unknown as Spec;

describe("a pod", () => {
  test("is what Pod Security restricted asks for, and mounts its own parts only", () => {
    const spec = specOf(manifest());
    expect(spec).toMatchObject({
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 10,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      },
    });
    expect(spec).not.toHaveProperty("activeDeadlineSeconds");
    const [container] = spec.containers;
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(container.volumeMounts).toEqual([
      {
        name: "batch-agent-data",
        mountPath: "/data/revisions/aaaaaaaaaaaa",
        subPath: "revisions/aaaaaaaaaaaa",
        readOnly: true,
      },
      { name: "batch-agent-data", mountPath: "/data/batches/report/state", subPath: "batches/report/state" },
      {
        name: "batch-agent-data",
        mountPath: "/data/batches/report/executions/01",
        subPath: "batches/report/executions/01",
      },
      {
        name: "batch-agent-data",
        mountPath: "/data/batches/first/executions/02",
        subPath: "batches/first/executions/02",
        readOnly: true,
      },
      { name: "batch-agent-tmp", mountPath: "/tmp" },
    ]);
    expect(container.env.map(({ name }) => name)).toEqual(["BATCH_AGENT_NODE", "BATCH_AGENT_POD"]);
  });

  test("has what its batch asks for", () => {
    const made = manifest(
      {
        image: "other",
        resources: { limits: { memory: "1Gi" } },
        nodeSelector: { disk: "ssd" },
        tolerations: [{ key: "batch", operator: "Exists" }],
        priorityClass: "low",
        queue: "nightly",
        envFrom: [{ secret: "warehouse" }, { configMap: "names" }],
      },
      noTemplate,
      { timeoutMs: 60_000 },
    );
    expect(made.metadata.labels).toMatchObject({
      "kueue.x-k8s.io/queue-name": "nightly",
      "batch-agent/instance": "data",
    });
    const spec = specOf(made);
    expect(spec).toMatchObject({
      activeDeadlineSeconds: 60 + 600 + 600,
      priorityClassName: "low",
      nodeSelector: { disk: "ssd" },
      tolerations: [{ key: "batch" }],
    });
    expect(spec.containers[0]).toMatchObject({
      image: "other",
      resources: { limits: { memory: "1Gi" } },
      envFrom: [{ secretRef: { name: "warehouse" } }, { configMapRef: { name: "names" } }],
    });
  });

  test("follows the administrator's template, but for what is the agent's own", () => {
    const { template, ignored } = parseTemplate(
      `apiVersion: v1
kind: Pod
metadata: {name: x, labels: {team: ops, batch-agent/batch: no}}
spec:
  restartPolicy: Always
  hostNetwork: true
  serviceAccountName: scripts
  nodeSelector: {disk: hdd}
  tolerations: [{key: own, operator: Exists}]
  volumes: [{name: certs, secret: {secretName: certs}}]
  securityContext: {runAsUser: 7}
  containers:
    - name: c
      image: no
      command: [no]
      imagePullPolicy: Never
      resources: {requests: {memory: 64Mi, cpu: 10m}, limits: {memory: 64Mi}}
      volumeMounts: [{name: certs, mountPath: /certs}, {name: certs, mountPath: /data/x}]
`,
      "/data",
    );
    expect(ignored.sort()).toEqual(
      [
        "metadata.name",
        "metadata.labels.batch-agent/batch",
        "spec.restartPolicy",
        "spec.containers[0].name",
        "spec.containers[0].image",
        "spec.containers[0].command",
        "the mount at /data/x",
      ].sort(),
    );
    const made = manifest(
      { nodeSelector: { disk: "ssd", zone: "a" }, resources: { limits: { memory: "1Gi" } } },
      template,
    );
    expect(made.metadata.labels).toMatchObject({ team: "ops", "batch-agent/batch": "report" });
    const spec = specOf(made);
    expect(spec).toMatchObject({
      restartPolicy: "Never",
      hostNetwork: true,
      serviceAccountName: "scripts",
      nodeSelector: { disk: "hdd", zone: "a" },
      securityContext: { runAsUser: 7, runAsNonRoot: true },
    });
    const [container] = spec.containers;
    expect(container).toMatchObject({
      image: "batch",
      imagePullPolicy: "Never",
      resources: { requests: { cpu: "10m" }, limits: { memory: "1Gi" } },
    });
    expect(container.resources).not.toHaveProperty("requests.memory"); // it would be above no limit, but below the new one
    expect(container.volumeMounts).toContainEqual({ name: "certs", mountPath: "/certs" });
    expect(() =>
      parseTemplate("apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}, {name: b}]}\n", "/data"),
    ).toThrow("more than one container");
    expect(() => parseTemplate("kind: Job\n", "/data")).toThrow("it is no Pod");
  });

  test("holds no value of its environment, which travels in a file", () => {
    expect(environmentFile({ PATH: "/bin", TZ: "UTC" }, { A: "1\n2", B: "" })).toBe("TZ=UTC\0\0A=1\n2\0B=\0\0");
    expect(() => environmentFile({}, { A: "\0" })).toThrow("the variable A");
  });
});

test.each([
  [409, { reason: "AlreadyExists" }, "exists"],
  [409, { reason: "Conflict", message: 'Operation cannot be fulfilled on resourcequotas "rq"' }, "again"],
  [
    403,
    { message: 'pods "x" is forbidden: exceeded quota: rq, requested: pods=1, used: pods=1, limited: pods=1' },
    "quota",
  ],
  [403, { message: 'pods "x" is forbidden: status unknown for quota: rq, resources: pods' }, "quota"],
  [
    403,
    { message: 'pods is forbidden: User "a" cannot create resource "pods" in API group "" in the namespace "b"' },
    "forbidden",
  ],
  [403, { message: 'pods "x" is forbidden: violates PodSecurity "restricted:latest": host namespaces' }, "refused"],
  [
    403,
    { message: 'pods "x" is forbidden: error looking up service account b/y: serviceaccount "y" not found' },
    "refused",
  ],
  [401, { message: "Unauthorized" }, "forbidden"],
  [404, { message: 'namespaces "b" not found' }, "refused"],
  [413, { message: "Request entity too large: limit is 3145728" }, "refused"],
  [422, { message: "metadata.labels: Invalid value" }, "refused"],
  [500, { message: "etcdserver: leader changed" }, "again"],
  [504, { message: "Timeout: request did not complete" }, "again"],
])("an answer of %i, %o, means %s", (status, body, want) => {
  const error = { code: status, reason: null, message: "", retryAfter: null, ...body };
  expect(classifyRefusal(status, error).kind).toBe(want);
});

describe("pods that go", () => {
  const now = Date.parse("2026-11-24T02:00:00Z");
  const podOf = (of: Execution, phase: string, fields: object = {}) => {
    const { metadata } = { ...manifest(undefined, noTemplate, of) };
    const pod = readPod({ metadata: { ...metadata, uid: of.id, resourceVersion: "1", ...fields }, status: { phase } });
    if (pod === null) throw new Error("no pod");
    return pod;
  };
  const one = row({ trigger: trigger("manual") });

  test("are ended ones after their time, once their end is on record", () => {
    const pod = podOf(one, "Succeeded");
    const at = new Map([[pod.uid, now - 3_600_000]]);
    expect(planSweep([pod], () => "ended", at, { keepMs: 3_600_000, now }).ended).toEqual([pod]);
    expect(planSweep([pod], () => "ended", at, { keepMs: 3_600_001, now }).ended).toEqual([]);
    expect(planSweep([pod], () => "open", at, { keepMs: 0, now }).ended).toEqual([]);
  });
  test("are never a copy that somebody made, nor one that runs and is on no record", () => {
    const copy = { ...podOf(one, "Succeeded"), name: "my-copy" };
    expect(executionOf(copy)).toBeNull();
    const plan = planSweep([copy, podOf(one, "Running")], () => "unknown", new Map(), { keepMs: 0, now });
    expect(plan).toMatchObject({ ended: [], strays: [], unknown: [{ phase: "Running" }] });
  });
  test("are those that live on after their execution, and those beyond a thousand", () => {
    const pod = podOf(one, "Running");
    expect(planSweep([pod], () => "ended", new Map([[pod.uid, now - 60_001]]), { keepMs: 0, now }).strays).toEqual([
      pod,
    ]);
    const many = Array.from({ length: maxEndedPods + 5 }, (_, i) =>
      podOf(row({ ...one, id: `01${i}` as Execution["id"] }), "Succeeded"),
    );
    expect(planSweep(many, () => "ended", new Map(), { keepMs: 1e9, now }).ended).toHaveLength(5);
  });
});
