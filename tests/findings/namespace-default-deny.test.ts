import assert from "node:assert/strict";
import { assertShowable, findingsOf, violationsOf } from "./support";

const id = "namespace-default-deny";

const shop = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { team: shop } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: api, namespace: shop }
spec:
  selector: { matchLabels: { app: api } }
  template:
    metadata: { labels: { app: api } }
    spec: { containers: [ { name: api, ports: [ { containerPort: 8080 } ] } ] }
`;

const netpol = (name: string, spec: string): string => `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
`;

const cnp = (name: string, spec: string): string => `
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
`;

const ccnp = (name: string, spec: string): string => `
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: ${name} }
spec: ${spec}
`;

const deny = netpol("default-deny-all", "{ podSelector: {}, policyTypes: [Ingress, Egress] }");
const tierDeny = `{ endpointSelector: { matchExpressions: [ { key: "k8s:io.kubernetes.pod.namespace", operator: NotIn, values: [kube-system, flux-system, cilium, cilium-secrets] } ] }, enableDefaultDeny: { ingress: true, egress: true }, ingress: [ {} ], egress: [ {} ] }`;

/** Closed: text, documents. */
const good: [string, string][] = [
  ["a NetworkPolicy that closes both directions", shop + deny],
  [
    "two policies, one for each direction",
    shop +
      netpol("in", "{ podSelector: {}, policyTypes: [Ingress] }") +
      netpol("out", "{ podSelector: {}, policyTypes: [Egress] }"),
  ],
  [
    "a default deny with DNS to the pods of kube-dns",
    shop +
      deny +
      netpol(
        "allow-dns",
        `{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } }, podSelector: { matchLabels: { k8s-app: kube-dns } } } ], ports: [ { protocol: UDP, port: 53 }, { protocol: TCP, port: 53 } ] } ] }`,
      ),
  ],
  [
    "a default deny with a scraper that is named",
    shop +
      deny +
      netpol(
        "allow-metrics",
        `{ podSelector: {}, policyTypes: [Ingress], ingress: [ { from: [ { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: observability } } } ], ports: [ { port: 9090 } ] } ] }`,
      ),
  ],
  [
    "a default deny with an address range of its own",
    shop +
      deny +
      netpol(
        "allow-partner",
        `{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { ipBlock: { cidr: 52.94.0.0/16 } } ] } ] }`,
      ),
  ],
  [
    "CiliumNetworkPolicy with empty rules, which in Cilium allow nothing",
    shop + cnp("default-deny-all", "{ endpointSelector: {}, ingress: [ {} ], egress: [ {} ] }"),
  ],
  ["the clusterwide default deny of the tiers", shop + ccnp("default-deny-all", tierDeny)],
  [
    "the clusterwide default deny beside allows that isolate nothing",
    shop +
      ccnp("default-deny-all", tierDeny) +
      ccnp(
        "allow-dns-egress",
        `{ endpointSelector: {}, enableDefaultDeny: { egress: false }, egress: [ { toEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system, "k8s:k8s-app": kube-dns } } ], toPorts: [ { ports: [ { port: "53", protocol: UDP }, { port: "53", protocol: TCP } ], rules: { dns: [ { matchPattern: "*" } ] } } ] } ] }`,
      ) +
      ccnp(
        "allow-kube-api",
        `{ endpointSelector: {}, enableDefaultDeny: { egress: false }, egress: [ { toEntities: [ kube-apiserver ] } ] }`,
      ),
  ],
  [
    "a deny instead of a closed default",
    shop +
      ccnp(
        "deny-all",
        `{ endpointSelector: {}, ingressDeny: [ { fromEntities: [ all ] } ], egressDeny: [ { toEntities: [ all ] } ] }`,
      ),
  ],
];

/** Open: text, documents, what the message has to say. */
const bad: [string, string, RegExp][] = [
  ["no policy at all", shop, /ingress and egress/],
  ["only ingress closed", shop + netpol("in", "{ podSelector: {} }"), /no default deny for egress/],
  [
    "only egress closed",
    shop + netpol("out", "{ podSelector: {}, policyTypes: [Egress] }"),
    /no default deny for ingress/,
  ],
  [
    "a policy that selects some pods",
    shop + netpol("api", "{ podSelector: { matchLabels: { app: api } }, policyTypes: [Ingress, Egress] }"),
    /ingress and egress/,
  ],
  [
    "isolated and open: ingress [{}] of a NetworkPolicy",
    shop + deny + netpol("allow-all", "{ podSelector: {}, policyTypes: [Ingress], ingress: [ {} ] }"),
    /is reached from/,
  ],
  [
    "a port without peers",
    shop +
      deny +
      netpol(
        "dns",
        "{ podSelector: {}, policyTypes: [Egress], egress: [ { ports: [ { protocol: UDP, port: 53 } ] } ] }",
      ),
    /UDP 53/,
  ],
  [
    "the world by its two halves",
    shop +
      deny +
      netpol(
        "halves",
        `{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { ipBlock: { cidr: 0.0.0.0/1 } }, { ipBlock: { cidr: 128.0.0.0/1 } } ] } ] }`,
      ),
    /the internet \(IPv4\)/,
  ],
  [
    "the world over IPv6 only",
    shop +
      deny +
      netpol("v6", `{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { ipBlock: { cidr: "::/0" } } ] } ] }`),
    /the internet \(IPv6\)/,
  ],
  [
    "every namespace",
    shop +
      deny +
      netpol("ns", `{ podSelector: {}, policyTypes: [Ingress], ingress: [ { from: [ { namespaceSelector: {} } ] } ] }`),
    /pods of foreign namespaces/,
  ],
  [
    "CiliumNetworkPolicy that the agent refuses",
    shop + cnp("deny", "{ endpointSelector: {}, ingress: [], egress: [] }"),
    /ingress and egress/,
  ],
  [
    "toEntities world for the whole namespace",
    shop + cnp("deny", "{ endpointSelector: {}, ingress: [ {} ], egress: [ { toEntities: [ world ] } ] }"),
    /the internet on every/,
  ],
  [
    "a default deny that is switched off",
    shop +
      cnp(
        "deny",
        "{ endpointSelector: {}, enableDefaultDeny: { ingress: false, egress: false }, ingress: [ {} ], egress: [ {} ] }",
      ),
    /ingress and egress/,
  ],
  [
    "a clusterwide deny that leaves the namespace out",
    shop + ccnp("default-deny-all", tierDeny.replace("kube-system,", "kube-system, shop,")),
    /ingress and egress/,
  ],
  [
    "a policy of another namespace",
    shop + deny.replace("namespace: shop", "namespace: other"),
    /Namespace shop has no default deny/,
  ],
  [
    "other nodes",
    shop + cnp("deny", "{ endpointSelector: {}, ingress: [ { fromEntities: [ remote-node ] } ], egress: [ {} ] }"),
    /other nodes/,
  ],
];

describe("finding: namespace-default-deny", () => {
  for (const [title, yaml] of good) {
    it(`S0-01 S3-01 closed: ${title}`, () => {
      assert.deepEqual(
        violationsOf(id, yaml)
          .filter((finding) => finding.subject.name === "shop")
          .map((finding) => finding.message),
        [],
      );
    });
  }

  for (const [title, yaml, message] of bad) {
    it(`S0-01 S3-08 open: ${title}`, () => {
      const found = violationsOf(id, yaml).filter((finding) => finding.subject.name === "shop");
      assert.equal(found.length, 1, JSON.stringify(found.map((finding) => finding.message)));
      const finding = found[0];
      assert.ok(finding !== undefined);
      assertShowable(finding);
      assert.match(finding.message, message);
      assert.equal(finding.certainty, "definite");
      assert.equal(finding.severity, "critical");
      assert.equal(finding.subject.source?.urn, "urn:Namespace:shop");
    });
  }

  it("an exception for any one public address does not hide that the world is open", () => {
    for (const address of ["1.1.1.1/32", "93.184.216.34/32", "8.0.0.0/8"]) {
      const yaml =
        shop +
        deny +
        netpol(
          "x",
          `{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { ipBlock: { cidr: 0.0.0.0/0, except: [ ${address} ] } } ] } ] }`,
        );
      assert.equal(violationsOf(id, yaml).length, 1, address);
    }
  });

  it("names the rule that opens a namespace which has a default deny", () => {
    const yaml = shop + deny + netpol("allow-all", "{ podSelector: {}, policyTypes: [Ingress], ingress: [ {} ] }");
    const [finding] = violationsOf(id, yaml);
    assert.ok(
      finding?.because.some((reason) => /NetworkPolicy shop\/allow-all, spec\.ingress\[0\] allows it/.test(reason)),
      finding?.because.join(),
    );
    assert.ok(finding?.causes?.some((cause) => cause.urn === "urn:NetworkPolicy:allow-all"));
  });

  describe("says what is there where a policy opens what another one closes", () => {
    const openIn = netpol("allow-all", "{ podSelector: {}, policyTypes: [Ingress], ingress: [ {} ] }");
    const openOut = netpol("allow-out", "{ podSelector: {}, policyTypes: [Egress], egress: [ {} ] }");
    const inOnly = netpol("deny-in", "{ podSelector: {}, policyTypes: [Ingress] }");
    const dns = netpol(
      "any-dns",
      "{ podSelector: {}, policyTypes: [Egress], egress: [ { ports: [ { port: 53 } ] } ] }",
    );
    const opened = "has a default deny for ingress (NetworkPolicy shop/default-deny-all) that";
    const cases: [string, string, string][] = [
      ["one direction", deny + openIn, `${opened} NetworkPolicy shop/allow-all opens again: a new pod`],
      [
        "both directions",
        deny + openIn + openOut,
        `${opened} NetworkPolicy shop/allow-all opens again, and has a default deny for egress (NetworkPolicy shop/default-deny-all) that NetworkPolicy shop/allow-out opens again: a new pod`,
      ],
      [
        "one direction open again, nothing closes the other",
        inOnly + openIn,
        "has no default deny for egress, and has a default deny for ingress (NetworkPolicy shop/deny-in) that NetworkPolicy shop/allow-all opens again: a new pod",
      ],
      [
        "some ports",
        deny + dns,
        "has a default deny for egress (NetworkPolicy shop/default-deny-all) that NetworkPolicy shop/any-dns opens again: a new pod",
      ],
      ["the one that opens denies nothing", openIn, "has no default deny for ingress and egress: a new pod"],
      [
        "two that open are no deny for each other",
        openIn +
          openIn.replace("allow-all", "allow-more") +
          netpol("out", "{ podSelector: {}, policyTypes: [Egress] }"),
        "has no default deny for ingress: a new pod",
      ],
    ];
    for (const [title, yaml, says] of cases) {
      it(`S3-08 ${title}`, () => {
        const [finding] = violationsOf(id, shop + yaml);
        assert.ok(finding?.message.startsWith(`Namespace shop ${says}`), finding?.message);
      });
    }
  });

  it("S3-04 tier 0 is exempt and reported as exempt", () => {
    const yaml = shop.replaceAll("shop", "kube-system");
    assert.deepEqual(violationsOf(id, yaml), []);
    const [finding] = findingsOf(id, yaml);
    assert.ok(finding?.exempt === true && finding.severity === "info");
    assert.equal(violationsOf(id, yaml, { exemptNamespaces: [] }).length, 1);
  });

  it("S3-05 tier 1 may name the cluster for egress but not the world, and nothing for ingress", () => {
    const platform = shop.replaceAll("shop", "observability");
    const policy = (rule: string): string =>
      ccnp("default-deny-all", tierDeny) +
      ccnp(
        "tier1",
        `{ endpointSelector: { matchLabels: { "k8s:io.kubernetes.pod.namespace": observability } }, enableDefaultDeny: { ingress: false, egress: false }, ${rule} }`,
      );
    const clusterEgress = platform + policy("egress: [ { toEntities: [ cluster ] } ]");
    assert.deepEqual(violationsOf(id, clusterEgress), []);
    assert.ok(
      findingsOf(id, clusterEgress).some((finding) => finding.exempt === true && /is tier 1/.test(finding.message)),
    );
    assert.equal(violationsOf(id, platform + policy("egress: [ { toEntities: [ world ] } ]")).length, 1);
    assert.equal(violationsOf(id, platform + policy("ingress: [ { fromEntities: [ cluster ] } ]")).length, 1);
    assert.equal(violationsOf(id, clusterEgress, { platformNamespaces: [] }).length, 1);
    // without a default deny there is nothing to tolerate
    assert.equal(violationsOf(id, platform).length, 1);
  });
});
