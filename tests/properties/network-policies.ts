/** Random Kubernetes NetworkPolicies. */
import fc from "fast-check";
import type { PolicyObject } from "../oracle/cluster";
import { ipBlock, list, namespaceNames, namespaceSelector, plain, podSelector, portNames } from "./arbitraries";

const numberedPort = fc.constantFrom(80, 443, 8080, 53, 1, 65535);

const port = fc.oneof(
  fc.record({ protocol: fc.constantFrom("TCP", "UDP", "SCTP", undefined, null), port: numberedPort }),
  fc.record({ protocol: fc.constantFrom("TCP", "UDP", "SCTP", undefined), port: fc.constantFrom(...portNames) }),
  fc.record({ protocol: fc.constantFrom("TCP", "UDP", "SCTP", undefined), port: fc.constantFrom(undefined, null) }),
  fc.constantFrom(
    { protocol: "TCP", port: 80, endPort: 8080 },
    { protocol: "TCP", port: 1, endPort: 65535 },
    { protocol: "UDP", port: 53, endPort: 53 },
    { protocol: "SCTP", port: 79, endPort: 81 },
    { port: 8081, endPort: 65535 },
  ),
);

export const networkPolicyPeer = fc.oneof(
  podSelector.map((selector) => ({ podSelector: selector })),
  namespaceSelector.map((selector) => ({ namespaceSelector: selector })),
  fc
    .tuple(podSelector, namespaceSelector)
    .map(([pods, namespaces]) => ({ podSelector: pods, namespaceSelector: namespaces })),
  namespaceSelector.map((selector) => ({ podSelector: null, namespaceSelector: selector })),
  ipBlock.map((block) => ({ ipBlock: block })),
);

const ingressRule = fc.record({ from: list(networkPolicyPeer), ports: list(port) });
const egressRule = fc.record({ to: list(networkPolicyPeer), ports: list(port) });

export const networkPolicySpec = fc.record({
  podSelector,
  policyTypes: fc.constantFrom(undefined, undefined, null, [], ["Ingress"], ["Egress"], ["Ingress", "Egress"]),
  ingress: list(ingressRule),
  egress: list(egressRule),
});

export function networkPolicies(maxLength = 3): fc.Arbitrary<PolicyObject[]> {
  return fc
    .array(fc.tuple(fc.constantFrom(...namespaceNames), networkPolicySpec), { minLength: 1, maxLength })
    .map((drafts) =>
      drafts.map(([namespace, spec], index): PolicyObject =>
        plain({
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy",
          metadata: { name: `np-${index}`, namespace },
          spec,
        }),
      ),
    );
}
