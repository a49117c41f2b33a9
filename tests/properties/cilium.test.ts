import fc from "fast-check";
import type { EnforcerProfile } from "../../sdk/reachability";
import { ciliumAllows, type CiliumOptions } from "../oracle/cilium";
import { ciliumAccepts, isCiliumPolicy } from "../oracle/cilium-rules";
import { clusters } from "./arbitraries";
import { cidrGroup, ciliumPolicies, services } from "./cilium-policies";
import { clusterNetworkPolicies } from "./cluster-network-policies";
import { profile } from "./engine";
import { networkPolicies } from "./network-policies";
import { dialectSuite, isToFreshPod, type DialectSuite } from "./suite";

const cilium = (changes: Partial<EnforcerProfile> = {}): EnforcerProfile =>
  profile("cilium@1.20", { unknownPodAddresses: "outside-cidrs", clusterNetworkPolicy: true, ...changes });

function optionsOf(settings: EnforcerProfile): CiliumOptions {
  const { cidrMatchesPods, cidrMatchesNodes, localNodeAlwaysAllowed, enforcementMode, clusterNetworkPolicy } = settings;
  return { cidrMatchesPods, cidrMatchesNodes, localNodeAlwaysAllowed, enforcementMode, clusterNetworkPolicy };
}

const allows: DialectSuite["allows"] = (cluster, policies, flow, settings) =>
  ciliumAllows(cluster, policies, flow, optionsOf(settings));

/** A policy that is refused may count as in force or not: the engine says "unknown" where that makes a difference. */
const mayBeVague: DialectSuite["mayBeVague"] = (flow, policies) =>
  isToFreshPod(flow) || policies.some((policy) => isCiliumPolicy(policy) && !ciliumAccepts(policy));

const inCluster = fc.oneof(
  clusters({ podAddresses: false, hostNetwork: false }),
  clusters({ podAddresses: false, hostNetwork: true }),
);

dialectSuite({
  title: "properties: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, engine against oracle",
  share: 0.2,
  cluster: inCluster,
  policies: ciliumPolicies().map((policies) => [...policies, cidrGroup, ...services]),
  profile: fc.constant(cilium()),
  allows,
  mayBeVague,
});

dialectSuite({
  title: "properties: NetworkPolicy, CNP and CCNP in one Cilium cluster, engine against oracle",
  share: 0.1,
  cluster: inCluster,
  policies: fc
    .tuple(ciliumPolicies(2), networkPolicies(2))
    .map(([some, others]) => [...some, ...others, cidrGroup, ...services]),
  profile: fc.constantFrom(
    cilium(),
    cilium(),
    cilium({ enforcementMode: "always" }),
    cilium({ enforcementMode: "never" }),
    cilium({ localNodeAlwaysAllowed: false }),
  ),
  allows,
  mayBeVague,
});

dialectSuite({
  title: "properties: CIDR rules that match pods (policy-cidr-match-mode=pods), engine against oracle",
  share: 0.05,
  cluster: clusters({ podAddresses: true, hostNetwork: false }),
  policies: fc
    .tuple(ciliumPolicies(2), networkPolicies(2))
    .map(([some, others]) => [...some, ...others, cidrGroup, ...services]),
  profile: fc.constant(cilium({ cidrMatchesPods: true })),
  allows,
  mayBeVague,
});

dialectSuite({
  title:
    "properties: ClusterNetworkPolicy around NetworkPolicy, CNP and CCNP in a Cilium cluster, engine against oracle",
  share: 0.1,
  cluster: inCluster,
  policies: fc
    .tuple(clusterNetworkPolicies({ baselinePassWithPorts: false }), ciliumPolicies(1), networkPolicies(1))
    .map((groups) => [...groups.flat(), cidrGroup, ...services]),
  profile: fc.constant(cilium()),
  allows,
  mayBeVague,
  probe: {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name: "probe" },
    spec: {
      tier: "Admin",
      priority: 1,
      subject: { namespaces: {} },
      ingress: [{ action: "Accept", from: [{ namespaces: {} }] }],
    },
  },
});
