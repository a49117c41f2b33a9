/** Small tables that a reader can check against the API's text, for the dialects that no measured data covers. */
import assert from "node:assert/strict";
import { adminNetworkPolicyAllows } from "./admin-network-policy";
import { blockContains, cidrContains } from "./addresses";
import { calicoAllows } from "./calico";
import { calicoSelectorMatches } from "./calico-selector";
import { clusterNetworkPolicyAllows } from "./cluster-network-policy";
import type { OracleCluster, OracleFlow, OraclePod, Party, PolicyObject } from "./cluster";
import { meshAllows } from "./istio";

const podOf = (namespace: string, name: string, labels: Record<string, string>, address: string): OraclePod => ({
  namespace,
  name,
  labels,
  serviceAccount: name,
  hostNetwork: false,
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  addresses: [address],
});
const client = podOf("a", "client", { app: "client" }, "10.1.0.1");
const server = podOf("b", "server", { app: "server" }, "10.2.0.1");
const cluster: OracleCluster = {
  namespaces: [
    { name: "a", labels: { team: "x" } },
    { name: "b", labels: { team: "y" } },
  ],
  pods: [client, server],
};
const pod = (one: OraclePod): Party => ({ kind: "pod", pod: one });
const flow = (port = 80, source: Party = pod(client), destination: Party = pod(server)): OracleFlow => ({
  source,
  destination,
  protocol: "TCP",
  port,
});
const world: Party = { kind: "address", address: "203.0.113.7" };

describe("oracle: CIDR arithmetic", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["0.0.0.0/0", "169.254.169.254", true],
    ["::/0", "169.254.169.254", false],
    ["::/0", "::ffff:169.254.169.254", true],
    ["64:ff9b::/96", "64:ff9b::a9fe:a9fe", true],
    ["64:ff9b::169.254.169.254/128", "64:ff9b::a9fe:a9fe", true],
    ["128.0.0.0/1", "127.255.255.255", false],
    ["128.0.0.0/1", "128.0.0.0", true],
    ["168.0.0.0/6", "171.255.255.255", true],
    ["168.0.0.0/6", "172.0.0.0", false],
    ["10.1.2.3", "10.1.2.3", true],
    ["fd00:ec2::/32", "fd00:ec2:ffff::", true],
  ];
  for (const [cidr, address, expected] of table) {
    it(`${address} ${expected ? "lies" : "does not lie"} in ${cidr}`, () =>
      assert.equal(cidrContains(cidr, address), expected));
  }
  it("an exception is not matched by its block", () =>
    assert.equal(blockContains("0.0.0.0/0", ["169.254.0.0/16"], "169.254.169.254"), false));
});

describe("oracle: Calico selectors", () => {
  const labels = { app: "web", "projectcalico.org/namespace": "a" };
  const table: readonly (readonly [string, boolean])[] = [
    ["", true],
    ["all()", true],
    ["app == 'web'", true],
    ['app == "db"', false],
    ["role != 'x'", true],
    ["role not in {'x', 'y'}", true],
    ["app in { 'web', 'db' }", true],
    ["has(role)", false],
    ["!has(role)", true],
    ["app contains 'e'", true],
    ["app starts with 'we' && app ends with 'b'", true],
    ["has(role) || app == 'web' && has(role)", false],
    ["(has(role) || app == 'web') && !has(role)", true],
    ["! (app == 'web')", false],
    ["global()", false],
  ];
  for (const [text, expected] of table) {
    it(`${text || "the empty selector"} is ${expected}`, () =>
      assert.equal(calicoSelectorMatches(text, { labels, all: true, global: false }), expected));
  }
});

