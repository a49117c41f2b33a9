import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import {
  Dialect,
  MeshMode,
  flow,
  kubeApiserver,
  metrics,
  namespace,
  plan,
  planMesh,
  tcp,
  workload,
} from "../../sdk/plan/index";
import type { OracleCluster, OraclePod, PolicyObject } from "../oracle/cluster";
import { ciliumAllows, stockCilium } from "../oracle/cilium";
import { meshAllows } from "../oracle/istio";
import { assertValid } from "./crd-schema";
import { wordedFlows } from "../support/declared";
import { fixture } from "../support/fixtures";
import { open, pod, worldOf } from "./world";
import { literal } from "./literal";

const crds = fixture("crds/istio");
const names = ["web", "api", "db", "job"];

/** A mesh of two namespaces, and one outside of it; every workload under its own account. */
const meshDeclaration: fc.Arbitrary<ClusterSecurityDeclaration> = fc
  .uniqueArray(
    fc.record({
      from: fc.constantFrom("in/web", "in/api", "too/db", "out/job"),
      to: fc.constantFrom("in/web", "in/api", "too/db", "out/job"),
      port: fc.constantFrom(80, 443, 5432),
    }),
    { maxLength: 8, selector: ({ from, to, port }) => `${from} ${to} ${port}` },
  )
  .map((flows) => ({
    namespaces: [namespace("in"), namespace("too"), namespace("out")],
    mesh: { namespaces: ["in", "too"] },
    workloads: ["in/web", "in/api", "too/db", "out/job"].map((id) =>
      workload(id, { serviceAccount: id.slice(id.indexOf("/") + 1) }),
    ),
    flows: flows.map(({ from, to, port }) => flow(from).to(to).on(tcp(port)).because("random").ownedBy("tests")),
  }));

function clusterOf(declaration: ClusterSecurityDeclaration): OracleCluster {
  const planned = plan(declaration);
  const labelled = new Map(planned.namespaces.map(({ name, labels }) => [name, labels]));
  const pods = literal(declaration.workloads ?? []).map(
    ({ namespace: home, name, labels, serviceAccount }): OraclePod => ({
      namespace: home,
      name,
      labels: labels ?? { app: name },
      serviceAccount: serviceAccount ?? "default",
      hostNetwork: false,
      ports: [],
      addresses: [],
    }),
  );
  const homes = [...new Set([...pods.map((pod) => pod.namespace), ...labelled.keys()])];
  return { namespaces: homes.map((name) => ({ name, labels: labelled.get(name) ?? {} })), pods };
}

function policiesOf(declaration: ClusterSecurityDeclaration): PolicyObject[] {
  return plan(declaration).documents.map(({ object }) => object as unknown as PolicyObject);
}

const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };

