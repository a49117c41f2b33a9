import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, MeshMode, plan, PolicyLayout } from "../../sdk/plan/index";
import type { Ends, EnforcerProfile, KubeObject, Peer, Reachability, Traffic } from "../../sdk/reachability/index";
import {
  buildSnapshot,
  compile,
  compileLike,
  metadataEndpoints,
  passing,
  PolicyVariants,
} from "../../sdk/reachability/index";
import type { PolicyObject } from "../oracle/cluster";
import { callByName, commonDeclaration } from "../plan/random-declarations";
import { clusters } from "../properties/arbitraries";
import { calicoObjects } from "../properties/calico-policies";
import { cidrGroup, ciliumPolicies, services } from "../properties/cilium-policies";
import { clusterObjects, policyObjects, profile } from "../properties/engine";
import { networkPolicies } from "../properties/network-policies";

const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };

/** A declaration, and for each of two sets which of its policies are in it. */
const twoSets = fc.tuple(
  commonDeclaration,
  fc.constantFrom(...Object.values(Dialect)),
  fc.constantFrom(...Object.values(PolicyLayout)),
  fc.constantFrom(undefined, undefined, undefined, MeshMode.Ambient),
  fc.constantFrom(0, 0x5a5a5a5a, 0x7fffffff),
  fc.nat(),
  fc.boolean(),
);

describe("many pairs under changing policies", () => {
  it("are judged as each by itself and anew is, and where the same rules decide the same passes, for random policies", function () {
    this.timeout(300_000);
    const count = { same: 0, looked: 0 };
    fc.assert(
      fc.property(twoSets, ([base, dialect, layout, mesh, some, flip, named]) => {
        const declaration = declarationOf(base, dialect, layout, mesh, named);
        const { objects, profile } = imaginedCluster(declaration);
        const policies = plan(declaration).documents.map(({ object }) => object as unknown as KubeObject);
        judgeTwoSets({ objects, policies, profile, sets: [some, some ^ (flip & (flip >> 3))], count });
      }),
      { numRuns: 60 },
    );
    assert.ok(count.same > count.looked / 10, `${count.same} of ${count.looked}`);
  });

  it("are judged as each by itself and anew is, for policies that nobody planned", function () {
    this.timeout(300_000);
    const count = { same: 0, looked: 0 };
    const anyCluster = fc.boolean().chain((podAddresses) => clusters({ podAddresses, hostNetwork: false }));
    const sets = fc.tuple(fc.constantFrom(0, 0x5a5a5a5a, 0x7fffffff), fc.nat());
    fc.assert(
      fc.property(anyCluster, anyPolicies, sets, fc.boolean(), (cluster, [policies, profile], [some, flip], asked) => {
        const two = [some, some ^ (flip & (flip >> 3))] as const;
        const objects = clusterObjects(cluster);
        judgeTwoSets({ objects, policies: policyObjects(policies), profile, sets: two, count, asked });
      }),
      { numRuns: 300 },
    );
    assert.ok(count.same > count.looked / 10, `${count.same} of ${count.looked}`);
  });
});

/** Policies with everything that rules can ask for: names of ports, ranges of both families, nodes, names. */
const anyPolicies = fc.oneof(
  ciliumPolicies().map((policies) => {
    const all = [...policies, ...namePolicies, cidrGroup, ...services];
    return [all, profile("cilium@1.20", { clusterNetworkPolicy: true, hostFirewall: true })] as const;
  }),
  fc
    .tuple(calicoObjects(), networkPolicies(2))
    .map((groups) => [groups.flat(), profile("calico@3.32", { unknownPodAddresses: "outside-cidrs" })] as const),
  networkPolicies().map((policies) => [policies, profile("kubernetes")] as const),
);

/** Pods of one namespace ask for one name, those of another for none; a node's policy looks at pods. */
const namePolicies = [
  ciliumPolicy("asks-nothing", "CiliumNetworkPolicy", "b", {
    endpointSelector: {},
    egress: [{ toFQDNs: [{ matchPattern: "*.example.com" }] }],
  }),
  ciliumPolicy("asks", "CiliumNetworkPolicy", "a", {
    endpointSelector: {},
    egress: [
      {
        toEndpoints: [{}],
        toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchName: "api.example.com" }] } }],
      },
      { toFQDNs: [{ matchName: "api.example.com" }], toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }] },
      { toFQDNs: [{ matchPattern: "*.example.com" }], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] },
    ],
  }),
  ciliumPolicy("node", "CiliumClusterwideNetworkPolicy", undefined, {
    nodeSelector: {},
    ingress: [{ fromEndpoints: [{ matchLabels: { app: "web" } }] }],
  }),
];

