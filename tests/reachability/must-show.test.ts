/**
 * The cases that issue 4 names one by one: decided right, with an explanation that leads to the place in the YAML. Each
 * expectation is a verdict, the object and path that the explanation names, and what it says; the path is looked up in the
 * text, at the line the explanation gives, and has to hold the words that decide.
 */
import assert from "node:assert/strict";
import {
  buildSnapshot,
  compile,
  lineOfPath,
  profileFor,
  readYaml,
  type Explanation,
  type Flow,
  type Verdict,
} from "../../sdk/reachability";

const cluster = `apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: main, image: main }] }
---
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: shop, labels: { app: api } }
spec: { containers: [{ name: main, image: main }] }
---
`;

const cilium = (name: string, spec: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: ${name}
  namespace: shop
spec:
  endpointSelector: { matchLabels: { app: web } }
${spec}
---
`;
const kubernetes = (name: string, spec: string): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  podSelector: { matchLabels: { app: web } }
${spec}
---
`;

const to = (address: string, port = 80): Flow => ({
  source: { kind: "workload", id: "shop/web[Pod]" },
  destination: { kind: "address", address },
  protocol: "TCP",
  port,
});
const toWeb = (port: number): Flow => ({
  source: { kind: "workload", id: "shop/api[Pod]" },
  destination: { kind: "workload", id: "shop/web[Pod]" },
  protocol: "TCP",
  port,
});

interface Case {
  readonly title: string;
  readonly policies: string;
  readonly cni?: string;
  readonly flow: Flow;
  readonly verdict: Verdict;
  readonly side: "egress" | "ingress";
  /** The rule that decides, and words that stand at its path in the file. */
  readonly decides?: { readonly policy: string; readonly path: string; readonly words: RegExp };
  /** A rule of the chain that did not decide, with why. */
  readonly passedOver?: { readonly policy: string; readonly path: string; readonly because: RegExp };
  readonly reason: RegExp;
}

const exceptV6 = cilium(
  "all-but-aws",
  '  egress:\n    - toCIDRSet:\n        - cidr: "::/0"\n          except: ["fd00:ec2::254/128"]',
);
const halves = cilium("halves", '  egress:\n    - toCIDR: ["0.0.0.0/1"]\n    - toCIDR: ["128.0.0.0/1"]');
const careful = cilium(
  "careful",
  "  egress:\n    - toCIDRSet:\n        - cidr: 0.0.0.0/0\n          except: [169.254.169.254/32]",
);
const careless = cilium("careless", "  egress:\n    - toCIDR: [169.254.0.0/16]");
const cnp = (rules: string): string => `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: admin }
spec:
  tier: Admin
  priority: 10
  subject: { namespaces: {} }
  ingress:
${rules}
---
`;

const cases: readonly Case[] = [
  {
    title: "::/0 except fd00:ec2::254/128: the exception",
    policies: exceptV6,
    flow: to("fd00:ec2::254"),
    verdict: "denied",
    side: "egress",
    passedOver: { policy: "all-but-aws", path: "spec.egress[0]", because: /the other end is not among its peers/ },
    reason: /isolated by CiliumNetworkPolicy shop\/all-but-aws; no rule allows it/,
  },
  {
    title: "::/0 except fd00:ec2::254/128: its neighbour",
    policies: exceptV6,
    flow: to("fd00:ec2::255"),
    verdict: "allowed",
    side: "egress",
    decides: { policy: "all-but-aws", path: "spec.egress[0]", words: /toCIDRSet/ },
    reason: /CiliumNetworkPolicy shop\/all-but-aws spec\.egress\[0\] \(all\.yaml:15\) allows it/,
  },
  ...["::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"].map((address): Case => ({
    title: `${address}: an IPv4 address in other words, which ::/0 covers`,
    policies: exceptV6,
    flow: to(address),
    verdict: "allowed",
    side: "egress",
    decides: { policy: "all-but-aws", path: "spec.egress[0]", words: /toCIDRSet/ },
    reason: /spec\.egress\[0\] \(all\.yaml:15\) allows it/,
  })),
  {
    title: "0.0.0.0/1 + 128.0.0.0/1: the lower half",
    policies: halves,
    flow: to("100.100.100.200"),
    verdict: "allowed",
    side: "egress",
    decides: { policy: "halves", path: "spec.egress[0]", words: /0\.0\.0\.0\/1/ },
    reason: /shop\/halves spec\.egress\[0\] \(all\.yaml:15\) allows it/,
  },
  {
    title: "0.0.0.0/1 + 128.0.0.0/1: the upper half",
    policies: halves,
    flow: to("169.254.169.254"),
    verdict: "allowed",
    side: "egress",
    decides: { policy: "halves", path: "spec.egress[1]", words: /128\.0\.0\.0\/1/ },
    passedOver: { policy: "halves", path: "spec.egress[0]", because: /not among its peers/ },
    reason: /shop\/halves spec\.egress\[1\] \(all\.yaml:15\) allows it/,
  },
  {
    title: "an except that another policy re-adds",
    policies: careful + careless,
    flow: to("169.254.169.254"),
    verdict: "allowed",
    side: "egress",
    decides: { policy: "careless", path: "spec.egress[0]", words: /169\.254\.0\.0\/16/ },
    passedOver: { policy: "careful", path: "spec.egress[0]", because: /not among its peers/ },
    reason: /CiliumNetworkPolicy shop\/careless spec\.egress\[0\] \(all\.yaml:27\) allows it/,
  },
  {
    title: "an except that stands alone",
    policies: careful,
    flow: to("169.254.169.254"),
    verdict: "denied",
    side: "egress",
    passedOver: { policy: "careful", path: "spec.egress[0]", because: /not among its peers/ },
    reason: /isolated by CiliumNetworkPolicy shop\/careful/,
  },
  {
    title: "a policy that isolates but allows all",
    policies: kubernetes("open", "  policyTypes: [Ingress]\n  ingress:\n    - {}"),
    cni: "kubernetes",
    flow: toWeb(22),
    verdict: "allowed",
    side: "ingress",
    decides: { policy: "open", path: "spec.ingress[0]", words: /\{\}/ },
    reason: /NetworkPolicy shop\/open spec\.ingress\[0\] \(all\.yaml:15\) allows it/,
  },
  {
    title: "the same text of Cilium, which allows nothing",
    policies: cilium("closed", "  ingress:\n    - {}"),
    flow: toWeb(22),
    verdict: "denied",
    side: "ingress",
    passedOver: { policy: "closed", path: "spec.ingress[0]", because: /not among its peers/ },
    reason: /isolated by CiliumNetworkPolicy shop\/closed; no rule allows it/,
  },
  {
    title: "egressDeny alone: what it names",
    policies: cilium("deny", "  egressDeny:\n    - toCIDR: [169.254.169.254/32]"),
    flow: to("169.254.169.254"),
    verdict: "denied",
    side: "egress",
    decides: { policy: "deny", path: "spec.egressDeny[0]", words: /169\.254\.169\.254\/32/ },
    reason: /CiliumNetworkPolicy shop\/deny spec\.egressDeny\[0\] \(all\.yaml:15\) denies it/,
  },
  {
    title: "egressDeny alone: everything else, by default",
    policies: cilium("deny", "  egressDeny:\n    - toCIDR: [169.254.169.254/32]"),
    flow: to("198.51.100.1"),
    verdict: "denied",
    side: "egress",
    passedOver: { policy: "deny", path: "spec.egressDeny[0]", because: /not among its peers/ },
    reason: /isolated by CiliumNetworkPolicy shop\/deny; no rule allows it/,
  },
  {
    title: "egressDeny alone with enableDefaultDeny.egress: false",
    policies: cilium(
      "deny",
      "  enableDefaultDeny: { egress: false }\n  egressDeny:\n    - toCIDR: [169.254.169.254/32]",
    ),
    flow: to("198.51.100.1"),
    verdict: "allowed",
    side: "egress",
    passedOver: { policy: "deny", path: "spec.egressDeny[0]", because: /not among its peers/ },
    reason: /no rule decides, and no policy isolates it for egress: it passes/,
  },
  {
    title: "toPorts alone: any peer, metadata included",
    policies: cilium("ports", '  egress:\n    - toPorts:\n        - ports: [{ port: "80", protocol: TCP }]'),
    flow: to("169.254.169.254"),
    verdict: "allowed",
    side: "egress",
    decides: { policy: "ports", path: "spec.egress[0]", words: /toPorts/ },
    reason: /shop\/ports spec\.egress\[0\] \(all\.yaml:15\) allows it/,
  },
  {
    title: "toPorts alone: another port",
    policies: cilium("ports", '  egress:\n    - toPorts:\n        - ports: [{ port: "80", protocol: TCP }]'),
    flow: to("169.254.169.254", 81),
    verdict: "denied",
    side: "egress",
    passedOver: { policy: "ports", path: "spec.egress[0]", because: /the port or protocol is not among its ports/ },
    reason: /isolated by CiliumNetworkPolicy shop\/ports/,
  },
  {
    title: "a staged policy denies nothing",
    policies: `apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: { name: deny }
spec:
  selector: all()
  types: [Ingress, Egress]
  ingress: [{ action: Deny }]
---
`,
    cni: "calico",
    flow: toWeb(80),
    verdict: "allowed",
    side: "ingress",
    reason: /no policy selects it for ingress: everything passes/,
  },
  {
    title: "Pass into a tier that allows",
    policies:
      cnp("    - { action: Pass, from: [{ namespaces: {} }] }\n    - { action: Deny, from: [{ namespaces: {} }] }") +
      kubernetes("allow", "  ingress:\n    - from: [{ podSelector: {} }]"),
    cni: "kubernetes",
    flow: toWeb(80),
    verdict: "allowed",
    side: "ingress",
    decides: { policy: "allow", path: "spec.ingress[0]", words: /podSelector/ },
    passedOver: {
      policy: "admin",
      path: "spec.ingress[1]",
      because: /decided before by ClusterNetworkPolicy admin spec\.ingress\[0\] \(all\.yaml:15\)/,
    },
    reason: /NetworkPolicy shop\/allow spec\.ingress\[0\] \(all\.yaml:26\) allows it/,
  },
  {
    title: "Pass into a tier that denies",
    policies: cnp("    - { action: Pass, from: [{ namespaces: {} }] }") + kubernetes("closed", "  ingress: []"),
    cni: "kubernetes",
    flow: toWeb(80),
    verdict: "denied",
    side: "ingress",
    reason: /isolated by NetworkPolicy shop\/closed; no rule allows it/,
  },
  {
    title: "Pass into tiers without a policy",
    policies: cnp(
      "    - { action: Pass, from: [{ namespaces: {} }] }\n    - { action: Deny, from: [{ namespaces: {} }] }",
    ),
    cni: "kubernetes",
    flow: toWeb(80),
    verdict: "allowed",
    side: "ingress",
    passedOver: { policy: "admin", path: "spec.ingress[1]", because: /decided before by ClusterNetworkPolicy admin/ },
    reason: /no rule decides, and no policy isolates it for ingress: it passes/,
  },
];

describe("issue 4: forms that are easy to read wrongly", () => {
  for (const { title, policies, cni, flow, verdict, side, decides, passedOver, reason } of cases) {
    it(`${title}: ${verdict}`, () => {
      const text = cluster + policies;
      const { objects, problems } = readYaml(text, "all.yaml");
      assert.deepEqual(problems, []);
      const reachability = compile(buildSnapshot(objects, { profile: profileFor(cni ?? "cilium@1.20") }));
      assert.equal(reachability.verdict(flow), verdict);
      const explanation: Explanation = reachability.explain(flow);
      assert.equal(explanation.verdict, verdict);
      const told = explanation[side];
      assert.match(told.reason, reason);
      assert.equal(told.deciding?.path, decides?.path);
      if (decides !== undefined) {
        const { policy, source, path } = told.deciding ?? assert.fail("a rule decides");
        assert.equal(policy.name, decides.policy);
        assert.equal(source?.file, "all.yaml");
        assert.match(lineAt(text, source?.line ?? 0, path), decides.words);
      }
      if (passedOver !== undefined) {
        const step = told.chain.find(
          ({ rule }) => rule.policy.name === passedOver.policy && rule.path === passedOver.path,
        );
        assert.match(step?.text ?? "", passedOver.because);
        assert.notEqual(lineAt(text, step?.rule.source?.line ?? 0, passedOver.path), "");
      }
    });
  }
});

/** The line at which a path of the object stands whose document begins on a line; it has to be inside that document. */
function lineAt(text: string, document: number, path: string): string {
  const lines = text.split("\n");
  assert.match(lines[document - 1] ?? "", /^apiVersion:/, "the line on which the object begins");
  const line = lineOfPath(text, document, path) ?? assert.fail(`${path} is not in the document`);
  const end = lines.indexOf("---", document);
  assert.ok(line > document && line <= end, `${path} lies inside the object`);
  return lines[line - 1] ?? "";
}
