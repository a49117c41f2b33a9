/** Labels that controllers put on pods: known where they follow from the object, some value where they do not. */
import assert from "node:assert/strict";
import { withoutOwned } from "../../sdk/cluster/index";
import { buildSnapshot, compile, profileFor, type KubeObject, type Verdict } from "../../sdk/reachability";

const containers = [{ name: "c", image: "c", ports: [{ name: "http", containerPort: 8080 }] }];

const workload = (kind: string, name: string, spec: object = {}, metadata: object = {}): KubeObject => {
  const template = { metadata: { labels: { app: name } }, spec: { containers } };
  const group = kind === "Job" || kind === "CronJob" ? "batch" : "apps";
  return {
    apiVersion: `${group}/v1`,
    kind,
    metadata: { name, namespace: "shop", ...metadata },
    spec: kind === "CronJob" ? { jobTemplate: { spec: { template, ...spec } } } : { template, ...spec },
  };
};

const client: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "client", namespace: "shop", labels: { app: "client" } },
  spec: { containers },
};

/** Closes the pods that a selector fits. */
const closing = (podSelector: object): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "closed", namespace: "shop" },
  spec: { podSelector, policyTypes: ["Ingress"] },
});

function ask(cni: string, objects: readonly KubeObject[], to: string): Verdict {
  const sourced = withoutOwned([client, ...objects].map((object) => ({ object })));
  const snapshot = buildSnapshot(sourced, { profile: profileFor(cni) });
  assert.deepEqual(
    snapshot.problems.filter(({ affectsVerdicts }) => affectsVerdicts),
    [],
  );
  const reachability = compile(snapshot);
  const flow = {
    source: { kind: "workload", id: "shop/client[Pod]" },
    destination: { kind: "workload", id: to },
    protocol: "TCP",
    port: 8080,
  } as const;
  const verdict = reachability.verdict(flow);
  const entry = [...reachability.matrix()].find(
    ({ sourceId, destinationId }) => sourceId === flow.source.id && destinationId === to,
  );
  const inMatrix =
    entry?.allowed.contains("TCP", 8080) === true
      ? "allowed"
      : entry?.possible.contains("TCP", 8080) === true
        ? "unknown"
        : "denied";
  assert.equal(inMatrix, verdict, "the matrix says what verdict says");
  assert.equal(reachability.explain(flow).verdict, verdict, "explain says what verdict says");
  return verdict;
}

const is = (key: string, value: string): object => ({ matchLabels: { [key]: value } });
const exists = (key: string): object => ({ matchExpressions: [{ key, operator: "Exists" }] });
const absent = (key: string): object => ({ matchExpressions: [{ key, operator: "DoesNotExist" }] });

