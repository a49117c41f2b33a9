import { strict as assert } from "node:assert";
import { buildSnapshot, compile, hygiene, isClusterwide, isPolicy, readYaml } from "../../sdk/reachability/index";
import { evaluate } from "../../sdk/findings/index";

const base = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Namespace
metadata: { name: bank, labels: { team: bank } }
---
${["shop/web", "shop/api", "shop/open", "bank/web"].map(podOf).join("---\n")}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: default-deny, namespace: shop }
spec:
  podSelector: { matchExpressions: [{ key: app, operator: In, values: [web, api] }] }
  policyTypes: [Ingress, Egress]
`;

function podOf(id: string): string {
  const [namespace, name] = id.split("/");
  return `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }\nspec: { containers: [{ name: c, image: x }] }\n`;
}

/** What is said of a flow into each pod, from the open pod of shop: `shop/web`, `bank/web`. */
function verdicts(document: string): Record<string, string> {
  const { objects, problems } = readYaml(`${base}---\n${document}`);
  assert.deepEqual(problems, []);
  const reachability = compile(buildSnapshot(objects));
  const source = { kind: "workload" as const, id: "shop/open[Pod]" };
  const to = (id: string): string =>
    reachability.verdict({ source, destination: { kind: "workload", id: `${id}[Pod]` }, protocol: "TCP", port: 8080 });
  return { web: to("shop/web"), api: to("shop/api"), bank: to("bank/web") };
}

const closed = { web: "denied", api: "denied", bank: "allowed" };
const web = "podSelector: { matchLabels: { app: web } }";

describe("which kinds are policies (S1-05)", () => {
  const named = (apiVersion: string, kind: string, spec: string, metadata = "name: x, namespace: shop"): string =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { ${metadata} }\nspec: { ${spec} }\n`;

  const harmless: readonly (readonly [apiVersion: string, kind: string])[] = [
    ["cilium.io/v1alpha1", "TracingPolicy"],
    ["cilium.io/v1alpha1", "TracingPolicyNamespaced"],
    ["cilium.io/v2", "CiliumEgressGatewayPolicy"],
    ["policy/v1beta1", "PodSecurityPolicy"],
    ["extensions/v1beta1", "PodSecurityPolicy"],
    ["policy/v1", "PodDisruptionBudget"],
    ["policy.linkerd.io/v1alpha1", "HTTPLocalRateLimitPolicy"],
    ["kyverno.io/v1", "ClusterPolicy"],
    ["kyverno.io/v1", "Policy"],
    ["kguardian.dev/v1alpha1", "AuditNetworkPolicy"],
    ["kguardian.dev/v1alpha1", "AuditClusterNetworkPolicy"],
    ["policies.kyverno.io/v1", "ValidatingPolicy"],
    ["admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"],
    ["admissionregistration.k8s.io/v1beta1", "MutatingAdmissionPolicy"],
    ["gateway.networking.k8s.io/v1", "BackendTLSPolicy"],
    ["gateway.networking.x-k8s.io/v1alpha1", "XBackendTrafficPolicy"],
    ["gateway.envoyproxy.io/v1alpha1", "SecurityPolicy"],
    ["gateway.envoyproxy.io/v1alpha1", "ClientTrafficPolicy"],
    ["networking.gke.io/v1", "GCPBackendPolicy"],
    ["networking.gke.io/v1", "HealthCheckPolicy"],
    ["kuadrant.io/v1", "AuthPolicy"],
    ["application-networking.k8s.aws/v1alpha1", "IAMAuthPolicy"],
    ["policies.kubewarden.io/v1", "ClusterAdmissionPolicy"],
    ["constraints.gatekeeper.sh/v1beta1", "K8sRequireNetworkPolicy"],
    ["k8s.nginx.org/v1", "Policy"],
    ["apiextensions.k8s.io/v1", "CustomResourceDefinition"],
    ["audit.k8s.io/v1", "Policy"],
    ["image.toolkit.fluxcd.io/v1beta2", "ImagePolicy"],
    ["k8s.ovn.org/v1", "EgressIP"],
    ["k8s.ovn.org/v1", "AdminPolicyBasedExternalRoute"],
    ["longhorn.io/v1beta2", "RecurringJob"],
  ];
  for (const [apiVersion, kind] of harmless) {
    it(`a ${kind} of ${apiVersion} is none, and makes nothing unknown`, () => {
      assert.equal(isPolicy(apiVersion, kind), false);
      assert.deepEqual(verdicts(named(apiVersion, kind, web)), closed);
    });
  }

  // the source of what is asked lies in shop itself
  const all = { web: "unknown", api: "unknown", bank: "unknown" };
  const onlyWeb = { web: "unknown", api: "denied", bank: "allowed" };
  const unread: readonly { title: string; document: string; expected: Record<string, string> }[] = [
    {
      title: "Antrea's policy for one label, in any namespace",
      document: named(
        "crd.antrea.io/v1beta1",
        "ClusterNetworkPolicy",
        `priority: 1, appliedTo: [{ ${web} }]`,
        "name: x",
      ),
      expected: { web: "unknown", api: "denied", bank: "unknown" },
    },
    {
      title: "Antrea's policy that says in its rules whom they are about",
      document: named("crd.antrea.io/v1beta1", "NetworkPolicy", `ingress: [{ action: Drop, appliedTo: [{ ${web} }] }]`),
      expected: onlyWeb,
    },
    {
      title: "Antrea's policy for a group",
      document: named("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", "appliedTo: [{ group: g }]", "name: x"),
      expected: { web: "unknown", api: "unknown", bank: "unknown" },
    },
    {
      title: "Antrea's policy for namespaces by label",
      document: named(
        "crd.antrea.io/v1beta1",
        "ClusterNetworkPolicy",
        "appliedTo: [{ namespaceSelector: { matchLabels: { team: bank } } }]",
        "name: x",
      ),
      // the other end of what is asked lies in shop
      expected: { web: "denied", api: "denied", bank: "unknown" },
    },
    {
      title: "NSX' policy",
      document: named("crd.nsx.vmware.com/v1alpha1", "SecurityPolicy", `appliedTo: [{ ${web} }]`),
      expected: onlyWeb,
    },
    {
      title: "NSX' policy for virtual machines",
      document: named("crd.nsx.vmware.com/v1alpha1", "SecurityPolicy", "appliedTo: [{ vmSelector: {} }]"),
      expected: closed,
    },
    {
      title: "AWS' policy",
      document: named("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", web),
      expected: onlyWeb,
    },
    {
      title: "security groups for pods",
      document: named(
        "vpcresources.k8s.aws/v1beta1",
        "SecurityGroupPolicy",
        `${web}, securityGroups: { groupIds: [sg-1] }`,
      ),
      expected: onlyWeb,
    },
    {
      title: "a policy of a group that nobody knows, named like one",
      document: named("example.com/v1", "FancyNetworkPolicy", web),
      expected: onlyWeb,
    },
    {
      title: "a NetworkPolicy of a version that is not served",
      document: named("extensions/v1beta1", "NetworkPolicy", web),
      expected: onlyWeb,
    },
    {
      title: "a MultiNetworkPolicy that does not say for which attachment",
      document: named("k8s.cni.cncf.io/v1beta1", "MultiNetworkPolicy", web),
      expected: onlyWeb,
    },
    {
      title: "a MultiNetworkPolicy for an attachment of its own",
      document: named(
        "k8s.cni.cncf.io/v1beta2",
        "MultiNetworkPolicy",
        web,
        "name: x, namespace: shop, annotations: { k8s.v1.cni.cncf.io/policy-for: vlan }",
      ),
      expected: closed,
    },
    {
      title: "a primary network of a namespace, which closes and never opens",
      document: named(
        "k8s.ovn.org/v1",
        "UserDefinedNetwork",
        "topology: Layer2, layer2: { role: Primary }",
        "name: x, namespace: bank",
      ),
      expected: { web: "denied", api: "denied", bank: "unknown" },
    },
    {
      title: "a secondary network of a namespace",
      document: named(
        "k8s.ovn.org/v1",
        "UserDefinedNetwork",
        "topology: Layer2, layer2: { role: Secondary }",
        "name: x, namespace: bank",
      ),
      expected: closed,
    },
    {
      title: "a network of several namespaces",
      document: named(
        "k8s.ovn.org/v1",
        "ClusterUserDefinedNetwork",
        "namespaceSelector: { matchLabels: { team: bank } }, network: { topology: Layer3, layer3: { role: Primary } }",
        "name: x",
      ),
      expected: { web: "denied", api: "denied", bank: "unknown" },
    },
    {
      title: "OVN's firewall of a namespace, which only closes what leaves it",
      document: named("k8s.ovn.org/v1", "EgressFirewall", "egress: []", "name: default, namespace: bank"),
      expected: closed,
    },
    {
      title: "OVN's firewall of the source's namespace",
      document: named("k8s.ovn.org/v1", "EgressFirewall", "egress: []", "name: default, namespace: shop"),
      expected: { web: "denied", api: "denied", bank: "unknown" },
    },
    {
      title: "Linkerd's server, which only closes",
      document: named("policy.linkerd.io/v1beta3", "Server", `${web}, port: 8080`, "name: x, namespace: bank"),
      expected: { web: "denied", api: "denied", bank: "unknown" },
    },
    {
      title: "Kuma's permission",
      document: named(
        "kuma.io/v1alpha1",
        "MeshTrafficPermission",
        "targetRef: { kind: MeshSubset, tags: { app: web, k8s.kuma.io/namespace: bank } }",
        "name: x, namespace: kuma-system",
      ),
      expected: { web: "denied", api: "denied", bank: "unknown" },
    },
    {
      title: "Consul's intentions of another namespace",
      document: named("consul.hashicorp.com/v1alpha1", "ServiceIntentions", "destination: { name: web }"),
      expected: closed,
    },
    {
      title: "a firewall of nodes",
      document: named(
        "ingressnodefirewall.openshift.io/v1alpha1",
        "IngressNodeFirewall",
        "nodeSelector: {}",
        "name: x",
      ),
      expected: closed,
    },
    {
      title: "a policy whose selector cannot be read",
      document: named("example.com/v1", "FancyNetworkPolicy", "podSelector: [1]"),
      expected: all,
    },
    {
      title: "a policy without a selector",
      document: named("example.com/v1", "FancyNetworkPolicy", "x: y"),
      expected: all,
    },
  ];
  for (const { title, document, expected } of unread) {
    it(`${title} makes unknown only what it can change`, () => {
      assert.deepEqual(verdicts(document), expected);
    });
  }

  it("a policy that is not read is named once, and nothing is said of its rules", () => {
    const antrea = named(
      "crd.antrea.io/v1beta1",
      "NetworkPolicy",
      `appliedTo: [{ ${web} }]`,
      "name: allow-x, namespace: shop",
    );
    const reachability = compile(buildSnapshot(readYaml(`${base}---\n${antrea}`).objects));
    assert.equal(reachability.snapshot.problems.length, 1);
    const about = [...evaluate(reachability)].filter(({ message }) => message.includes("NetworkPolicy shop/allow-x"));
    assert.deepEqual(
      about.map(({ id }) => id),
      ["not-understood"],
    );
    assert.deepEqual([...hygiene(reachability)], []);
  });

  it("what lies in no namespace is known by group and kind", () => {
    assert.ok(isClusterwide("crd.antrea.io/v1beta1", "ClusterNetworkPolicy"));
    assert.ok(isClusterwide("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"));
    assert.ok(isClusterwide("external-secrets.io/v1", "ClusterSecretStore"));
    assert.ok(!isClusterwide("postgresql.cnpg.io/v1", "Cluster"));
    assert.ok(!isClusterwide("operators.coreos.com/v1alpha1", "ClusterServiceVersion"));
    assert.ok(!isClusterwide("cilium.io/v2", "CiliumNetworkPolicy"));
  });
});
