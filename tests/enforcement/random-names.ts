/** Random policies that open names, beside what may close them again. */
import fc from "fast-check";
import type { LabObject } from "../../lab/datapath/index";
import { namespaceNames, podLabelPair, selectorFrom } from "../properties/arbitraries";

const kubeDns = { matchLabels: { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns" } };

/** A rule that lets the pod ask, and has the agent's proxy read what is asked. */
const dnsRule = fc
  .constantFrom("*", "*.example.com", "*.example.*", "api.example.com", "evil.example.net")
  .map((matchPattern) => ({
    toEndpoints: [kubeDns],
    toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern }] } }],
  }));

const name = fc.constantFrom<unknown>(
  { matchName: "api.example.com" },
  { matchName: "www.example.com" },
  { matchName: "metadata.example.com" },
  { matchName: "unheard-of.example.com" },
  { matchPattern: "*.example.com" },
  { matchPattern: "a*.example.com" },
  { matchPattern: "*" },
);

const ports = fc.constantFrom<unknown>(
  undefined,
  [{ ports: [{ port: "443", protocol: "TCP" }] }],
  [{ ports: [{ port: "80", endPort: 443, protocol: "TCP" }] }],
  [{ ports: [{ port: "443", protocol: "ANY" }] }],
);

const nameRule = fc
  .tuple(fc.array(name, { minLength: 1, maxLength: 2 }), ports)
  .map(([toFQDNs, toPorts]) => ({ toFQDNs, ...(toPorts === undefined ? {} : { toPorts }) }));

const otherRule = fc.constantFrom<unknown>(
  { toCIDR: ["203.0.113.0/24"], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] },
  { toCIDRSet: [{ cidr: "0.0.0.0/0", except: ["169.254.0.0/16", "203.0.113.0/24"] }] },
  { toEntities: ["cluster"] },
);

const denial = fc.constantFrom<unknown>(
  { toCIDR: ["169.254.169.254/32"] },
  { toCIDR: ["198.51.100.0/24"], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] },
  { toCIDRSet: [{ cidr: "203.0.113.0/24", except: ["203.0.113.10/32"] }] },
);

/** Where these policies are. */
export const nameHomes = namespaceNames.slice(0, 2);

/** One or two policies with names; every one of them allows questions, or else no name would ever be learned. */
export const namePolicies: fc.Arbitrary<readonly LabObject[]> = fc
  .array(
    fc.record({
      namespace: fc.constantFrom(...nameHomes),
      // most of them select everybody: what is not selected stays open and shows little
      endpointSelector: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, selectorFrom(podLabelPair)),
      rules: fc.tuple(
        dnsRule,
        fc.array(nameRule, { minLength: 1, maxLength: 2 }),
        fc.array(otherRule, { maxLength: 1 }),
      ),
      denials: fc.array(denial, { maxLength: 1 }),
    }),
    { minLength: 1, maxLength: 2 },
  )
  .map((drafts) =>
    drafts.map(({ namespace, endpointSelector, rules: [dns, names, others], denials }, index) => ({
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: `names-${index}`, namespace },
      spec: {
        endpointSelector,
        egress: [dns, ...names, ...others],
        ...(denials.length > 0 ? { egressDeny: denials } : {}),
      },
    })),
  );
