import assert from "node:assert/strict";
import { evaluate, isViolation, type Finding } from "../../sdk/findings";
import { repaired, unifiedDiff, type Judged, type Repaired } from "../../sdk/findings/repairs";
import { buildSnapshot, compile, readYaml } from "../../sdk/reachability";
import { deployment, join, namespace } from "../cli/fixtures";
import { yamlOf } from "./seeds";

const file = "in.yaml";

function judge(text: string): Judged {
  const reachability = compile(buildSnapshot(readYaml(text, file).objects));
  return { reachability, findings: evaluate(reachability) };
}

function find(text: string): readonly Finding[] {
  return judge(text).findings;
}

function repair(text: string): Repaired & { readonly text: string } {
  const result = repaired(new Map([[file, text]]), (changed) => judge(changed.get(file) ?? text));
  return { ...result, text: result.texts.get(file) ?? text };
}

const base = join(namespace("shop"), deployment("shop", "web", 8080), deployment("shop", "api", 9000));
const policy = (spec: string): string =>
  join(
    base,
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: allow-web, namespace: shop}\nspec:\n${spec}`,
  );

/** Lines that go and lines that come. */
function changed(before: string, after: string): { readonly gone: string[]; readonly come: string[] } {
  const lines = unifiedDiff(file, before, after).split("\n").slice(2);
  const of = (mark: string): string[] =>
    lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(1).trim());
  return { gone: of("-"), come: of("+") };
}

const about = (findings: readonly Finding[], rule: string): number =>
  findings.filter((finding) => finding.id === rule && isViolation(finding)).length;

interface Case {
  readonly title: string;
  readonly rule: string;
  readonly text: string;
  readonly gone: readonly string[];
  readonly come: readonly string[];
}

const cases: readonly Case[] = [
  {
    title: "a field in the wrong case",
    rule: "not-understood",
    text: policy("  podselector: {} # all\n  policyTypes: [Ingress]\n"),
    gone: ["podselector: {} # all"],
    come: ["podSelector: {} # all"],
  },
  {
    title: "two letters of a field that changed places",
    rule: "not-understood",
    text: policy("  podSelector: {}\n  ingress:\n    - form:\n        - podSelector: {}\n"),
    gone: ["- form:"],
    come: ["- from:"],
  },
  {
    title: "a range of ports in quotes",
    rule: "not-understood",
    text: policy('  podSelector: {}\n  ingress:\n    - ports:\n        - port: "8000-8090" # all of them\n'),
    gone: ['- port: "8000-8090" # all of them'],
    come: ["- port: 8000 # all of them", "endPort: 8090"],
  },
  {
    title: "a namespace by a label that none has",
    rule: "selector-key-unknown",
    text: policy(
      "  podSelector: {}\n  ingress:\n    - from:\n        - namespaceSelector:\n            matchLabels:\n              name: shop\n",
    ),
    gone: ["name: shop"],
    come: ["kubernetes.io/metadata.name: shop"],
  },
  {
    title: "metadata addresses in a range, block style",
    rule: "metadata-endpoints-closed",
    text: policy(
      "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - ipBlock:\n            cidr: 169.254.169.0/24 # metadata\n",
    ),
    gone: [],
    come: ["except:", "- 169.254.169.254/32", "- 169.254.169.252/32", "- 169.254.169.250/32"],
  },
  {
    title: "metadata addresses in a range, flow style, beside an exception",
    rule: "metadata-endpoints-closed",
    text: policy(
      "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to: [{ipBlock: {cidr: 169.254.169.0/24, except: [169.254.169.248/30]}}]\n",
    ),
    gone: ["- to: [{ipBlock: {cidr: 169.254.169.0/24, except: [169.254.169.248/30]}}]"],
    come: [
      "- to: [{ipBlock: {cidr: 169.254.169.0/24, except: [169.254.169.248/30, 169.254.169.254/32, 169.254.169.252/32]}}]",
    ],
  },
  {
    title: "DNS over UDP alone",
    rule: "dns-cut",
    text: policy(
      "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - namespaceSelector: {}\n      ports:\n        - protocol: UDP\n          port: 53 # DNS\n",
    ),
    gone: [],
    come: ["- protocol: TCP", "port: 53"],
  },
  {
    title: "a cluster-wide policy of Cilium that does not state whether it isolates",
    rule: "explicit-default-deny",
    text: join(
      base,
      "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: default-deny-all}\nspec:\n  endpointSelector: {matchLabels: {app: web}} # all\n  ingress: [{}]\n",
    ),
    gone: [],
    come: ["enableDefaultDeny:", "ingress: true"],
  },
];

describe("repairs that are certain", () => {
  for (const { title, rule, text, gone, come } of cases) {
    it(`${title}: less is found, nothing else changes, and a second run changes nothing`, () => {
      const before = find(text);
      assert.ok(about(before, rule) > 0, `${rule} is found before`);
      const { text: after, repairs } = repair(text);
      assert.deepEqual(changed(text, after), { gone, come });
      assert.ok(repairs.every((each) => each.rule === rule));
      assert.ok(about(find(after), rule) < about(before, rule), `${rule} is found less often`);
      assert.deepEqual(repair(after).repairs, []);
    });
  }

  it("what fails is left out without trying each by itself: as many judgements for thirty namespaces as for six", () => {
    const policyOf = (home: string): string =>
      join(
        namespace(home),
        deployment(home, "web", 8080),
        `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: own, namespace: ${home} }
