/** Errors that the random suites found in the engine, each as small as it shrank. */
import assert from "node:assert/strict";
import {
  unknownValue,
  type EnforcerProfile,
  type Flow,
  type KubeObject,
  type Peer,
  type Verdict,
} from "../../sdk/reachability";
import { engineFor, profile } from "./engine";

const cilium = profile("cilium@1.20", { clusterNetworkPolicy: true });
const kubernetes = profile("kubernetes");

const namespace = (name: string, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});
const pod = (name: string, labels: Record<string, string> = {}, spec: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "a", labels },
  spec: { containers: [], ...spec },
});
const workload = (name: string): Peer => ({ kind: "workload", id: `a/${name}[Pod]` });
const fresh = (where: string): Peer => ({ kind: "freshPod", namespace: where });
const tcp = (source: Peer, destination: Peer, port: number): Flow => ({ source, destination, protocol: "TCP", port });
const networkPolicy = (spec: object): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "np", namespace: "a" },
  spec,
});
const clusterPolicy = (tier: string, spec: object): KubeObject => ({
  apiVersion: "policy.networking.k8s.io/v1alpha2",
  kind: "ClusterNetworkPolicy",
  metadata: { name: `k-${tier}` },
  spec: { tier, priority: 1, subject: { namespaces: {} }, ...spec },
});

const world: readonly KubeObject[] = [
  namespace("a"),
  namespace("b", { team: "x" }),
  pod("p"),
  pod("host", {}, { hostNetwork: true }),
];

interface Case {
  readonly title: string;
  readonly profile: EnforcerProfile;
  readonly policies: readonly KubeObject[];
  readonly flow: Flow;
  readonly verdict: Verdict;
}

