/**
 * Small stacks with one hole each: one for every finding that stops an operation unless it is told otherwise. The objects
 * are such that a real API server takes them, since those of an absence are created before anybody can miss something.
 */
import type { ClusterSecurityGuardArgs } from "../../../policypack/guard";
import type { TestResource } from "../../../policypack/testing";

export interface Hole {
  /** The id of the finding. */
  readonly finding: string;
  readonly resources: readonly TestResource[];
  /** The logical name of the object that is stopped at its own registration; without one, something is absent. */
  readonly stopped?: string;
  /** The logical name of the resource at which the finding is shown. Default: `stopped`, else the stack. */
  readonly shownAt?: string;
  readonly args?: ClusterSecurityGuardArgs;
}

type Fields = Readonly<Record<string, unknown>>;

function object(apiVersion: string, kind: string, name: string, home: string | undefined, rest: Fields): TestResource {
  const labels = rest["labels"] === undefined ? {} : { labels: rest["labels"] };
  const { labels: _, ...fields } = rest;
  const token = apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`;
  const metadata = { name, ...(home === undefined ? {} : { namespace: home }), ...labels };
  return {
    type: `kubernetes:${token}:${kind}`,
    name: home === undefined ? name : `${home}-${name}`,
    props: { apiVersion, kind, metadata, ...fields },
  };
}

const namespace = (name: string, labels?: Fields): TestResource =>
  object("v1", "Namespace", name, undefined, labels === undefined ? {} : { labels });
const policy = (home: string, name: string, spec: Fields): TestResource =>
  object("networking.k8s.io/v1", "NetworkPolicy", name, home, { spec });
const ciliumPolicy = (home: string, name: string, spec: Fields): TestResource =>
  object("cilium.io/v2", "CiliumNetworkPolicy", name, home, { spec });
const clusterwide = (name: string, spec: Fields): TestResource =>
  object("cilium.io/v2", "CiliumClusterwideNetworkPolicy", name, undefined, { spec });
const defaultDeny = (home: string): TestResource =>
  policy(home, "default-deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const release = (name: string, version: string, values: Fields): TestResource => ({
  type: "kubernetes:helm.sh/v3:Release",
  name,
  props: { chart: "cilium", version, namespace: "kube-system", values },
});
const inNamespace = (name: string): Fields => ({ matchLabels: { "kubernetes.io/metadata.name": name } });

/** A policy of Calico's with a rule that Felix cannot write, where the dataplane is stated. */
function stopsFelix(finding: string, linuxDataplane: string, rule: Fields): Hole {
  const name = `hole-${linuxDataplane.toLowerCase()}`;
  const values = { installation: { calicoNetwork: { linuxDataplane } } };
  const props = { chart: "tigera-operator", version: "3.31.0", namespace: "kube-system", values };
  const spec = { selector: "app == 'api'", types: ["Ingress"], ingress: [{ action: "Allow", ...rule }] };
  return {
    finding,
    resources: [
      { type: "kubernetes:helm.sh/v3:Release", name: `${name}-installation`, props },
      object("projectcalico.org/v3", "GlobalNetworkPolicy", name, undefined, { spec }),
    ],
    stopped: name,
    args: { enforcer: "calico" },
  };
}

/** By finding, in the order in which the rules are listed. */
export const holes: readonly Hole[] = [
  {
    finding: "namespace-default-deny",
    resources: [namespace("hole-open")],
    shownAt: "hole-open",
  },
  {
    finding: "metadata-endpoints-closed",
    resources: [
      namespace("hole-metadata"),
      policy("hole-metadata", "allow-everywhere", {
        podSelector: { matchLabels: { app: "api" } },
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }],
      }),
      defaultDeny("hole-metadata"),
    ],
    stopped: "hole-metadata-allow-everywhere",
  },
  {
    finding: "enforcement-off",
    resources: [release("hole-enforcement", "1.18.5", { policyEnforcementMode: "never" })],
    stopped: "hole-enforcement",
  },
  {
    finding: "staged-only",
    resources: [
      {
        ...object("security.istio.io/v1", "AuthorizationPolicy", "allow-web", "hole-rehearsed", { spec: {} }),
        props: {
          apiVersion: "security.istio.io/v1",
          kind: "AuthorizationPolicy",
          metadata: {
            name: "allow-web",
            namespace: "hole-rehearsed",
            annotations: { "istio.io/dry-run": "true" },
          },
          spec: { rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/web"] } }] }] },
        },
      },
    ],
    stopped: "hole-rehearsed-allow-web",
  },
  {
    finding: "tier0-restricted",
    resources: [clusterwide("hole-tier0", { endpointSelector: {}, ingress: [{}], egress: [{}] })],
    stopped: "hole-tier0",
  },
  stopsFelix("icmp-code-stops-felix", "Nftables", { protocol: "ICMP", icmp: { type: 8, code: 0 } }),
  stopsFelix("two-protocols-stop-felix", "Iptables", { protocol: "TCP", notProtocol: "UDP" }),
  {
    finding: "not-understood",
    resources: [
      ciliumPolicy("hole-refused", "allow-web", {
        endpointSelector: {},
        ingress: [{ fromEndpoints: [{}], fromCIDR: ["10.0.0.0/8"] }],
      }),
    ],
    stopped: "hole-refused-allow-web",
  },
  {
    finding: "cross-tenant-path",
    resources: [
      namespace("hole-red", { "pulumi-cluster-security/tenant": "red" }),
      namespace("hole-blue", { "pulumi-cluster-security/tenant": "blue" }),
      policy("hole-red", "allow-to-blue", {
        podSelector: {},
        policyTypes: ["Egress"],
        egress: [{ to: [{ namespaceSelector: inNamespace("hole-blue") }] }],
      }),
      // the first half of a path opens nothing; this one is the second
      {
        ...policy("hole-blue", "allow-from-red", {
          podSelector: {},
          policyTypes: ["Ingress"],
          ingress: [{ from: [{ namespaceSelector: inNamespace("hole-red") }] }],
        }),
        dependencies: ["hole-red-allow-to-blue"],
      },
      defaultDeny("hole-red"),
      defaultDeny("hole-blue"),
    ],
    stopped: "hole-blue-allow-from-red",
  },
  {
    finding: "mtls-not-strict",
    resources: [
      namespace("hole-mesh", { "istio-injection": "enabled" }),
      object("security.istio.io/v1", "PeerAuthentication", "default", "hole-mesh", {
        spec: { mtls: { mode: "PERMISSIVE" } },
      }),
    ],
    stopped: "hole-mesh-default",
  },
  {
    finding: "enforcer-version",
    resources: [release("hole-version", "1.12.19", {})],
    stopped: "hole-version",
  },
  {
    finding: "chart-value-ignored",
    resources: [release("hole-values", "1.18.5", { encryption: { wireguard: { enabled: true } } })],
    stopped: "hole-values",
  },
  {
    finding: "fqdn-too-broad",
    resources: [
      ciliumPolicy("hole-names", "allow-names", {
        endpointSelector: {},
        egress: [{ toFQDNs: [{ matchPattern: "*" }] }],
      }),
    ],
    stopped: "hole-names-allow-names",
  },
  {
    finding: "peer-by-absence",
    resources: [
      object("v1", "ConfigMap", "cilium-config", "kube-system", {
        data: { "enable-policy": "default", "enable-k8s-cluster-network-policy": "true" },
      }),
      object("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "allow-others", undefined, {
        spec: {
          tier: "Admin",
          priority: 5,
          subject: { namespaces: inNamespace("hole-absence") },
          ingress: [
            {
              action: "Accept",
              from: [{ namespaces: { matchExpressions: [{ key: "team", operator: "NotIn", values: ["red"] }] } }],
            },
          ],
        },
      }),
    ],
    stopped: "allow-others",
  },
  {
    finding: "bypass-undocumented",
    resources: [
      policy("hole-bypass", "bypass-incident", { podSelector: { matchLabels: { app: "api" } }, ingress: [{}] }),
    ],
    stopped: "hole-bypass-bypass-incident",
  },
  {
    finding: "cluster-admin-binding",
    resources: [
      object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "hole-admin", undefined, {
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ kind: "ServiceAccount", name: "api", namespace: "shop" }],
      }),
    ],
    stopped: "hole-admin",
  },
  {
    finding: "exemption-overdue",
    resources: [namespace("hole-exempt"), defaultDeny("hole-exempt")],
    args: {
      exemptions: [
        {
          finding: "host-access",
          namespace: "hole-exempt",
          owner: "platform",
          reason: "is being moved",
          expires: "2020-01-01",
        },
      ],
    },
  },
];
