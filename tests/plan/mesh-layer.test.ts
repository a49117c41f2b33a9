import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration, FlowDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";
import {
  Dialect,
  MeshMode,
  UnsupportedHandling,
  DeclarationError,
  allOf,
  cidr,
  flow,
  namespace,
  plan,
  planMesh,
  tcp,
  tcpRange,
  udp,
  workload,
} from "../../sdk/plan/index";
import type { KubeObject, Peer, Verdict } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import { deploymentOf, pod, worldOf } from "./world";
import { literal } from "./literal";

const ids = ["in/web", "in/api", "too/db", "out/job", "out/agent"];
const workloads: readonly WorkloadDeclaration[] = ids.map((id) =>
  workload(id, { serviceAccount: id.slice(id.indexOf("/") + 1) }),
);
const isMember = (end: string): boolean => /^(in|too)(\/|$)/.test(end);

/** Flows between pods, whole namespaces and addresses; `in` and `too` are the mesh. */
const meshFlows: fc.Arbitrary<readonly FlowDeclaration[]> = fc
  .uniqueArray(
    fc.record({
      from: fc.constantFrom(...ids, "in", "too", "out", "203.0.113.0/24"),
      to: fc.constantFrom(...ids),
      port: fc.constantFrom(80, 443, 5432),
    }),
    { maxLength: 8, selector: ({ from, to, port }) => `${from} ${to} ${port}` },
  )
  .map((list) =>
    list.map(({ from, to, port }) => {
      const source = from.endsWith("/24") ? cidr(from) : from.includes("/") ? from : allOf(from);
      return flow(source).to(to).on(tcp(port)).because("random").ownedBy("tests");
    }),
  );

/** The mesh's policies alone, over pods that Istio's proxies serve: nothing else stands between them. */
function meshOf(declaration: ClusterSecurityDeclaration): ReturnType<typeof compile> {
  const planned = planMesh(declaration);
  const labels = new Map(planned.namespaces.map((one) => [one.name, one.labels]));
  const objects: KubeObject[] = [
    ...["in", "too", "out"].map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: labels.get(name) ?? {} },
    })),
    ...(declaration.workloads ?? []).map(deploymentOf),
    ...planned.documents.map(({ object }) => object as unknown as KubeObject),
  ];
  const sourced = objects.map((object) => ({ object }));
  return compile(buildSnapshot(sourced, { profile: profileFor("cilium@1.20") }));
}

function fromOf({ from }: FlowDeclaration): string {
  return from.workload ?? from.namespace ?? literal(from).cidr ?? "";
}