const cases: readonly Case[] = [
  {
    title:
      "Cilium puts the egress rules of a NetworkPolicy in force although policyTypes names Ingress only (measured)",
    profile: cilium,
    policies: [
      networkPolicy({ podSelector: {}, policyTypes: ["Ingress"], ingress: [{}], egress: [{ ports: [{ port: 80 }] }] }),
    ],
    flow: tcp(workload("p"), { kind: "address", address: "198.51.100.10" }, 443),
    verdict: "denied",
  },
  {
    title: "the API's text does not: policyTypes decides",
    profile: kubernetes,
    policies: [
      networkPolicy({ podSelector: {}, policyTypes: ["Ingress"], ingress: [{}], egress: [{ ports: [{ port: 80 }] }] }),
    ],
    flow: tcp(workload("p"), { kind: "address", address: "198.51.100.10" }, 443),
    verdict: "allowed",
  },
  {
    title: "a named port that a fresh pod may declare is not denied",
    profile: cilium,
    policies: [
      networkPolicy({ podSelector: {}, egress: [{ ports: [{ port: "http" }] }] }),
      clusterPolicy("Baseline", {
        egress: [{ action: "Pass", to: [{ namespaces: { matchExpressions: [{ key: "team", operator: "Exists" }] } }] }],
      }),
    ],
    flow: tcp(workload("p"), fresh("b"), 79),
    verdict: "unknown",
  },
  {
    title: "a Baseline Pass without ports takes nothing from a NetworkPolicy that allows",
    profile: cilium,
    policies: [
      networkPolicy({ podSelector: {}, policyTypes: ["Egress"], egress: [{}] }),
      clusterPolicy("Baseline", { egress: [{ action: "Pass", to: [{ namespaces: { matchLabels: { team: "x" } } }] }] }),
    ],
    flow: tcp(workload("p"), fresh("b"), 81),
    verdict: "allowed",
  },
  {
    title: "an Accept of networks that a node may or may not lie in blurs nothing where the default is to allow",
    profile: kubernetes,
    policies: [clusterPolicy("Admin", { egress: [{ action: "Accept", to: [{ networks: ["10.1.0.0/16"] }] }] })],
    flow: tcp(workload("p"), workload("host"), 65535),
    verdict: "allowed",
  },
  {
    title: "a policy that the agent refuses puts nothing in force, its good rules neither",
    profile: cilium,
    policies: [ciliumPolicy({ ingressDeny: [{ fromEntities: ["everyone"] }], egressDeny: [{ toEntities: ["all"] }] })],
    flow: tcp(workload("p"), { kind: "address", address: "198.51.100.10" }, 443),
    verdict: "allowed",
  },
  {
    title: "nor do they allow anything",
    profile: cilium,
    policies: [
      ciliumPolicy({ ingress: [{ fromEntities: ["everyone"] }, { fromEntities: ["all"] }] }),
      networkPolicy({ podSelector: {}, policyTypes: ["Ingress"] }),
    ],
    flow: tcp({ kind: "address", address: "198.51.100.10" }, workload("p"), 443),
    verdict: "denied",
  },
  {
    title: "a policy with more than 40 ports in a rule is refused as a whole",
    profile: cilium,
    policies: [
      ciliumPolicy({
        egress: [
          {
            toPorts: [
              { ports: Array.from({ length: 41 }, (_, index) => ({ port: String(index + 1), protocol: "TCP" })) },
            ],
          },
        ],
      }),
    ],
    flow: tcp(workload("p"), { kind: "address", address: "198.51.100.10" }, 443),
    verdict: "allowed",
  },
  {
    title: "Calico: notProtocol holds beside ports",
    profile: profile("calico@3.32"),
    policies: [
      calicoPolicy({ egress: [{ action: "Allow", protocol: "TCP", notProtocol: 6, destination: { ports: [80] } }] }),
    ],
    flow: tcp(workload("p"), { kind: "address", address: "198.51.100.10" }, 80),
    verdict: "denied",
  },
  {
    title: "Calico: policies of equal order are applied by name, whatever their kind",
    profile: profile("calico@3.32"),
    policies: [
      {
        apiVersion: "projectcalico.org/v3",
        kind: "NetworkPolicy",
        metadata: { name: "a-first", namespace: "a" },
        spec: { order: 1, ingress: [{ action: "Allow" }] },
      },
      calicoPolicy({ order: 1, ingress: [{ action: "Deny" }] }),
    ],
    flow: tcp({ kind: "address", address: "198.51.100.10" }, workload("p"), 80),
    verdict: "allowed",
  },
  {
    title: "a section of a Cilium policy that is not known yet may be empty: it isolates nothing for certain",
    profile: cilium,
    policies: [ciliumPolicy({ egress: [{ toEntities: ["all"] }], ingressDeny: unknownValue })],
    flow: tcp({ kind: "address", address: "198.51.100.10" }, workload("p"), 443),
    verdict: "unknown",
  },
  {
    title: "Istio ambient: an ALLOW rule with one layer 7 source is left out as a whole",
    profile: kubernetes,
    policies: [
      namespace("m", { "istio.io/dataplane-mode": "ambient" }),
      authorization({
        rules: [{ from: [{ source: { requestPrincipals: ["*"] } }, { source: { notIpBlocks: ["10.1.0.0/16"] } }] }],
      }),
    ],
    flow: tcp({ kind: "address", address: "198.51.100.10" }, fresh("m"), 80),
    verdict: "denied",
  },
  {
    title: "Istio ambient: a DENY rule whose operation is layer 7 only matches nobody",
    profile: kubernetes,
    policies: [
      namespace("m", { "istio.io/dataplane-mode": "ambient" }),
      authorization({
        action: "DENY",
        rules: [{ from: [{ source: { namespaces: ["m"] } }], to: [{ operation: { paths: ["/x"] } }] }],
      }),
    ],
    flow: tcp(fresh("m"), fresh("m"), 80),
    verdict: "allowed",
  },
];

function authorization(spec: object): KubeObject {
  return {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "p", namespace: "m" },
    spec,
  };
}

function ciliumPolicy(sections: object): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "c" },
    spec: { endpointSelector: {}, ...sections },
  };
}

function calicoPolicy(sections: object): KubeObject {
  return {
    apiVersion: "projectcalico.org/v3",
    kind: "GlobalNetworkPolicy",
    metadata: { name: "g" },
    spec: { selector: "all()", ...sections },
  };
}

describe("properties: regressions", () => {
  for (const one of cases) {
    it(one.title, () =>
      assert.equal(engineFor([...world, ...one.policies], one.profile).verdict(one.flow), one.verdict),
    );
  }

  it("a Deployment whose template is not known yet stays in the snapshot", () => {
    for (const spec of [unknownValue, { selector: {}, template: unknownValue }]) {
      const deployment = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "d", namespace: "a" },
        spec,
      } as KubeObject;
      assert.deepEqual(
        engineFor([namespace("a"), deployment], kubernetes).snapshot.workloads.map(({ id }) => id),
        ["a/d[Deployment]"],
      );
    }
  });
});
