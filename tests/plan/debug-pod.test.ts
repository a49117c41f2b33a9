import assert from "node:assert/strict";
import { debugPod, timerLabel } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";

const statement = {
  timer: "break-glass-nights-k3j9x2ab",
  namespace: "shop",
  of: "shop/api",
  owner: "shop",
  reason: "incident 7",
  requester: "eve",
};

const service = (name: string, selector: Record<string, string> | undefined, spec: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "shop" },
  spec: { ...(selector === undefined ? {} : { selector }), ...spec },
});

const template = {
  metadata: { labels: { app: "api", track: "stable", "pod-template-hash": "7d4b9" }, annotations: { a: "b" } },
  spec: {
    nodeName: "node-1",
    terminationGracePeriodSeconds: 600,
    containers: [
      {
        name: "main",
        image: "main",
        livenessProbe: { httpGet: { port: 80 } },
        readinessProbe: { httpGet: { port: 80 } },
        volumeMounts: [
          { name: "data", mountPath: "/data" },
          { name: "kube-api-access-x2x7p", mountPath: "/var/run" },
        ],
      },
    ],
    volumes: [{ name: "kube-api-access-x2x7p", projected: {} }],
  },
};

const made = (services: readonly KubeObject[], identity = ["app"], kind = "Deployment"): ReturnType<typeof debugPod> =>
  debugPod({ statement, template, kind, identity: new Set(identity), services, seconds: 1800 });

describe("break glass: a pod for looking about", () => {
  it("S3-29: is a copy of the workload's that ends with its timer, on any node and without probes", () => {
    const { pod } = made([]);
    assert.equal(pod.metadata?.name, statement.timer);
    assert.deepEqual(pod.metadata?.labels, {
      app: "api",
      track: "stable",
      "app.kubernetes.io/managed-by": "pulumi-cluster-security",
      [timerLabel]: statement.timer,
    });
    assert.equal(pod.metadata?.annotations?.["a"], "b");
    assert.deepEqual(pod.spec, {
      activeDeadlineSeconds: 1800,
      terminationGracePeriodSeconds: 5,
      readinessGates: [{ conditionType: "pulumi-cluster-security/break-glass-debug-pod" }],
      // the claim of a StatefulSet is of its own pods
      volumes: [{ name: "data", emptyDir: {} }],
      containers: [{ name: "main", image: "main", volumeMounts: [{ name: "data", mountPath: "/data" }] }],
    });
  });

  it("S3-29: runs with the limits of its template, at no fixed name, and states for whom it is", () => {
    const limits = {
      serviceAccountName: "api",
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      runtimeClassName: "gvisor",
    };
    const container = { name: "main", image: "main", securityContext: { capabilities: { drop: ["ALL"] } } };
    const probed = { ...container, startupProbe: { httpGet: { port: 80 } } };
    const { pod } = debugPod({
      statement,
      template: { spec: { ...limits, hostname: "api-0", containers: [probed], initContainers: [probed] } },
      kind: "StatefulSet",
      identity: new Set(),
      services: [],
      seconds: 60,
    });
    assert.deepEqual(pod.spec, {
      ...limits,
      containers: [container],
      initContainers: [container],
      activeDeadlineSeconds: 60,
      terminationGracePeriodSeconds: 5,
      readinessGates: [{ conditionType: "pulumi-cluster-security/break-glass-debug-pod" }],
    });
    assert.deepEqual(Object.values(pod.metadata?.annotations ?? {}).sort(), ["eve", "incident 7", "shop", "shop/api"]);
  });

  it("S3-29: loses what Services select it by, but not what policies know it by", () => {
    const { pod, dropped, selectedBy, reachedBy } = made([
      service("api", { app: "api", track: "stable" }),
      service("web", { app: "web" }),
      service("elsewhere", undefined),
      service("nobody", {}),
    ]);
    assert.deepEqual([dropped, selectedBy, reachedBy], [["track"], [], []]);
    assert.equal(pod.metadata?.labels?.["track"], undefined);
    assert.equal(pod.metadata?.labels?.["app"], "api");
  });

  it("S3-29: tells which Services select it by what policies know it by, and which would reach it", () => {
    const services = [
      service("api", { app: "api" }),
      service("peers", { app: "api" }, { clusterIP: "None", publishNotReadyAddresses: true }),
    ];
    const { dropped, selectedBy, reachedBy } = made(services);
    assert.deepEqual([dropped, selectedBy, reachedBy], [[], ["shop/api", "shop/peers"], ["shop/peers"]]);
  });

  it("S3-29: has a controller where the workload's own would adopt it", () => {
    for (const kind of ["DaemonSet", "ReplicaSet", "ReplicationController"]) {
      assert.ok(made([], ["app"], kind).needsController, kind);
    }
    for (const kind of ["Deployment", "StatefulSet", "CronJob", "Pod"]) {
      assert.ok(!made([], ["app"], kind).needsController, kind);
    }
  });
});
