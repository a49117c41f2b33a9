import fc from "fast-check";
import type { OracleCluster, OracleFlow, PolicyObject } from "../oracle/cluster";
import { meshAllows, type Layer7 } from "../oracle/istio";
import { kubernetesAllows } from "../oracle/kubernetes";
import { clusters } from "./arbitraries";
import { profile } from "./engine";
import { istioPolicies, meshed } from "./istio-policies";
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

dialectSuite({
  title: "properties: Istio with sidecars over NetworkPolicy, engine against oracle",
  share: 0.05,
  cluster: base.map(([cluster, both]) => meshed(cluster, false, both)),
  policies: fc.tuple(istioPolicies(), networkPolicies(1)).map((groups) => groups.flat()),
  profile: fc.constant(profile("kubernetes")),
  allows: allowing("for"),
  allowsAtLeast: allowing("against"),
  probe,
});

dialectSuite({
  title: "properties: Istio in ambient mode, engine against oracle",
  share: 0.05,
  cluster: base.map(([cluster, both]) => meshed(cluster, true, both)),
  policies: istioPolicies(),
  profile: fc.constant(profile("kubernetes")),
  allows: allowing("for"),
  allowsAtLeast: allowing("against"),
  probe,
});