describe("oracle: Calico tiers", () => {
  const apiVersion = "projectcalico.org/v3";
  const global = (name: string, spec: unknown, kind = "GlobalNetworkPolicy"): PolicyObject => ({
    apiVersion,
    kind,
    metadata: { name },
    spec,
  });
  const tier = (name: string, order: number, defaultAction?: string): PolicyObject => ({
    apiVersion,
    kind: "Tier",
    metadata: { name },
    spec: { order, defaultAction },
  });
  const np = (spec: unknown): PolicyObject => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "np", namespace: "b" },
    spec,
  });
  const table: readonly (readonly [string, PolicyObject[], OracleFlow, boolean])[] = [
    ["no policy: the profile allows", [], flow(), true],
    [
      "a policy without rules denies ingress only",
      [global("p", { selector: "all()" })],
      flow(80, pod(client), world),
      true,
    ],
    ["a policy without rules denies ingress", [global("p", { selector: "all()" })], flow(), false],
    ["Pass in the last tier falls to the profile", [global("p", { ingress: [{ action: "Pass" }] })], flow(), true],
    [
      "Log goes on to the next rule",
      [global("p", { ingress: [{ action: "Log" }, { action: "Allow" }] })],
      flow(),
      true,
    ],
    [
      "a lower order comes first",
      [
        global("p", { order: 2, ingress: [{ action: "Deny" }] }),
        global("q", { order: 1, ingress: [{ action: "Allow" }] }),
      ],
      flow(),
      true,
    ],
    [
      "a custom tier denies at its end",
      [tier("t", 5), global("p", { tier: "t", ingress: [{ action: "Allow", protocol: "UDP" }] })],
      flow(),
      false,
    ],
    [
      "unless its default action is Pass",
      [tier("t", 5, "Pass"), global("p", { tier: "t", ingress: [{ action: "Allow", protocol: "UDP" }] })],
      flow(),
      true,
    ],
    [
      "a staged policy does nothing",
      [global("p", { ingress: [{ action: "Deny" }], types: ["Ingress"] }, "StagedGlobalNetworkPolicy")],
      flow(),
      true,
    ],
    [
      "a tier with staged policies only does not end",
      [tier("t", 5), global("p", { tier: "t" }, "StagedGlobalNetworkPolicy")],
      flow(),
      true,
    ],
    ["NetworkPolicy stands in the default tier", [np({ podSelector: {} })], flow(), false],
    [
      "an earlier Allow of the default tier overrides it",
      [np({ podSelector: {} }), global("p", { order: 10, ingress: [{ action: "Allow" }] })],
      flow(),
      true,
    ],
    [
      "notSelector matches the world too",
      [global("p", { ingress: [{ action: "Deny", source: { notSelector: "app == 'client'" } }, { action: "Allow" }] })],
      flow(80, world),
      false,
    ],
    [
      "a negated selector is about known endpoints",
      [global("p", { ingress: [{ action: "Deny", source: { selector: "app != 'client'" } }, { action: "Allow" }] })],
      flow(80, world),
      true,
    ],
    [
      "notNets matches pods by address",
      [global("p", { ingress: [{ action: "Allow", source: { notNets: ["10.0.0.0/8"] } }] })],
      flow(),
      false,
    ],
    [
      "notPorts",
      [global("p", { ingress: [{ action: "Allow", protocol: "TCP", destination: { notPorts: ["79:81"] } }] })],
      flow(80),
      false,
    ],
    [
      "a named port is the destination's",
      [global("p", { ingress: [{ action: "Allow", protocol: "TCP", destination: { ports: ["http"] } }] })],
      flow(8080),
      true,
    ],
    [
      "a network set gives its labels to addresses",
      [
        global("set", { nets: ["203.0.113.0/24"] }, "GlobalNetworkSet"),
        global("p", { ingress: [{ action: "Allow", source: { namespaceSelector: "global()" } }] }),
      ],
      flow(80, world),
      true,
    ],
    [
      "all() as namespaceSelector is about pods",
      [global("p", { ingress: [{ action: "Allow", source: { namespaceSelector: "all()" } }] })],
      flow(80, world),
      false,
    ],
    [
      "the own node always arrives",
      [global("p", { ingress: [{ action: "Deny" }] })],
      flow(80, { kind: "node", where: "local" }),
      true,
    ],
  ];
  for (const [title, objects, asked, expected] of table)
    it(title, () => assert.equal(calicoAllows(cluster, objects, asked), expected));
});

describe("oracle: tiers around NetworkPolicy", () => {
  const knp = (tier: string, priority: number, action: string, extra: object = {}): PolicyObject => ({
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name: `${tier}-${priority}` },
    spec: { tier, priority, subject: { namespaces: {} }, ingress: [{ action, from: [{ namespaces: {} }], ...extra }] },
  });
  const np = (spec: unknown): PolicyObject => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "np", namespace: "b" },
    spec,
  });
  const deny = np({ podSelector: {} });
  const allow = np({ podSelector: {}, ingress: [{}] });
  const table: readonly (readonly [string, PolicyObject[], boolean])[] = [
    ["an Admin Deny beats a NetworkPolicy", [knp("Admin", 1, "Deny"), allow], false],
    ["an Admin Accept beats a default deny", [knp("Admin", 1, "Accept"), deny], true],
    ["Pass skips the rest of its tier", [knp("Admin", 1, "Pass"), knp("Admin", 2, "Deny"), allow], true],
    ["a lower priority value comes first", [knp("Admin", 3, "Deny"), knp("Admin", 2, "Accept")], true],
    ["a Baseline Deny holds where no NetworkPolicy selects", [knp("Baseline", 1, "Deny")], false],
    ["NetworkPolicy is final for the pods it selects", [knp("Baseline", 1, "Accept"), deny], false],
    [
      "a rule is about its ports only",
      [knp("Admin", 1, "Deny", { protocols: [{ tcp: { destinationPort: { number: 81 } } }] })],
      true,
    ],
    [
      "a range holds its ends",
      [knp("Admin", 1, "Deny", { protocols: [{ tcp: { destinationPort: { range: { start: 79, end: 80 } } } }] })],
      false,
    ],
  ];
  for (const [title, policies, expected] of table) {
    it(`ClusterNetworkPolicy: ${title}`, () =>
      assert.equal(clusterNetworkPolicyAllows(cluster, policies, flow(), { cidrMatchesPods: true }), expected));
  }
  const admin = (kind: string, action: string, priority?: number): PolicyObject => ({
    apiVersion: "policy.networking.k8s.io/v1alpha1",
    kind,
    metadata: { name: kind === "AdminNetworkPolicy" ? `p${priority}` : "default" },
    spec: {
      ...(priority === undefined ? {} : { priority }),
      subject: { namespaces: {} },
      ingress: [{ action, from: [{ namespaces: {} }] }],
    },
  });
  const adminTable: readonly (readonly [string, PolicyObject[], boolean])[] = [
    ["Deny beats a NetworkPolicy", [admin("AdminNetworkPolicy", "Deny", 1), allow], false],
    ["Allow beats a default deny", [admin("AdminNetworkPolicy", "Allow", 1), deny], true],
    [
      "Pass leads past other AdminNetworkPolicies",
      [admin("AdminNetworkPolicy", "Pass", 1), admin("AdminNetworkPolicy", "Deny", 2), allow],
      true,
    ],
    ["the baseline denies where no NetworkPolicy selects", [admin("BaselineAdminNetworkPolicy", "Deny")], false],
    ["and not where one does", [admin("BaselineAdminNetworkPolicy", "Deny"), allow], true],
  ];
  for (const [title, policies, expected] of adminTable) {
    it(`AdminNetworkPolicy: ${title}`, () =>
      assert.equal(adminNetworkPolicyAllows(cluster, policies, flow(), { cidrMatchesPods: true }), expected));
  }
});

