/** Identity on the network, measured, and identity in the mesh, computed: a flow passes where both let it. */
import assert from "node:assert/strict";
import type { Reachability } from "../../sdk/reachability";
import type { ClusterSecurityDeclaration } from "../../sdk/index";
import { Dialect, flow, namespace, plan, tcp, workload } from "../../sdk/index";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import { installCrds } from "../../lab/crds/index";
import type { LabObject, LabProbe } from "../../lab/datapath/index";
import { computedReachability, Expectation } from "../../lab/datapath/index";
import { podOf } from "./declared";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";

const workloads = [
  workload("mesh/web", { serviceAccount: "web" }),
  // the same labels, another account
  workload("mesh/impostor", { labels: { app: "web" }, serviceAccount: "impostor" }),
  workload("mesh/neighbour", { serviceAccount: "neighbour" }),
  workload("mesh/api", { serviceAccount: "api", ports: [tcp(80), tcp(443)] }),
];

const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  namespaces: [namespace("mesh")],
  mesh: {},
  workloads: workloads.filter(({ name }) => name !== "impostor"),
  flows: [flow("web").to("api").on(tcp(80)).because("calls").ownedBy("team")],
};

/** The network lets more through than the mesh: everybody who looks like `web`, on another port. */
const networkOnly: LabObject = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "network-only", namespace: "mesh" },
  spec: {
    endpointSelector: {},
    ingress: [
      { fromEndpoints: [{ matchLabels: { app: "web" } }], toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }] },
    ],
    egress: [
      { toEndpoints: [{ matchLabels: { app: "api" } }], toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }] },
    ],
  },
};

/** The mesh lets more through than the network. */
const meshOnly = {
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "mesh-only", namespace: "mesh" },
  spec: {
    selector: { matchLabels: { app: "api" } },
    action: "ALLOW",
    rules: [
      {
        from: [{ source: { principals: ["cluster.local/ns/mesh/sa/neighbour"] } }],
        to: [{ operation: { ports: ["80"] } }],
      },
    ],
  },
};

const collections: Readonly<Record<string, string>> = {
  AuthorizationPolicy: "authorizationpolicies",
  PeerAuthentication: "peerauthentications",
};

describe("enforcement: network and mesh", () => {
  const planned = plan(declaration);
  const objects = planned.documents.map(({ object }) => object as unknown as LabObject);
  const ofMesh = [...objects.filter(({ kind }) => kind in collections), meshOnly as LabObject];
  const ofNetwork = [...objects.filter(({ kind }) => !(kind in collections)), networkOnly];
  const pods = workloads.map(podOf);
  const probes = pods
    .flatMap((from) =>
      [80, 443].map((port): LabProbe => ({ from: `mesh/${from.name}`, to: "mesh/api", port, protocol: "tcp" })),
    )
    .filter(({ from, to }) => from !== to);
  let on: SharedDatapath;
  let client: ApiClient;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath();
    await installCrds(on.controlPlane, ["istio"]);
    client = apiClient(on.controlPlane);
    for (const { name, labels } of planned.namespaces) await on.cluster.namespace(name, labels);
    await on.cluster.addPods(pods);
  });

  after(async function () {
    this.timeout(120_000);
    client?.close();
    await on.cluster.remove(ofNetwork);
    await on.cluster.removeNamespaces(planned.namespaces.map(({ name }) => name));
  });

  async function createInMesh({ apiVersion, kind, metadata, ...rest }: LabObject): Promise<void> {
    const where = `/apis/${apiVersion}/namespaces/${metadata.namespace ?? ""}/${collections[kind] ?? ""}`;
    const { status, body } = await client.call("POST", where, { apiVersion, kind, metadata, ...rest });
    assert.equal(status, 201, JSON.stringify(body));
  }

  async function verdicts(reachability: Reachability): Promise<(string | undefined)[]> {
    const expectation = new Expectation(reachability, await on.cluster.pods(), on.cluster.nodes);
    return probes.map((probe) => expectation.verdict(probe));
  }

  const measured = async (): Promise<string[]> =>
    (await on.cluster.probe(probes, { timeout: 1500 })).map(({ verdict }) => verdict);

  it("S0-16: what the network lets through, measured, and what the mesh lets through are what both let through together", async function () {
    this.timeout(180_000);
    const states = await on.cluster.apply(ofNetwork);
    assert.deepEqual(new Set(states.map(({ state }) => state)), new Set(["enforced"]));
    const packets = await measured();
    assert.deepEqual(await verdicts(await computedReachability(on.controlPlane)), packets, "the network by itself");
    for (const object of ofMesh) await createInMesh(object);
    const together = await verdicts(await computedReachability(on.controlPlane));
    await on.cluster.remove(ofNetwork);
    const mesh = await verdicts(await computedReachability(on.controlPlane));
    assert.deepEqual(
      new Set(await measured()),
      new Set(["allowed"]),
      "without the network's policies all packets pass",
    );

    const both = (index: number): string =>
      packets[index] === "allowed" && mesh[index] === "allowed" ? "allowed" : "denied";
    assert.deepEqual(
      together,
      probes.map((_probe, index) => both(index)),
    );
    const told = probes.map(
      ({ from, port }, index) => `${from}:${port} ${String(packets[index])} ${String(mesh[index])}`,
    );
    console.log(`      network (measured), mesh (computed): ${told.join("; ")}`);
    assert.deepEqual(told, [
      "mesh/web:80 allowed allowed",
      "mesh/web:443 allowed denied",
      "mesh/impostor:80 denied denied",
      "mesh/impostor:443 allowed denied",
      "mesh/neighbour:80 denied allowed",
      "mesh/neighbour:443 denied denied",
    ]);
  });
});
