import fc from "fast-check";
import type { PolicyObject } from "../oracle/cluster";
import { kubernetesAllows } from "../oracle/kubernetes";
import { clusters } from "./arbitraries";
import { podsOutsideRanges, profile } from "./engine";
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
  profile: fc.constantFrom(podsOutsideRanges, profile("kubernetes", { cidrMatchesPods: false })),
  allows: (cluster, policies, flow, settings) =>
    kubernetesAllows(cluster, policies, flow, { cidrMatchesPods: settings.cidrMatchesPods }),
});

dialectSuite({
  title: "properties: pods whose addresses are not known, CIDR rules that match pods, engine against oracle",
  share: 0.03,
  cluster: clusters({ podAddresses: false, hostNetwork: true }),
  policies: networkPolicies(2),
  profile: fc.constant(profile("kubernetes", { unknownPodAddresses: "possible" })),
  allows: (cluster, policies, flow) => kubernetesAllows(cluster, policies, flow, { cidrMatchesPods: true }),
});

/** Ranges of a whole family stay whole: no exception, no half of one. */
const withWholeRanges = networkPolicies(2).map(
  (policies) =>
    JSON.parse(
      JSON.stringify(policies)
        .replaceAll(/"except":\[[^\]]*\]/g, '"except":[]')
        .replaceAll(/"(0\.0\.0\.0|128\.0\.0\.0)\/1"/g, '"0.0.0.0/0"')
        .replaceAll(/"(8000)?::\/1"/g, '"::/0"'),
    ) as PolicyObject[],
);

dialectSuite({
  title: "properties: pods whose addresses are not known, in wide ranges only, engine against oracle",
  share: 0.03,
  cluster: clusters({ podAddresses: false, hostNetwork: false }),
  policies: withWholeRanges,
  profile: fc.constant(profile("kubernetes")),
  allows: (cluster, policies, flow) => kubernetesAllows(cluster, policies, flow, { cidrMatchesPods: true }),
});
