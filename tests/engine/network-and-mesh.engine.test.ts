import assert from "node:assert/strict";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import { calicoOperatorChart, ciliumChart, installCrdFiles, istioCharts } from "../../lab/crds/index";
import type { Lab } from "../../lab/index";
import { CalicoCni, ClusterSecurity, MeshMode, flow, namespace, tcp, workload } from "../../sdk/index";
import type { Operation } from "./automation";
import { finished, openStack, operate } from "./automation";
import { plannedChanges } from "./changes";
import { fixture } from "../support/fixtures";
import { sharedLab } from "./shared-lab";

interface KubeObject {
  readonly metadata: { readonly deletionTimestamp?: string; readonly finalizers?: readonly string[] };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

const calicoDefinitions = fixture("crds/calico");

/** Names of what an operation created or deleted, in the order in which it did. */
function names(operation: Operation, op: string): string[] {
  return finished(operation)
    .filter((step) => step.op === op)
    .map(({ name }) => name);
}

function assertOrder(found: readonly string[], expected: readonly string[]): void {
  assert.deepEqual(
    found.filter((name) => expected.includes(name)),
    expected,
  );
}

describe("Cilium and Istio's ambient mode on the same nodes, on a real engine and a real API server", () => {
  let client: ApiClient;
  let stack: Stack;
  let created: Operation;
  let destroyed: Operation | undefined;

  const read = async (url: string): Promise<KubeObject> => {
    const { status, body } = await client.call("GET", url);
    assert.equal(status, 200, `${url}: ${JSON.stringify(body)}`);
    return body as KubeObject;
  };

  before(async () => {
    const lab = await sharedLab();
    client = apiClient(lab.controlPlane);
    const [chart, charts] = [await ciliumChart("1.20.2"), await istioCharts()];
    const program = async (): Promise<void> => {
      new ClusterSecurity("shared", {
        namespaces: [namespace("orders")],
        workloads: [
          workload("orders/web", { serviceAccount: "web" }),
          workload("orders/api", { serviceAccount: "api", ports: [tcp(8080)] }),
        ],
        flows: [flow("web").to("api").on(tcp(8080)).because("orders").ownedBy("shop")],
        cni: { version: "1.20.2", chart, skipAwait: true },
        defaultDeny: { allowRemoval: true },
        istio: { mode: MeshMode.Ambient, charts: { ...charts }, skipAwait: true },
      });
    };
    stack = await openStack({ project: "shared-nodes", stack: "test", lab, program });
    created = await operate(stack, "up");
  });

  after(async () => {
    destroyed ??= await operate(stack, "destroy");
    client.close();
  });

  it("installs both, each told of the other", async () => {
    assert.equal(created.error, undefined);
    const { data = {} } = await read("/api/v1/namespaces/kube-system/configmaps/cilium-config");
    assert.equal(data["cni-exclusive"], "false");
    assert.equal(data["bpf-lb-sock-hostns-only"], "true");
    assert.equal(data["enable-wireguard"], "true");
    const istiod = await read("/apis/apps/v1/namespaces/istio-system/deployments/istiod");
    assert.match(JSON.stringify(istiod.spec), /"name":"PILOT_ENABLE_AMBIENT","value":"true"/);
    for (const agent of ["istio-cni-node", "ztunnel"]) {
      await read(`/apis/apps/v1/namespaces/istio-system/daemonsets/${agent}`);
    }
    const { data: plugin = {} } = await read("/api/v1/namespaces/istio-system/configmaps/istio-cni-config");
    assert.equal(plugin["AMBIENT_ENABLED"], "true");
  });

  it("has the API server take strict mutual TLS, after the charts brought its definition", async () => {
    const { spec } = await read("/apis/security.istio.io/v1/namespaces/orders/peerauthentications/default");
    assert.deepEqual(spec, { mtls: { mode: "STRICT" } });
    assertOrder(names(created, "create"), [
      "shared-cni-release",
      "shared-deny-cloud-metadata",
      "shared-istio-system",
      "shared-tier1-istio-nodes",
      "shared-istio-base",
      "shared-istio-istiod",
      "shared-istio-cni",
      "shared-istio-ztunnel",
      "shared-orders/default",
      "shared-default-deny-all",
    ]);
  });

  it("selects the node agents that the charts deploy by the labels that they really have", async () => {
    const policies = await client.call("GET", "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies");
    const namespaced = await client.call("GET", "/apis/cilium.io/v2/namespaces/istio-system/ciliumnetworkpolicies");
    const text = JSON.stringify([policies.body, namespaced.body]);
    for (const [agent, label] of [
      ["istio-cni-node", "k8s-app"],
      ["ztunnel", "app"],
    ] as const) {
      const { spec } = await read(`/apis/apps/v1/namespaces/istio-system/daemonsets/${agent}`);
      const { labels } = (spec as { template: { metadata: { labels: Record<string, string> } } }).template.metadata;
      assert.equal(labels[label], agent);
      assert.ok(text.includes(`"k8s:${label}":"${agent}"`), agent);
    }
  });

  it("has nothing to do when nothing changed", async () => {
    const previewed = await operate(stack, "preview");
    assert.equal(previewed.error, undefined);
    assert.deepEqual(plannedChanges(previewed), []);
  });

  it("destroys backwards: default deny, identities, mesh, allows, CNI", async () => {
    destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined);
    assertOrder(names(destroyed, "delete"), [
      "shared-default-deny-all",
      "shared-orders/default",
      "shared-istio-ztunnel",
      "shared-istio-cni",
      "shared-istio-istiod",
      "shared-istio-base",
      "shared-tier1-istio-nodes",
      "shared-istio-system",
      "shared-deny-cloud-metadata",
      "shared-cni-release",
    ]);
  });
});

