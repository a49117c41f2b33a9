import fc from "fast-check";
import type { OracleCluster, OracleFlow, PolicyObject } from "../oracle/cluster";
import { flowsOnNetwork, meshAllows, type Layer7 } from "../oracle/istio";
import { kubernetesAllows } from "../oracle/kubernetes";
import { clusters } from "./arbitraries";
import { podsOutsideRanges } from "./engine";
import { capturing, istioPolicies, meshed } from "./istio-policies";
import { networkPolicies } from "./network-policies";
import { dialectSuite } from "./suite";

const probe = {
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "probe", namespace: "a" },
  spec: {},
};
const base = fc.tuple(clusters({ podAddresses: true, hostNetwork: false }), fc.boolean());
const allowing =
  (layer7: Layer7) =>
  (cluster: OracleCluster, policies: readonly PolicyObject[], flow: OracleFlow): boolean =>
    kubernetesAllows(cluster, policies, flow, { cidrMatchesPods: true }) && meshAllows(cluster, policies, flow, layer7);

/** A pod without an address may be in any range that a rule names. */
const hasNoAddress = ({ source }: OracleFlow): boolean => source.kind === "pod" && source.pod.addresses.length === 0;

/** Whether a request passes that meets all conditions on HTTP, or one that meets none. */
const someRequest = (cluster: OracleCluster, policies: readonly PolicyObject[], flow: OracleFlow): boolean =>
  allowing("all")(cluster, policies, flow) || allowing("none")(cluster, policies, flow);

dialectSuite({
  title: "properties: Istio with sidecars over NetworkPolicy, engine against oracle",
  share: 0.05,
  cluster: base.map(([cluster, both]) => meshed(cluster, false, both)),
  policies: fc.tuple(istioPolicies(), networkPolicies(1)).map((groups) => groups.flat()),
  profile: fc.constant(podsOutsideRanges),
  allows: allowing("for"),
  allowsAtLeast: someRequest,
  mayBeVague: hasNoAddress,
  probe,
});

dialectSuite({
  title: "properties: Istio with sidecars that do not get all traffic, engine against oracle",
  share: 0.05,
  cluster: fc
    .tuple(base, fc.nat({ max: 99 }))
    .map(([[cluster, both], roll]) => capturing(meshed(cluster, false, both), roll)),
  policies: istioPolicies(),
  profile: fc.constant(podsOutsideRanges),
  allows: allowing("for"),
  allowsAtLeast: someRequest,
  mayBeVague: hasNoAddress,
  probe,
});

dialectSuite({
  title: "properties: Istio in ambient mode, engine against oracle",
  share: 0.05,
  cluster: base.map(([cluster, both]) => meshed(cluster, true, both)),
  policies: istioPolicies(),
  profile: fc.constant(podsOutsideRanges),
  allows: allowing("for"),
  allowsAtLeast: someRequest,
  mayBeVague: hasNoAddress,
  probe,
});

const carriedAllowing =
  (layer7: Layer7) =>
  (cluster: OracleCluster, policies: readonly PolicyObject[], flow: OracleFlow): boolean => {
    const answers = flowsOnNetwork(cluster, flow).map((seen) =>
      kubernetesAllows(cluster, policies, seen, { cidrMatchesPods: true }),
    );
    const network = layer7 === "for" ? answers.includes(true) : !answers.includes(false);
    return network && meshAllows(cluster, policies, flow, layer7);
  };

/** NetworkPolicies in which the tunnel's port is as frequent as others. */
const withTunnelPort = networkPolicies(3).map(
  (policies) => JSON.parse(JSON.stringify(policies).replaceAll('"port":443', '"port":15008')) as PolicyObject[],
);

dialectSuite({
  title: "properties: NetworkPolicy under ambient mode (HBONE on port 15008), engine against oracle",
  share: 0.05,
  cluster: fc.tuple(clusters({ podAddresses: true, hostNetwork: false }), fc.nat({ max: 3 })).map(([cluster, roll]) => {
    const ambient = meshed(cluster, true, roll > 1);
    if (roll !== 1) return ambient;
    // sidecars beside it
    const sidecars = (labels: Readonly<Record<string, string>>): Record<string, string> => ({
      ...labels,
      "istio-injection": "enabled",
    });
    return {
      ...ambient,
      namespaces: ambient.namespaces.map((one) => (one.name === "b" ? { ...one, labels: sidecars(one.labels) } : one)),
    };
  }),
  policies: fc.tuple(istioPolicies(1), withTunnelPort).map((groups) => groups.flat()),
  profile: fc.constant(podsOutsideRanges),
  allows: carriedAllowing("for"),
  allowsAtLeast: (cluster, policies, flow) =>
    carriedAllowing("all")(cluster, policies, flow) || carriedAllowing("none")(cluster, policies, flow),
  // where sidecars and ztunnels meet each side is judged by itself
  mayBeVague: (flow) => flow.source.kind === "pod" && flow.destination.kind === "pod",
  probe,
});