const cases: readonly {
  readonly title: string;
  readonly object: KubeObject;
  readonly id: string;
  readonly selector: object;
  readonly expected: Verdict;
  /** Where Cilium, which leaves some labels out of identities, differs. */
  readonly cilium?: Verdict;
}[] = [
  {
    title: "a Job's pods have its name",
    object: workload("Job", "migrate"),
    id: "shop/migrate[Job]",
    selector: is("job-name", "migrate"),
    expected: "denied",
  },
  {
    title: "a Job's pods have its name under the newer key",
    object: workload("Job", "migrate"),
    id: "shop/migrate[Job]",
    selector: is("batch.kubernetes.io/job-name", "other"),
    expected: "allowed",
  },
  {
    title: "a Job with a selector of its own gets no labels",
    object: workload("Job", "migrate", { manualSelector: true }),
    id: "shop/migrate[Job]",
    selector: exists("job-name"),
    expected: "allowed",
  },
  {
    title: "an indexed Job's pods have a number each",
    object: workload("Job", "sort", { completionMode: "Indexed", completions: 3 }),
    id: "shop/sort[Job]",
    selector: is("batch.kubernetes.io/job-completion-index", "2"),
    expected: "unknown",
    cilium: "allowed",
  },
  {
    title: "an indexed Job's pods have no number beyond its completions",
    object: workload("Job", "sort", { completionMode: "Indexed", completions: 3 }),
    id: "shop/sort[Job]",
    selector: is("batch.kubernetes.io/job-completion-index", "3"),
    expected: "allowed",
  },
  {
    title: "a CronJob's pods have the name of some Job",
    object: workload("CronJob", "nightly"),
    id: "shop/nightly[CronJob]",
    selector: exists("batch.kubernetes.io/job-name"),
    expected: "denied",
  },
  {
    title: "a CronJob's Jobs have other names than itself",
    object: workload("CronJob", "nightly"),
    id: "shop/nightly[CronJob]",
    selector: is("job-name", "nightly"),
    expected: "allowed",
  },
  {
    title: "one pod of a StatefulSet has the name",
    object: workload("StatefulSet", "db", { replicas: 2 }),
    id: "shop/db[StatefulSet]",
    selector: is("statefulset.kubernetes.io/pod-name", "db-1"),
    expected: "unknown",
    cilium: "allowed",
  },
  {
    title: "the only pod of a StatefulSet has its name",
    object: workload("StatefulSet", "db", { replicas: 1 }),
    id: "shop/db[StatefulSet]",
    selector: is("apps.kubernetes.io/pod-index", "0"),
    expected: "denied",
    cilium: "allowed",
  },
  {
    title: "ordinals may start elsewhere",
    object: workload("StatefulSet", "db", { replicas: 2, ordinals: { start: 5 } }),
    id: "shop/db[StatefulSet]",
    selector: is("apps.kubernetes.io/pod-index", "0"),
    expected: "allowed",
  },
  {
    title: "a Deployment's pods have some hash",
    object: workload("Deployment", "web"),
    id: "shop/web[Deployment]",
    selector: is("pod-template-hash", "5d4f"),
    expected: "unknown",
    cilium: "allowed",
  },
  {
    title: "a Deployment's pods have a hash for certain",
    object: workload("Deployment", "web"),
    id: "shop/web[Deployment]",
    selector: exists("pod-template-hash"),
    expected: "denied",
    cilium: "allowed",
  },
  {
    title: "a DaemonSet's pods have some revision",
    object: workload("DaemonSet", "agent"),
    id: "shop/agent[DaemonSet]",
    selector: absent("controller-revision-hash"),
    expected: "allowed",
    cilium: "denied",
  },
  {
    title: "a pod may get its node's zone",
    object: workload("Deployment", "web"),
    id: "shop/web[Deployment]",
    selector: is("topology.kubernetes.io/zone", "a"),
    expected: "unknown",
    cilium: "allowed",
  },
];

describe("labels that controllers set", () => {
  for (const { title, object, id, selector, expected, cilium = expected } of cases) {
    it(title, () => {
      assert.equal(ask("kubernetes", [object, closing(selector)], id), expected);
      assert.equal(ask("calico@3.32", [object, closing(selector)], id), expected);
      assert.equal(ask("cilium@1.20", [object, closing(selector)], id), cilium);
    });
  }

  it("before Kubernetes 1.33 no pod gets its node's zone", () => {
    const node = (kubeletVersion: string): KubeObject => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: kubeletVersion },
      status: { nodeInfo: { kubeletVersion } },
    });
    const objects = [workload("Deployment", "web"), closing(is("topology.kubernetes.io/zone", "a"))];
    assert.equal(ask("kubernetes", [...objects, node("v1.31.4")], "shop/web[Deployment]"), "allowed");
    assert.equal(ask("kubernetes", [...objects, node("v1.31.4"), node("v1.35.0")], "shop/web[Deployment]"), "unknown");
  });

  it("pods that were read say what their labels are", () => {
    const owner = (kind: string, name: string): object => ({
      ownerReferences: [{ apiVersion: "apps/v1", kind, name, uid: "1", controller: true }],
    });
    const pod = (name: string, labels: object, metadata: object): KubeObject => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "shop", labels: { app: "web", ...labels }, ...metadata },
      spec: { containers },
    });
    const read = [
      workload("Deployment", "web"),
      ...["a", "b"].map((end) => pod(`web-5d4-${end}`, { "pod-template-hash": "5d4" }, owner("ReplicaSet", "web-5d4"))),
    ];
    assert.equal(
      ask("kubernetes", [...read, closing(is("pod-template-hash", "5d4"))], "shop/web[Deployment]"),
      "denied",
    );
    assert.equal(
      ask("kubernetes", [...read, closing(is("pod-template-hash", "9f9"))], "shop/web[Deployment]"),
      "allowed",
    );
  });

  it("a policy that may select a pod, and lets through what is asked, closes nothing", () => {
    const letting = {
      ...closing(is("statefulset.kubernetes.io/pod-name", "db-0")),
      spec: {
        podSelector: is("statefulset.kubernetes.io/pod-name", "db-0"),
        ingress: [{ from: [{ podSelector: is("app", "client") }] }],
      },
    };
    const objects = [workload("StatefulSet", "db", { replicas: 2 }), letting];
    assert.equal(ask("kubernetes", objects, "shop/db[StatefulSet]"), "allowed");
  });
});