describe("oracle: Istio", () => {
  const meshOf = (...names: string[]): OracleCluster => ({
    ...cluster,
    namespaces: cluster.namespaces.map((one) =>
      names.includes(one.name) ? { ...one, labels: { "istio-injection": "enabled" } } : one,
    ),
  });
  const both = meshOf("a", "b");
  const serverOnly = meshOf("b");
  const policy = (spec: unknown, namespace = "b"): PolicyObject => ({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "p", namespace },
    spec,
  });
  const peers = (mode: string, extra: object = {}, namespace = "b"): PolicyObject => ({
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { name: "q", namespace },
    spec: { mtls: { mode }, ...extra },
  });
  const fromClient = { from: [{ source: { principals: ["cluster.local/ns/a/sa/client"] } }] };
  const table: readonly (readonly [string, OracleCluster, PolicyObject[], OracleFlow, boolean])[] = [
    ["no policy", both, [], flow(), true],
    ["an empty spec allows nothing", both, [policy({})], flow(), false],
    ["an empty rule matches all", both, [policy({ rules: [{}] })], flow(), true],
    ["DENY with an empty rule denies all", both, [policy({ action: "DENY", rules: [{}] })], flow(), false],
    ["DENY without rules never matches", both, [policy({ action: "DENY" })], flow(), true],
    ["an ALLOW that matches", both, [policy({ rules: [fromClient] })], flow(), true],
    ["a principal needs mutual TLS", serverOnly, [policy({ rules: [fromClient] })], flow(), false],
    [
      "notPrincipals holds without mutual TLS",
      serverOnly,
      [policy({ action: "DENY", rules: [{ from: [{ source: { notPrincipals: ["*"] } }] }] })],
      flow(),
      false,
    ],
    [
      "DENY comes before ALLOW",
      both,
      [policy({ rules: [{}] }), policy({ action: "DENY", rules: [fromClient] })],
      flow(),
      false,
    ],
    ["AUDIT changes nothing", both, [policy({ action: "AUDIT", rules: [{}] })], flow(), true],
    ["a policy of the root namespace holds everywhere", both, [policy({}, "istio-system")], flow(), false],
    ["a policy of another namespace does not", both, [policy({}, "a")], flow(), true],
    ["ports", both, [policy({ rules: [{ to: [{ operation: { ports: ["81"] } }] }] })], flow(), false],
    [
      "a service account of the policy's own namespace",
      both,
      [policy({ rules: [{ from: [{ source: { serviceAccounts: ["client"] } }] }] })],
      flow(),
      false,
    ],
    [
      "a service account with its namespace",
      both,
      [policy({ rules: [{ from: [{ source: { serviceAccounts: ["a/client"] } }] }] })],
      flow(),
      true,
    ],
    ["STRICT keeps plain text out", serverOnly, [peers("STRICT")], flow(), false],
    ["STRICT lets the mesh in", both, [peers("STRICT")], flow(), true],
    [
      "a port's mode wins",
      serverOnly,
      [
        peers("STRICT", {
          selector: { matchLabels: { app: "server" } },
          portLevelMtls: { "80": { mode: "PERMISSIVE" } },
        }),
      ],
      flow(),
      true,
    ],
    [
      "the namespace's mode wins over the mesh's",
      serverOnly,
      [peers("STRICT", {}, "istio-system"), peers("PERMISSIVE")],
      flow(),
      true,
    ],
    ["outside of the mesh nothing holds", cluster, [policy({}), peers("STRICT")], flow(), true],
  ];
  for (const [title, where, policies, asked, expected] of table)
    it(title, () => assert.equal(meshAllows(where, policies, asked), expected));
});
