import fc from "fast-check";
import { adminNetworkPolicyAllows } from "../oracle/admin-network-policy";
import { clusterNetworkPolicyAllows, clusterNetworkPolicyAllowsInOrders } from "../oracle/cluster-network-policy";
import { clusters } from "./arbitraries";
import { adminNetworkPolicies, clusterNetworkPolicies } from "./cluster-network-policies";
import { podsOutsideRanges, profile } from "./engine";
import { networkPolicies } from "./network-policies";
import { dialectSuite, isToFreshPod, type DialectSuite } from "./suite";

const cluster = fc.oneof(
  clusters({ podAddresses: true, hostNetwork: false }),
  clusters({ podAddresses: false, hostNetwork: true }),
);

dialectSuite({
  title: "properties: ClusterNetworkPolicy v1alpha2 around NetworkPolicy, engine against oracle",
  share: 0.1,
  cluster,
  policies: fc
    .tuple(clusterNetworkPolicies({ baselinePassWithPorts: true }), networkPolicies(2))
    .map((groups) => groups.flat()),
  profile: fc.constantFrom(podsOutsideRanges, profile("kubernetes", { cidrMatchesPods: false })),
  allows: (world, policies, flow, settings) =>
    clusterNetworkPolicyAllows(world, policies, flow, { cidrMatchesPods: settings.cidrMatchesPods }),
  mayBeVague: isToFreshPod,
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

const inOrders =
  (orders: "some" | "all"): DialectSuite["allows"] =>
  (world, policies, flow, settings) =>
    clusterNetworkPolicyAllowsInOrders(world, policies, flow, { cidrMatchesPods: settings.cidrMatchesPods }, orders);

dialectSuite({
  title: "properties: ClusterNetworkPolicies of equal priority leave open what they disagree on, engine against oracle",
  share: 0.05,
  cluster,
  policies: fc
    .tuple(clusterNetworkPolicies({ baselinePassWithPorts: true, equalPriorities: true }), networkPolicies(1))
    .map((groups) => groups.flat()),
  profile: fc.constant(podsOutsideRanges),
  allows: inOrders("some"),
  allowsAtLeast: inOrders("all"),
  mayBeVague: isToFreshPod,
});

dialectSuite({
  title:
    "properties: AdminNetworkPolicy and BaselineAdminNetworkPolicy v1alpha1 around NetworkPolicy, engine against oracle",
  share: 0.05,
  cluster,
  policies: fc.tuple(adminNetworkPolicies(), networkPolicies(2)).map((groups) => groups.flat()),
  profile: fc.constantFrom(podsOutsideRanges, profile("kubernetes", { cidrMatchesPods: false })),
  allows: (world, policies, flow, settings) =>
    adminNetworkPolicyAllows(world, policies, flow, { cidrMatchesPods: settings.cidrMatchesPods }),
  mayBeVague: isToFreshPod,
  probe: {
    apiVersion: "policy.networking.k8s.io/v1alpha1",
    kind: "AdminNetworkPolicy",
    metadata: { name: "probe" },
    spec: { priority: 1, subject: { namespaces: {} }, ingress: [{ action: "Allow", from: [{ namespaces: {} }] }] },
  },
});
