import fc from "fast-check";
import { kubernetesAllows } from "../oracle/kubernetes";
import { clusters } from "./arbitraries";
import { profile } from "./engine";
import { networkPolicies } from "./network-policies";
import { dialectSuite } from "./suite";

dialectSuite({
  title: "properties: Kubernetes NetworkPolicy, engine against oracle",
  share: 0.2,
  cluster: fc.oneof(
    clusters({ podAddresses: true, hostNetwork: false }),
    clusters({ podAddresses: false, hostNetwork: true }),
  ),
  policies: networkPolicies(),
  profile: fc.constantFrom(profile("kubernetes"), profile("kubernetes", { cidrMatchesPods: false })),
  allows: (cluster, policies, flow, settings) =>
    kubernetesAllows(cluster, policies, flow, { cidrMatchesPods: settings.cidrMatchesPods }),
});
