import fc from "fast-check";
import { calicoAllows } from "../oracle/calico";
import { clusters } from "./arbitraries";
import { calicoObjects } from "./calico-policies";
import { adminNetworkPolicies, clusterNetworkPolicies } from "./cluster-network-policies";
import { profile } from "./engine";
import { networkPolicies } from "./network-policies";
import { dialectSuite, isToFreshPod } from "./suite";

const probe = {
  apiVersion: "projectcalico.org/v3",
  kind: "GlobalNetworkPolicy",
  metadata: { name: "probe" },
  spec: { selector: "all()", ingress: [{ action: "Allow" }] },
};
const calico = fc.constant(profile("calico@3.32", { unknownPodAddresses: "outside-cidrs" }));

dialectSuite({
  title: "properties: Calico tiers, policies and network sets with NetworkPolicy, engine against oracle",
  share: 0.1,
  cluster: clusters({ podAddresses: true, hostNetwork: false }),
  policies: fc.tuple(calicoObjects(), networkPolicies(1)).map((groups) => groups.flat()),
  profile: calico,
  allows: (cluster, objects, flow) => calicoAllows(cluster, objects, flow),
  mayBeVague: isToFreshPod,
  probe,
});

dialectSuite({
  title: "properties: Calico with ClusterNetworkPolicy in kube-admin and kube-baseline, engine against oracle",
  share: 0.03,
  cluster: clusters({ podAddresses: true, hostNetwork: false }),
  policies: fc
    .tuple(calicoObjects(2), clusterNetworkPolicies({ baselinePassWithPorts: true }, 2), networkPolicies(1))
    .map((groups) => groups.flat()),
  profile: calico,
  allows: (cluster, objects, flow) => calicoAllows(cluster, objects, flow),
  mayBeVague: isToFreshPod,
  probe,
});

dialectSuite({
  title: "properties: Calico 3.31 with AdminNetworkPolicy, whose named ports it drops, engine against oracle",
  share: 0.03,
  cluster: clusters({ podAddresses: true, hostNetwork: false }),
  policies: fc.tuple(calicoObjects(2), adminNetworkPolicies(), networkPolicies(1)).map((groups) => groups.flat()),
  profile: fc.constant(profile("calico@3.31", { unknownPodAddresses: "outside-cidrs" })),
  allows: (cluster, objects, flow) => calicoAllows(cluster, objects, flow, "3.31"),
  mayBeVague: isToFreshPod,
  probe,
});
