/** Calico's grammar of selectors and what its API refuses, to the letter: what is right is read, what is refused is said so. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { buildSnapshot, compile, profileFor, type KubeObject, type Problem } from "../../sdk/reachability";
import { endpointKey, parseCalicoSelector, SelectorError } from "../../sdk/reachability/model/selectors/calico";
import { evaluate } from "../../sdk/reachability/model/selectors/conditions";
import { YES } from "../../sdk/reachability/model/unknown";

const labels: Readonly<Record<string, string>> = { app: "web", tier: "front", in: "x", has: "y", "a.b/c-d_e": "z" };

function selects(text: string): boolean {
  const where = parseCalicoSelector(text, endpointKey);
  return (
    evaluate(where, (field, key) =>
      field === "label" ? labels[key] : field === "serviceAccount" ? "sa" : undefined,
    ) === YES
  );
}

describe("Calico's selectors", () => {
  const right: readonly (readonly [string, boolean])[] = [
    ["", true],
    [" \t ", true],
    ["app=='web'", true],
    ["app in{'web'}", true],
    ["app notin {'web'}", false],
    ["app not\tin {'db'}", true],
    ["app notin{'db',}", true],
    ["app in {}", false],
    ["app not in {}", true],
    ["app startswith 'we'", true],
    ["app starts \t with 'we'", true],
    ["app endswith 'eb'", true],
    ["app ends with'x'", false],
    ["app contains'e'", true],
    ["in in {'x'}", true],
    ["has == 'y'", true],
    ["contains == 'x'", false],
    ['a.b/c-d_e == "z"', true],
    ["has( app )", true],
    ["!!has(app)", true],
    ["! ! !has(app)", false],
    ["all( )", true],
    ["!all()", false],
    ["((app == 'web'))&&(!has(nobody)||all())", true],
    [`${"(".repeat(300)}has(app)${")".repeat(300)}`, true],
    ['app == "it\'s"', false],
    ["projectcalico.org/orchestrator == 'k8s'", true],
    ["app == 'web' || broken == 'x' && has(nobody)", true],
  ];
  for (const [text, expected] of right) {
    it(`${JSON.stringify(text.slice(0, 60))} is ${String(expected)}`, () => assert.equal(selects(text), expected));
  }

  const wrong = [
    "app == 'web'\n",
    "app == 'web' \n",
    "app\r== 'web'",
    "app ==\u00a0'web'",
    "\ufeffapp == 'web'",
    "\n",
    "has (app)",
    "all ()",
    "global ()",
    "has()",
    "has('app')",
    "has(app, tier)",
    "has(app",
    "app",
    "app = 'web'",
    "app == web",
    "app == 'web",
    "app in 'web'",
    "app in {'web' 'db'}",
    "app in {,}",
    "app in {'web'",
    "app not {'web'}",
    "app not in{web}",
    "app startsWith 'w'",
    "app notinn {'web'}",
    "app has(tier)",
    "app == 'web' &",
    "app == 'web' &&",
    "app == 'web' tier == 'front'",
    "(app == 'web'",
    "app == 'web')",
    "!",
    "app$ == 'x'",
    `${"a".repeat(513)} == 'x'`,
    "äpp == 'x'",
  ];
  for (const text of wrong) {
    it(`${JSON.stringify(text.slice(0, 60))} is refused`, () => assert.throws(() => selects(text), SelectorError));
  }
});

const pods: readonly KubeObject[] = ["web", "db"].map((name) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: name } },
  spec: { containers: [{ name: "c", image: "c", ports: [{ name: "dns", containerPort: 53, protocol: "UDP" }] }] },
  status: { podIP: name === "web" ? "10.0.0.1" : "10.0.0.2" },
}));

function read(kind: string, spec: string, version = "3.32", others: readonly KubeObject[] = []) {
  const namespace = kind === "NetworkPolicy" ? { namespace: "shop" } : {};
  const policy = {
    apiVersion: "projectcalico.org/v3",
    kind,
    metadata: { name: "p", ...namespace },
    spec: load(spec) as Record<string, unknown>,
  };
  return buildSnapshot(
    [...pods, ...others, policy].map((object) => ({ object })),
    { profile: profileFor(`calico@${version}`) },
  );
}

const refusals = (problems: readonly Problem[]): readonly Problem[] =>
  problems.filter(({ code, affectsVerdicts }) => code === "invalid-value" && affectsVerdicts);

const ingress = (rule: string, kind = "GlobalNetworkPolicy"): [string, string] => [kind, `{ ingress: [ ${rule} ] }`];
const egress = (rule: string, kind = "GlobalNetworkPolicy"): [string, string] => [
  kind,
  `{ types: [ Egress ], egress: [ ${rule} ] }`,
];

describe("what Calico's API refuses", () => {
  const refused: readonly (readonly [kind: string, spec: string, version?: string])[] = [
    ["GlobalNetworkPolicy", "{ selector: global() }"],
    ["GlobalNetworkPolicy", "{ namespaceSelector: global() }"],
    ["NetworkPolicy", '{ serviceAccountSelector: "global() && has(a)" }'],
    ["NetworkPolicy", "{ types: [ Ingress, Ingress ] }"],
    ["NetworkPolicy", "{ selector: \"app == 'web'\\n\" }"],
    ["GlobalNetworkPolicy", "{ preDNAT: true }"],
    ["GlobalNetworkPolicy", "{ applyOnForward: true, preDNAT: true, doNotTrack: true }"],
    ["GlobalNetworkPolicy", "{ applyOnForward: true, preDNAT: true, egress: [ { action: Allow } ] }"],
    ingress("{ action: Allow, source: { selector: global() } }"),
    ingress('{ action: Allow, source: { namespaceSelector: "global() || has(a)" } }'),
    ingress('{ action: Allow, source: { namespaceSelector: "!global()" } }'),
    ingress("{ action: Log, source: { selector: global() } }"),
    ingress("{ action: Allow, source: { nets: [ 10.0.0.0/8, 'fd00::/8' ] } }"),
    ingress("{ action: Allow, source: { nets: [ 10.0.0.0/8 ] }, destination: { notNets: [ 'fd00::/8' ] } }"),
    ingress("{ action: Allow, ipVersion: 4, source: { nets: [ 'fd00::/8' ] } }"),
    ingress("{ action: Deny, source: { notNets: [ 0.0.0.0/0 ] } }"),
    ingress("{ action: Deny, source: { notNets: [ '::/0' ] } }"),
    ingress("{ action: Allow, source: { nets: [ 10.0.0.1 ] } }"),
    ingress("{ action: Allow, source: { nets: [ 10.0.0.1/8 ] } }"),
    ingress("{ action: Allow, icmp: { type: 8 } }"),
    ingress("{ action: Allow, protocol: TCP, icmp: { type: 8 } }"),
    ingress("{ action: Allow, protocol: ICMP, icmp: { type: 255 } }"),
    ingress("{ action: Allow, protocol: ICMP, icmp: { code: 1 } }"),
    ingress("{ action: Allow, protocol: ICMP, ipVersion: 6 }"),
    ingress("{ action: Allow, notProtocol: ICMPv6, ipVersion: 4 }"),
    ingress("{ action: Deny, protocol: TCP, http: { methods: [ GET ] } }"),
    ingress("{ action: Allow, protocol: UDP, http: { methods: [ GET ] } }"),
    ingress("{ action: Allow, protocol: TCP, http: { paths: [ { exact: /a, prefix: /b } ] } }"),
    egress("{ action: Allow, protocol: TCP, http: { methods: [ GET ] } }"),
    ingress("{ action: Allow, source: { ports: [ 80 ] } }"),
    ingress("{ action: Allow, protocol: ICMP, source: { ports: [ 80 ] } }"),
    ingress("{ action: Allow, protocol: UDPLite, destination: { ports: [ 80 ] } }"),
    ingress("{ action: Allow, destination: { ports: [ http, 80 ] } }"),
    [...ingress("{ action: Allow, destination: { ports: [ http ] } }"), "3.31"],
    ingress("{ action: Allow, protocol: TCP, destination: { ports: [ 0 ] } }"),
    ingress("{ action: Allow, protocol: TCP, destination: { ports: [ '90:80' ] } }"),
    ingress("{ action: Allow, protocol: TCP, destination: { ports: [ 'no_port!' ] } }"),
    ingress("{ action: Allow, protocol: tcp }"),
    ingress("{ action: allow }"),
    egress("{ action: Allow, destination: { services: { name: s, namespace: n }, selector: all() } }"),
    egress("{ action: Allow, destination: { services: { name: s, namespace: n }, nets: [ 10.0.0.0/8 ] } }"),
    egress("{ action: Allow, destination: { services: { name: s, namespace: n }, namespaceSelector: all() } }"),
    egress("{ action: Allow, destination: { services: { name: s, namespace: n }, serviceAccounts: {} } }"),
    egress("{ action: Allow, protocol: TCP, destination: { services: { name: s, namespace: n }, ports: [ 80 ] } }"),
    egress("{ action: Allow, destination: { services: { name: s } } }"),
    egress("{ action: Allow, source: { services: { name: s, namespace: n } } }"),
    ingress("{ action: Allow, destination: { services: { name: s, namespace: n } } }"),
    egress("{ action: Allow, destination: { services: { namespace: n } } }", "NetworkPolicy"),
  ];
  for (const [kind, spec, version] of refused) {
    it(`${kind} ${spec}${version === undefined ? "" : `, Calico ${version}`}`, () => {
      const snapshot = read(kind, spec, version);
      assert.equal(refusals(snapshot.problems).length, 1, JSON.stringify(snapshot.problems));
    });
  }

  const accepted: readonly (readonly [kind: string, spec: string, version?: string])[] = [
    ingress('{ action: Allow, source: { namespaceSelector: " global( ) " } }'),
    ingress("{ action: Allow, destination: { ports: [ http ] } }"),
    [...ingress("{ action: Allow, source: { nets: [ 10.0.0.0/8 ], notNets: [ 0.0.0.0/0 ] } }"), "3.30"],
    ingress("{ action: Allow, protocol: 58, ipVersion: 6 }"),
    ingress("{ action: Allow, protocol: 6, destination: { ports: [ '80', '100:200', http ] } }"),
    ingress("{ action: Allow, protocol: TCP, http: { methods: [ GET ], paths: [ { prefix: / } ] } }"),
    ingress("{ action: Allow, protocol: UDPLite }"),
  ];
  for (const [kind, spec, version] of accepted) {
    it(`takes ${kind} ${spec}${version === undefined ? "" : `, Calico ${version}`}`, () =>
      assert.deepEqual(read(kind, spec, version).problems, []));
  }
});

describe("what a rule of Calico's that is in doubt leaves certain", () => {
  const flow = (protocol: "TCP" | "UDP", port: number) =>
    ({
      source: { kind: "workload", id: "shop/web[Pod]" },
      destination: { kind: "workload", id: "shop/db[Pod]" },
      protocol,
      port,
    }) as const;

  it("serviceAccounts: {} says nothing, in a NetworkPolicy either", () => {
    const reachability = compile(
      read(...ingress("{ action: Allow, source: { serviceAccounts: {} } }", "NetworkPolicy")),
    );
    const source = { kind: "address", address: "198.51.100.1" } as const;
    assert.equal(reachability.verdict({ ...flow("TCP", 80), source }), "allowed");
  });

  it("source ports are not known, and with a named destination port only that port is in doubt", () => {
    const rule = "{ action: Allow, protocol: UDP, source: { ports: [ 1000 ] }, destination: { ports: [ dns ] } }";
    const reachability = compile(read(...ingress(rule)));
    assert.equal(reachability.verdict(flow("UDP", 53)), "unknown");
    assert.equal(reachability.verdict(flow("UDP", 54)), "denied");
    assert.equal(reachability.verdict(flow("TCP", 53)), "denied");
  });

  it("a peer selector that cannot be read leaves the other ports as they are", () => {
    const closed = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "closed", namespace: "shop" },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    };
    const rule = "{ action: Allow, protocol: TCP, source: { selector: 'app = 1' }, destination: { ports: [ 80 ] } }";
    const reachability = compile(read(...ingress(rule), "3.32", [closed]));
    assert.equal(reachability.verdict(flow("TCP", 80)), "unknown");
    assert.equal(reachability.verdict(flow("TCP", 81)), "denied");
  });

  it("the Service of the API server is in every cluster", () => {
    const rule = "{ action: Allow, destination: { services: { name: kubernetes, namespace: default } } }";
    const snapshot = read(...egress(rule));
    assert.deepEqual(snapshot.problems, []);
    const destination = { kind: "kubeApiserver" } as const;
    assert.equal(compile(snapshot).verdict({ ...flow("TCP", 6443), destination }), "allowed");
    assert.equal(compile(snapshot).verdict({ ...flow("UDP", 6443), destination }), "denied");
  });

  it("many tiers of many ranges say of each address what they say one after the other", () => {
    const tiers = Array.from({ length: 12 }, (_, index): KubeObject[] => [
      { apiVersion: "projectcalico.org/v3", kind: "Tier", metadata: { name: `t${index}` }, spec: { order: index } },
      {
        apiVersion: "projectcalico.org/v3",
        kind: "GlobalNetworkPolicy",
        metadata: { name: `t${index}.p` },
        spec: {
          tier: `t${index}`,
          types: ["Ingress"],
          ingress: [
            {
              action: index % 3 === 0 ? "Allow" : "Deny",
              protocol: "TCP",
              source: { nets: [`10.${index}.0.0/16`, `203.0.${index * 16}.0/20`] },
              destination: { ports: [80 + index, `${1000 * index + 1}:${1000 * index + 1500}`] },
            },
            { action: "Pass", ...(index % 4 === 1 ? { source: { notNets: [`10.${index + 1}.0.0/16`] } } : {}) },
          ],
        },
      },
    ]).flat();
    const reachability = compile(read("GlobalNetworkPolicy", "{ selector: has(nobody) }", "3.32", tiers));
    let rows = 0;
    for (const entry of reachability.matrix()) {
      if (entry.source.kind !== "address") continue;
      rows++;
      const { allowed, possible } = reachability.traffic(entry.source, entry.destination);
      assert.deepEqual([`${entry.allowed}`, `${entry.possible}`], [`${allowed}`, `${possible}`], entry.sourceId);
    }
    assert.ok(rows > 20);
  });
});

describe("ClusterNetworkPolicy and AdminNetworkPolicy, what the API server refuses and whom nodes are", () => {
  const policyOf = (apiVersion: string, kind: string, rule: string): KubeObject => ({
    apiVersion: `policy.networking.k8s.io/${apiVersion}`,
    kind,
    metadata: { name: "p" },
    spec: load(
      `{ ${apiVersion === "v1alpha2" ? "tier: Admin, " : ""}priority: 1, subject: { namespaces: {} }, egress: [ ${rule} ] }`,
    ),
  });
  const problemsOf = (policy: KubeObject) =>
    buildSnapshot(
      [...pods, policy].map((object) => ({ object })),
      { profile: profileFor("kubernetes") },
    ).problems;
  const clusterPolicy = (rule: string) => policyOf("v1alpha2", "ClusterNetworkPolicy", rule);
  const adminPolicy = (rule: string) => policyOf("v1alpha1", "AdminNetworkPolicy", rule);

  for (const [title, policy] of [
    [
      "a named port beside networks",
      clusterPolicy(
        "{ action: Deny, to: [ { networks: [ 10.0.0.0/8 ] } ], protocols: [ { destinationNamedPort: http } ] }",
      ),
    ],
    [
      "a named port beside nodes",
      clusterPolicy("{ action: Deny, to: [ { nodes: {} } ], protocols: [ { destinationNamedPort: http } ] }"),
    ],
    [
      "a named port beside networks (v1alpha1)",
      adminPolicy("{ action: Deny, to: [ { networks: [ 10.0.0.0/8 ] } ], ports: [ { namedPort: http } ] }"),
    ],
    [
      "a range of one port",
      clusterPolicy(
        "{ action: Deny, to: [ { namespaces: {} } ], protocols: [ { tcp: { destinationPort: { range: { start: 80, end: 80 } } } } ] }",
      ),
    ],
    [
      "a protocol without attributes",
      clusterPolicy("{ action: Deny, to: [ { namespaces: {} } ], protocols: [ { tcp: {} } ] }"),
    ],
  ] as const) {
    it(`refused: ${title}`, () => assert.equal(refusals(problemsOf(policy)).length, 1));
  }

  it("a pod on the host network is the node that it names, among several", () => {
    const node = (name: string, role: string, address: string): KubeObject => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { role } },
      status: { addresses: [{ type: "InternalIP", address }] },
    });
    const agent = (name: string, nodeName: string): KubeObject => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "shop" },
      spec: { hostNetwork: true, nodeName, containers: [{ name: "c", image: "c" }] },
    });
    const objects = [
      ...pods,
      node("n1", "control", "192.0.2.1"),
      node("n2", "worker", "192.0.2.2"),
      agent("one", "n1"),
      agent("two", "n2"),
      clusterPolicy("{ action: Deny, to: [ { nodes: { matchLabels: { role: control } } } ] }"),
    ];
    const reachability = compile(
      buildSnapshot(
        objects.map((object) => ({ object })),
        { profile: profileFor("kubernetes") },
      ),
    );
    const ask = (name: string) =>
      reachability.verdict({
        source: { kind: "workload", id: "shop/web[Pod]" },
        destination: { kind: "workload", id: `shop/${name}[Pod]` },
        protocol: "TCP",
        port: 80,
      });
    assert.equal(ask("one"), "denied");
    assert.equal(ask("two"), "allowed");
  });
});

describe("Calico's policies for host endpoints that were not read", () => {
  for (const stage of ["preDNAT", "doNotTrack"]) {
    it(`${stage}: nothing is refused; the endpoints are in the cluster only`, () => {
      const spec = `{ applyOnForward: true, ${stage}: true, ingress: [ { action: Deny } ] }`;
      const [apiVersion, kind, metadata] = ["projectcalico.org/v3", "GlobalNetworkPolicy", { name: "hosts" }];
      const { problems } = buildSnapshot([{ object: { apiVersion, kind, metadata, spec: load(spec) } as KubeObject }], {
        profile: profileFor("calico@3.32"),
      });
      assert.deepEqual(
        problems.map(({ code, path, affectsVerdicts }) => [code, path, affectsVerdicts]),
        [["not-read", `spec.${stage}`, false]],
      );
    });
  }
});