describe("Calico by its operator, on a real engine and a real API server", () => {
  const installation = "/apis/operator.tigera.io/v1/installations/default";
  const operator = "/apis/apps/v1/namespaces/tigera-operator/deployments/tigera-operator";
  const finalizer = "tigera.io/operator-cleanup";
  let lab: Lab;
  let client: ApiClient;
  let stack: Stack | undefined;
  let created: Operation;
  let destroyed: Operation | undefined;

  before(async function () {
    // the API of Calico's own resources, which its API server would serve
    if (calicoDefinitions === undefined) return this.skip();
    lab = await sharedLab();
    client = apiClient(lab.controlPlane);
    await installCrdFiles(lab.controlPlane, [path.join(calicoDefinitions, "felixconfigurations.yaml")]);
    const operatorChart = await calicoOperatorChart();
    const program = async (): Promise<void> => {
      new CalicoCni("calico", { version: "3.28.5", operatorChart, skipAwait: true });
    };
    stack = await openStack({ project: "calico", stack: "test", lab, program });
    created = await operate(stack, "up");
  });

  after(async () => {
    if (stack === undefined) return;
    destroyed ??= await operate(stack, "destroy");
    client.close();
  });

  it("has the API server take Installation, APIServer and WireGuard, in this order, and none from the chart", async () => {
    assert.equal(created.error, undefined);
    const object = async (url: string): Promise<KubeObject["spec"]> => {
      const { status, body } = await client.call("GET", url);
      assert.equal(status, 200, url);
      return (body as KubeObject).spec;
    };
    assert.deepEqual(await object(installation), { variant: "Calico", kubeletVolumePluginPath: "None" });
    await object("/apis/operator.tigera.io/v1/apiservers/default");
    const felix = await object("/apis/projectcalico.org/v3/felixconfigurations/default");
    assert.deepEqual([felix?.["wireguardEnabled"], felix?.["wireguardEnabledV6"]], [true, true]);
    await object(operator);
    assertOrder(names(created, "create"), [
      "calico-namespace",
      "calico-operator",
      "calico-installation",
      "calico-apiserver",
      "calico-felixconfiguration",
    ]);
    // the chart's source calls itself so
    assert.match(created.output, /is version 0\.0(\.0)?; its values were written for 3\.28\.5/);
    const { resourceNames } = (finishedOutputs(created, "calico-operator") ?? {}) as {
      resourceNames?: Record<string, string[]>;
    };
    assert.ok(resourceNames !== undefined);
    assert.deepEqual(
      Object.keys(resourceNames).filter((key) => key.includes("operator.tigera.io")),
      [],
    );
  });

  it("has nothing to do when nothing changed", async () => {
    assert.ok(stack !== undefined);
    const previewed = await operate(stack, "preview");
    assert.equal(previewed.error, undefined);
    assert.deepEqual(plannedChanges(previewed), []);
  });

  it("destroys Installation while its operator is still there to answer the finalizer, and ends", async () => {
    assert.ok(stack !== undefined);
    // the operator cannot run without a node: here the test does its part of the handshake, and only while it could
    const patch = { metadata: { finalizers: [finalizer] } };
    const patched = await client.call("PATCH", installation, patch, "application/merge-patch+json");
    assert.equal(patched.status, 200);
    let answered = false;
    let done = false;
    const handshake = (async (): Promise<void> => {
      while (!done) {
        const { status, body } = await client.call("GET", installation);
        if (status === 404) return;
        if ((body as KubeObject).metadata.deletionTimestamp !== undefined && !answered) {
          const alive = await client.call("GET", operator);
          if (alive.status === 200) {
            answered = true;
            const clean = { metadata: { finalizers: null } };
            await client.call("PATCH", installation, clean, "application/merge-patch+json");
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    destroyed = await operate(stack, "destroy");
    done = true;
    await handshake;
    assert.equal(destroyed.error, undefined);
    assert.ok(answered, "the operator was gone before Installation");
    assertOrder(names(destroyed, "delete"), [
      "calico-felixconfiguration",
      "calico-apiserver",
      "calico-installation",
      "calico-operator",
      "calico-namespace",
    ]);
  });
});

/** What the engine stored for a resource. */
function finishedOutputs(operation: Operation, name: string): Readonly<Record<string, unknown>> | undefined {
  const metadata = operation.events
    .map((event) => event.resOutputsEvent?.metadata)
    .find((candidate) => candidate?.urn.endsWith(`::${name}`));
  return metadata?.new?.outputs;
}