describe("the mesh as a layer of its own", function () {
  it("S0-04 S0-12 S0-16 tells members apart exactly as declared, and opens to strangers the ports that strangers use", () => {
    fc.assert(
      fc.property(meshFlows, fc.constantFrom(...Object.values(MeshMode)), (flows, mode) => {
        const declaration = {
          namespaces: ["in", "too", "out"].map((name) => namespace(name)),
          mesh: { mode, namespaces: ["in", "too"], trustDomain: "corp.example" },
          workloads: [...workloads],
          flows: [...flows],
        };
        // the cluster's trust domain decides whose certificates count: another than the declared one is nobody's
        const mesh = compile({
          ...meshOf(declaration).snapshot,
          profile: { ...profileFor("cilium@1.20"), meshTrustDomain: "corp.example" },
        });
        for (const to of ids.filter(isMember)) {
          for (const from of ids.filter((id) => id !== to)) {
            for (const port of [80, 443, 5432]) {
              const uses = flows.filter((one) => one.to.workload === to && one.ports?.[0]?.port === port);
              const wanted = isMember(from)
                ? uses.some((one) => fromOf(one) === from || fromOf(one) === from.slice(0, from.indexOf("/")))
                : uses.some((one) => !isMember(fromOf(one)));
              const call = { source: pod(from), destination: pod(to), protocol: "TCP", port } as const;
              const verdict = mesh.verdict(call);
              assert.equal(verdict, wanted ? "allowed" : "denied", `${mode} ${from} → ${to} ${port}`);
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  const shop: ClusterSecurityDeclaration = {
    namespaces: [namespace("in"), namespace("out")],
    mesh: { namespaces: ["in"] },
    workloads: ["in/web", "in/api", "out/job"].map((id) =>
      workload(id, { serviceAccount: id.slice(id.indexOf("/") + 1) }),
    ),
  };

  it("never writes a rule without ports for ports that Istio cannot name: it would open them all", () => {
    const wide = [flow("web").to("api").on(tcpRange(1000, 2000)).because("ranges").ownedBy("team")];
    const mesh = meshOf({ ...shop, flows: wide });
    for (const port of [80, 1500, 15008]) {
      const call = { source: pod("in/web"), destination: pod("in/api"), protocol: "TCP", port } as const;
      assert.equal(mesh.verdict(call), "denied", String(port));
    }
    assert.ok(planMesh({ ...shop, flows: wide }).warnings.some(({ code }) => code === "mesh-range-too-wide"));
    assert.throws(() => planMesh({ ...shop, flows: wide, unsupported: UnsupportedHandling.Refuse }), DeclarationError);
    const all = [flow("web").to("api").on(tcpRange(1, 65535)).because("everything").ownedBy("team")];
    const open = meshOf({ ...shop, flows: all });
    const call = { source: pod("in/web"), destination: pod("in/api"), protocol: "TCP", port: 1500 } as const;
    assert.equal(open.verdict(call), "allowed");
    assert.equal(open.verdict({ ...call, source: pod("out/job") }), "denied");
  });

  it("says nothing about UDP, which Istio does not carry, and does not let it open TCP", () => {
    const flows = [flow("web").to("api").on(udp(53)).because("asks").ownedBy("team")];
    const names = planMesh({ ...shop, flows }).documents.map(({ object }) => object.metadata.name);
    assert.deepEqual(
      names.filter((name) => name.startsWith("allow-to-api")),
      [],
    );
    const call = { source: pod("in/web"), destination: pod("in/api"), protocol: "TCP", port: 53 } as const;
    assert.equal(meshOf({ ...shop, flows }).verdict(call), "denied");
  });

  it("a range that Istio cannot name takes no other flow with it, and two ranges that it can are none that it cannot", () => {
    const because = { reason: "ranges", owner: "team" };
    const from = { workload: "in/web" };
    const verdict = (flows: FlowDeclaration[], port: number): Verdict => {
      const call = { source: pod("in/web"), destination: pod("in/api"), protocol: "TCP", port } as const;
      return meshOf({ ...shop, flows }).verdict(call);
    };
    const wide = { from, to: { namespace: "in" }, ports: [tcpRange(80, 8000)], ...because };
    const single = { from, to: { workload: "in/api" }, ports: [tcp(443)], ...because };
    assert.equal(verdict([wide, single], 443), "allowed");
    assert.equal(verdict([wide, single], 444), "denied");
    const neighbours = [tcpRange(1001, 1050), tcpRange(1051, 1100)];
    for (const port of [1001, 1100]) assert.equal(verdict([{ ...single, ports: neighbours }], port), "allowed");
  });

  it("lets strangers in to declared workloads of a namespace, and says what it cannot", () => {
    const flows = [flow("job").to(allOf("in")).on(tcp(9090)).because("scrapes").ownedBy("team")];
    const mesh = meshOf({ ...shop, flows });
    const call = { source: pod("out/job"), destination: pod("in/api"), protocol: "TCP", port: 9090 } as const;
    assert.equal(mesh.verdict(call), "allowed");
    // a member of the mesh is no stranger: it is known, and was not declared
    assert.equal(mesh.verdict({ ...call, source: pod("in/web") }), "denied");
    const fresh: Peer = { kind: "freshPod", namespace: "in" };
    assert.equal(mesh.verdict({ ...call, destination: fresh }), "denied");
    assert.ok(planMesh({ ...shop, flows }).warnings.some(({ code }) => code === "mesh-plaintext-to-namespace"));
  });

  for (const dialect of Object.values(Dialect)) {
    it(`in ambient mode has its tunnel and the kubelet's probes through the network's policies (${dialect})`, () => {
      const declaration: ClusterSecurityDeclaration = {
        ...shop,
        dialect,
        mesh: { mode: MeshMode.Ambient, namespaces: ["in"] },
        flows: [
          flow("web").to("api").on(tcp(80)).because("calls").ownedBy("team"),
          flow("job").to("api").on(tcp(81)).because("calls").ownedBy("team"),
        ],
      };
      // the network's policies alone: the proxies pass probes on without looking
      const network = worldOf(declaration, {
        standing: ({ documents }) => documents.filter(({ stage }) => stage !== "mesh"),
      }).reachability;
      const probe: Peer = { kind: "address", address: "169.254.7.127" };
      const call = { destination: pod("in/api"), protocol: "TCP" } as const;
      for (const port of [80, 8081, 15021]) assert.equal(network.verdict({ ...call, source: probe, port }), "allowed");
      assert.equal(network.verdict({ ...call, source: { ...probe, address: "169.254.7.128" }, port: 80 }), "denied");
      assert.equal(network.verdict({ ...call, source: probe, destination: pod("out/job"), port: 80 }), "denied");
      // between members the tunnel and the port inside it; from outside only the port
      assert.equal(network.verdict({ ...call, source: pod("in/web"), port: 15008 }), "allowed");
      assert.equal(network.verdict({ ...call, source: pod("in/web"), port: 80 }), "allowed");
      assert.equal(network.verdict({ ...call, source: pod("out/job"), port: 15008 }), "denied");
      assert.equal(network.verdict({ ...call, source: pod("out/job"), port: 81 }), "allowed");
    });
  }

  it("warns about pods that run without a proxy, in sidecar mode only", () => {
    const codes = (mode: MeshMode, existing: boolean): readonly string[] =>
      plan({
        ...shop,
        namespaces: [namespace("in", { existing }), namespace("out")],
        mesh: { mode, namespaces: ["in"] },
      }).warnings.map(({ code }) => code);
    assert.ok(codes(MeshMode.Sidecar, true).includes("mesh-needs-restart"));
    assert.ok(!codes(MeshMode.Sidecar, false).includes("mesh-needs-restart"));
    assert.ok(!codes(MeshMode.Ambient, true).includes("mesh-needs-restart"));
  });
});