describe("mesh policies", function () {
  it("S0-16 network and mesh together allow exactly the declared flows", () => {
    fc.assert(
      fc.property(meshDeclaration, (declaration) => {
        const cluster = clusterOf(declaration);
        const policies = policiesOf(declaration);
        const network = policies.filter(({ apiVersion }) => apiVersion === "cilium.io/v2");
        for (const source of cluster.pods) {
          for (const target of cluster.pods) {
            if (source === target) continue;
            for (const port of [80, 443, 5432]) {
              const attempt = {
                source: { kind: "pod", pod: source },
                destination: { kind: "pod", pod: target },
                protocol: "TCP",
                port,
              } as const;
              const wanted = (declaration.flows ?? []).some(
                ({ from, to, ports }) =>
                  from.workload === `${source.namespace}/${source.name}` &&
                  to.workload === `${target.namespace}/${target.name}` &&
                  ports?.[0]?.port === port,
              );
              const networkAllows = ciliumAllows(cluster, network, attempt, stockCilium);
              const meshAllowed = meshAllows(cluster, policies, attempt);
              assert.equal(networkAllows && meshAllowed, wanted, `${source.name} → ${target.name} ${port}`);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("S0-04 S1-24 the mesh alone refuses an undeclared identity and a plain connection", () => {
    const declaration: ClusterSecurityDeclaration = {
      namespaces: [namespace("in")],
      mesh: {},
      workloads: names.map((name) => workload(`in/${name}`, { serviceAccount: name })),
      flows: [flow("web").to("api").on(tcp(80)).because("calls").ownedBy("team")],
    };
    const cluster = clusterOf(declaration);
    const policies = planMesh(declaration).documents.map(({ object }) => object as unknown as PolicyObject);
    const byName = (name: string): OraclePod => cluster.pods.find((pod) => pod.name === name) ?? assert.fail(name);
    const call = (source: OraclePod, port = 80): boolean =>
      meshAllows(cluster, policies, {
        source: { kind: "pod", pod: source },
        destination: { kind: "pod", pod: byName("api") },
        protocol: "TCP",
        port,
      });
    assert.ok(call(byName("web")));
    assert.ok(!call(byName("web"), 81));
    assert.ok(!call(byName("job")));
    // the right labels under the wrong account, and no proxy at all
    assert.ok(!call({ ...byName("web"), serviceAccount: "default" }));
    assert.ok(!call({ ...byName("web"), labels: { app: "web", "sidecar.istio.io/inject": "false" } }));
    const modes = policies.filter(({ kind }) => kind === "PeerAuthentication").map(({ spec }) => spec);
    assert.deepEqual(modes, [{ mtls: { mode: "STRICT" } }]);
  });

  it("keeps a port open to declared sources outside the mesh, and says nothing about others", () => {
    const declaration: ClusterSecurityDeclaration = {
      namespaces: [namespace("in")],
      mesh: {},
      workloads: [workload("in/web", { serviceAccount: "web", ports: [tcp(80), metrics(9090)] })],
      platform: { observability: {} },
    };
    const policies = policiesOf(declaration);
    const plain = policies.find(({ metadata }) => metadata.name === "allow-plaintext-to-web");
    assert.deepEqual((plain?.spec as Record<string, unknown>)["portLevelMtls"], { "9090": { mode: "PERMISSIVE" } });
  });

  it("opens istiod to the proxies, labels the namespaces, and in ambient mode the tunnel and the probes", () => {
    const declaration: ClusterSecurityDeclaration = {
      namespaces: [namespace("in")],
      mesh: { mode: MeshMode.Ambient },
      workloads: [workload("in/web", { serviceAccount: "web" }), workload("in/api", { serviceAccount: "api" })],
      flows: [flow("web").to("api").on(tcp(80)).because("calls").ownedBy("team")],
    };
    const planned = plan(declaration);
    const flows = wordedFlows(planned);
    const tunnel = flows.find(({ from, to }) => from === "in/web" && to === "in/api");
    assert.deepEqual(
      tunnel?.ports.map(({ from }) => from),
      [80, 15008],
    );
    assert.ok(flows.some(({ from, to }) => from === "169.254.7.127/32" && to === "namespace in"));
    assert.ok(flows.some(({ from, to }) => from === "namespace in" && to === "istio-system/istiod"));
    assert.deepEqual(planned.namespaces.find(({ name }) => name === "in")?.labels, {
      "istio.io/dataplane-mode": "ambient",
    });
    assert.ok(!JSON.stringify(planned.documents.filter(({ stage }) => stage === "mesh")).includes('15008"'));
  });

  it("lets the plugin on the nodes read from the API server in ambient mode, once, wherever it is declared", () => {
    const base: ClusterSecurityDeclaration = { namespaces: [namespace("in")], mesh: { mode: MeshMode.Ambient } };
    const readers = (declaration: ClusterSecurityDeclaration): readonly string[] =>
      wordedFlows(plan(declaration)).flatMap(({ from, to }) =>
        to === "kube-apiserver" && from.includes("istio-cni-node") ? [from] : [],
      );
    assert.deepEqual(readers(base), ["istio-system/istio-cni-node"]);
    assert.deepEqual(readers({ ...base, mesh: { mode: MeshMode.Sidecar } }), []);
    assert.deepEqual(readers({ ...base, mesh: { mode: MeshMode.Ambient, controlPlaneNamespace: "mesh" } }), [
      "mesh/istio-cni-node",
    ]);
    const labels = { "k8s-app": "istio-cni-node" };
    const elsewhere = [workload("kube-system/istio-cni-node", { labels })];
    assert.deepEqual(readers({ ...base, workloads: elsewhere }), []);
    const inTools: ClusterSecurityDeclaration = {
      ...base,
      namespaces: [namespace("in"), namespace("tools")],
      platform: {
        services: [
          {
            name: "nodes",
            workloads: [workload("tools/istio-cni-node", { labels })],
            flows: [flow("tools/istio-cni-node").to(kubeApiserver()).on().because("reads pods").ownedBy("mesh")],
          },
        ],
      },
    };
    assert.deepEqual(readers(inTools), ["tools/istio-cni-node"]);
    // held by the default deny like any pod of its namespace, and let through it
    const world = worldOf(base, { workloads: [workload("istio-system/istio-cni-node", { labels })] });
    const source = pod("istio-system/istio-cni-node");
    assert.match(open(world, source, { kind: "kubeApiserver" }), /TCP 443,6443/);
    assert.equal(open(world, source, { kind: "address", address: "203.0.113.9" }), "No Connections");
  });

  it("writes what the published CRDs of Istio 1.30 take, without an unknown field, in every dialect of the network", function () {
    if (crds === undefined) return this.skip();
    fc.assert(
      fc.property(meshDeclaration, fc.constantFrom(...Object.values(Dialect)), (declaration, dialect) => {
        const { documents } = plan({ ...declaration, dialect, cluster });
        for (const { object, stage } of documents) if (stage === "mesh") assertValid(crds, object);
        assert.equal(new Set(documents.map(({ logicalName }) => logicalName)).size, documents.length);
      }),
      { numRuns: 60 },
    );
  });
});