spec:
  podSelector: { matchLabels: { app: web } }
  policyTypes: [Ingress, Egress]
  egress:
    - to: [{ ipBlock: { cidr: 0.0.0.0/0 } }]
`,
      );
    const judgements = (count: number): { readonly asked: number; readonly repairs: number } => {
      const texts = new Map(Array.from({ length: count }, (_, index) => [`${index}.yaml`, policyOf(`n${index}`)]));
      let asked = 0;
      const { repairs } = repaired(texts, (changed) => {
        asked++;
        const objects = [...texts].flatMap(([name, text]) => [...readYaml(changed.get(name) ?? text, name).objects]);
        const reachability = compile(buildSnapshot(objects));
        return { reachability, findings: evaluate(reachability) };
      });
      return { asked, repairs: repairs.filter(({ rule }) => rule === "metadata-endpoints-closed").length };
    };
    const [few, many] = [judgements(6), judgements(30)];
    assert.deepEqual([few.repairs, many.repairs], [6, 30]);
    assert.ok(few.asked < 20, `${few.asked} for 6`);
    assert.ok(many.asked <= few.asked, `${many.asked} for 30, ${few.asked} for 6`);
  });

  it("adds no default deny to a namespace in which a chart, an Application or an operator makes pods that nobody has seen", () => {
    const closed = policy("  podSelector: {}\n  policyTypes: [Ingress]\n").replace(
      "podSelector: {}",
      "podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}",
    );
    const added = (text: string): boolean => repair(text).text.includes("name: default-deny-");
    assert.ok(added(closed));
    const destination = "{namespace: shop, server: https://kubernetes.default.svc}";
    for (const maker of [
      "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: db, namespace: shop}\nspec: {}\n",
      `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: db, namespace: argocd}\nspec: {destination: ${destination}}\n`,
      "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: db, namespace: shop}\nspec: {}\n",
    ]) {
      assert.ok(!added(join(closed, maker)), maker);
      assert.ok(added(join(closed, maker.replaceAll("namespace: shop", "namespace: elsewhere"))), maker);
    }
  });

  it("gives new pods, with a default deny, the DNS that the cluster has", () => {
    const asking = (home: string, label: string, port: number): string =>
      policy(
        "  podSelector: {matchExpressions: [{key: app, operator: Exists}]}\n  policyTypes: [Egress]\n" +
          `  egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ${home}}}, podSelector: {matchLabels: {${label}}}}], ` +
          `ports: [{protocol: UDP, port: ${port}}, {protocol: TCP, port: ${port}}]}]\n`,
      );
    const route = "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: web, namespace: shop}\nspec: {}\n";
    const kube = asking("kube-system", "k8s-app: kube-dns", 53);
    assert.match(repair(kube).text, /name: allow-dns[^]*name: kube-system[^]*k8s-app: kube-dns[^]*port: 53\n/);
    const openShift = join(asking("openshift-dns", "dns.operator.openshift.io/daemonset-dns: default", 5353), route);
    const added = repair(openShift).text;
    assert.match(added, /name: allow-dns[^]*name: openshift-dns[^]*\/daemonset-dns: default[^]*port: 5353\n/);
    assert.doesNotMatch(added, /kube-dns/);
  });

  it("line ends, a missing last one and every other character stay", () => {
    const text = (cases[0]?.text ?? "").replaceAll("\n", "\r\n").trimEnd();
    assert.equal(repair(text).text, text.replace("podselector", "podSelector"));
  });

  it("exceptions are ranges that the API server takes: inside the range, none that is IPv4 in the form of IPv6", () => {
    const { text } = repair(
      policy('  podSelector: {}\n  policyTypes: [Egress]\n  egress: [{to: [{ipBlock: {cidr: "::/0"}}]}]\n'),
    );
    const [, list = ""] = /except: \[([^\]]*)\]/.exec(text) ?? [];
    const ranges = list.split(", ").map((range) => JSON.parse(range) as string);
    assert.ok(ranges.includes("fd00:ec2::254/128") && ranges.length > 10, list);
    assert.ok(!ranges.some((range) => range.startsWith("::ffff:")), list);
    const whole = policy(
      "  podSelector: {}\n  policyTypes: [Egress]\n  egress: [{to: [{ipBlock: {cidr: 169.254.169.254/32}}]}]\n",
    );
    assert.equal(repair(whole).text, whole, "a range that is nothing else is for a person to take away");
  });

  for (const [title, text] of [
    [
      "a label that a namespace has",
      policy(
        "  podSelector: {}\n  ingress:\n    - from:\n        - namespaceSelector: {matchLabels: {name: shop}}\n",
      ).replace("{ name: shop }", "{ name: shop, labels: { name: shop } }"),
    ],
    ["a template", `${cases[0]?.text ?? ""}  # {{ .Values.x }}\n`],
    [
      "what an anchor shares with other places",
      policy(
        "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - ports: &dns [{protocol: UDP, port: 53}]\n    - ports: *dns\n",
      ),
    ],
    ["two fields that one word may mean", policy("  podselector: {}\n  podSelector: {}\n")],
    ["a range that is none", policy('  podSelector: {}\n  ingress:\n    - ports:\n        - port: "9000-8000"\n')],
    ["a namespace that people have to decide on", base],
  ] as const) {
    it(`${title} is left to a person`, () => {
      assert.equal(repair(text).text, text);
    });
  }

  for (const [seed, gone] of [
    ["000", []],
    ["001", ["not-understood", "metadata-endpoints-closed", "dns-cut"]],
    ["002", []],
    ["003", ["explicit-default-deny", "health-endpoint-cut", "ingress-proxy-cut", "fqdn-without-dns-proxy"]],
    ["004", []],
  ] as const) {
    it(`the policies of document ${seed}: less is found, nothing new, and a second run is empty`, function () {
      const text = yamlOf(seed);
      if (text === undefined || text === "") return this.skip();
      const before = find(text);
      const { text: after, repairs } = repair(text);
      const found = find(after);
      assert.deepEqual(
        gone.map((id) => [id, about(found, id)]),
        gone.map((id) => [id, 0]),
      );
      if (!repairs.some(({ rule }) => rule === "not-understood"))
        assert.ok(found.filter(isViolation).length <= before.filter(isViolation).length);
      for (const { id } of found.filter(isViolation)) {
        const isHidden = repairs.some(({ rule }) => rule === "not-understood");
        if (!isHidden) assert.ok(about(found, id) <= about(before, id), id);
      }
      assert.deepEqual(repair(after).repairs, []);
    });
  }
});

describe("patches", () => {
  it("are what patch takes: a hunk for changes that are near, two for those that are far", () => {
    const before = Array.from({ length: 30 }, (_, index) => `line ${index}`).join("\n");
    const after = before.replace("line 2\n", "line two\n").replace("line 25\n", "line 25\nanother\n");
    assert.equal(
      unifiedDiff("a.yaml", `${before}\n`, `${after}\n`),
      [
        "--- a/a.yaml",
        "+++ b/a.yaml",
        "@@ -1,6 +1,6 @@",
        " line 0",
        " line 1",
        "-line 2",
        "+line two",
        " line 3",
        " line 4",
        " line 5",
        "@@ -24,6 +24,7 @@",
        " line 23",
        " line 24",
        " line 25",
        "+another",
        " line 26",
        " line 27",
        " line 28",
        "",
      ].join("\n"),
    );
    assert.equal(unifiedDiff("a.yaml", before, before), "");
  });
});