function ciliumPolicy(name: string, kind: string, namespace: string | undefined, spec: object): PolicyObject {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: "cilium.io/v2", kind, metadata, spec } as PolicyObject;
}

const textOf = ({ allowed, possible }: Traffic): string => `${allowed.toString()} ${possible.toString()}`;

interface TwoSets {
  readonly objects: readonly KubeObject[];
  readonly policies: readonly KubeObject[];
  readonly profile: EnforcerProfile;
  /** Of each set, which of the policies are in it. */
  readonly sets: readonly [number, number];
  readonly count: { same: number; looked: number };
  /** Whether the first set is asked about before there is a second. */
  readonly asked?: boolean;
}

function judgeTwoSets({ objects, policies, profile, sets, count, asked = true }: TwoSets): void {
  const chosen = (bits: number): KubeObject[] => policies.filter((_, index) => ((bits >> (index % 31)) & 1) === 1);
  const variants = new PolicyVariants(objects, policies, profile);
  const a = compileLike(undefined, variants.with(chosen(sets[0])));
  const b = compileLike(a, variants.with(chosen(sets[1])));
  const anew = sets.map((bits) => {
    const read = [...objects, ...chosen(bits)].map((object) => ({ object }));
    return compile(buildSnapshot(read, { profile }));
  });
  const ends = endsOf(a);
  const all = [...ends.pods, ...ends.others];
  const pairs = pairsOf(ends);
  const before = passing(a, ends);
  if (asked) for (const [from, to] of pairs) before.traffic(from, to);
  const after = passing(b, ends, before);
  for (const [from, to] of pairs) {
    count.looked += 1;
    const [source, destination] = [all[from] ?? assert.fail(), all[to] ?? assert.fail()];
    const where = `${JSON.stringify(source)} -> ${JSON.stringify(destination)}`;
    const [first, second] = anew.map((one) => textOf(one.traffic(source, destination)));
    assert.equal(textOf(a.traffic(source, destination)), first, where);
    assert.equal(textOf(b.traffic(source, destination)), second, where);
    assert.equal(textOf(before.traffic(from, to)), first, where);
    assert.equal(textOf(after.traffic(from, to)), second, where);
    if (!after.isAsBefore(from, to)) continue;
    count.same += 1;
    assert.equal(first, second, where);
  }
}

function declarationOf(
  base: ClusterSecurityDeclaration,
  dialect: Dialect,
  layout: PolicyLayout,
  mesh: MeshMode | undefined,
  named: boolean,
): ClusterSecurityDeclaration {
  return {
    ...base,
    cluster,
    dialect,
    layout,
    flows: [...(base.flows ?? []), ...(named ? callByName(base, dialect) : [])],
    ...(mesh === undefined ? {} : { mesh: { mode: mesh, namespaces: ["alpha"] } }),
  };
}

/** Pods, and others: first those that may reach pods, too. */
function endsOf({ snapshot: { workloads, namespaces } }: Reachability): Ends {
  return {
    pods: [
      ...workloads.map(({ id }): Peer => ({ kind: "workload", id })),
      ...[...namespaces.keys()].map((namespace): Peer => ({ kind: "freshPod", namespace })),
    ],
    others: [
      ...reaching,
      ...metadataEndpoints.slice(0, 3).map(({ address }): Peer => ({ kind: "address", address })),
      ...["api.example.com", "db.example.com", "example.org"].map((name): Peer => ({ kind: "fqdn", name })),
    ],
  };
}

const reaching: readonly Peer[] = [
  { kind: "node", where: "remote" },
  { kind: "node", where: "local" },
  { kind: "kubeApiserver" },
  ...["198.51.100.10", "2001:db8::10", "10.1.2.3", "10.2.3.4", "203.0.113.7"].map((address): Peer => ({
    kind: "address",
    address,
  })),
];

function pairsOf({ pods, others }: Ends): (readonly [number, number])[] {
  const places = [...pods, ...others].map((_, place) => place);
  return pods.flatMap((_, pod) => [
    ...places.filter((other) => other !== pod).map((other) => [pod, other] as const),
    ...reaching.map((_, other) => [pods.length + other, pod] as const),
  ]);
}
