import assert from "node:assert/strict";
import { evaluate, isViolation, rules, type Finding, type FindingOptions } from "../../sdk/findings";
import { repaired, type Judged } from "../../sdk/findings/repairs";
import { buildSnapshot, compile, diff, readYaml } from "../../sdk/reachability";
import { cases } from "./fixtures";
import { ccnp, cnp, deny, netpol, pod } from "./fixtures/objects";

const file = "in.yaml";
const shop = "---\napiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n";
const egress = (rule: string): string =>
  netpol("allow-out", `{ podSelector: {}, policyTypes: [Egress], egress: [ ${rule} ] }`);

/** What rules without fixtures find, and forms that the fixtures do not have. */
const more: Readonly<Record<string, readonly string[]>> = {
  "namespace-default-deny": [
    // every workload has policies of its own
    shop +
      pod("api", "shop") +
      netpol(
        "allow-api",
        "{ podSelector: { matchLabels: { app: api } }, policyTypes: [Ingress, Egress], ingress: [ { from: [ { podSelector: {} } ], ports: [ { port: 80 } ] } ] }",
      ),
    // one of two is open: a deny would cut it
    shop +
      pod("api", "shop") +
      pod("web", "shop") +
      netpol("allow-api", "{ podSelector: { matchLabels: { app: api } }, policyTypes: [Ingress, Egress] }"),
    // nothing is known of its pods
    shop,
  ],
  "metadata-endpoints-closed": [
    pod("api", "shop") + egress("{ to: [ { ipBlock: { cidr: 169.254.169.0/24 } } ], ports: [ { port: 80 } ] }"),
    pod("api", "shop"),
  ],
  "spoofable-peer": [
    netpol(
      "dns",
      "{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { namespaceSelector: {}, podSelector: { matchLabels: { k8s-app: kube-dns } } } ], ports: [ { port: 53, protocol: UDP }, { port: 53, protocol: TCP } ] } ] }",
    ),
  ],
  "dns-cut": [
    pod("api", "shop") +
      deny +
      egress(
        "{ to: [ { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } }, podSelector: { matchLabels: { k8s-app: coredns } } } ], ports: [ { port: 53, protocol: UDP }, { port: 53, protocol: TCP } ] }",
      ),
    pod("api", "shop") + deny + egress("{ ports: [ { port: 53 } ] }"),
    pod("api", "shop") +
      cnp(
        "allow-dns",
        `{ endpointSelector: {}, egress: [ { toEndpoints: [ { matchLabels: { k8s-app: kube-dns } } ], toPorts: [ { ports: [ { port: "53", protocol: ANY } ] } ] } ] }`,
      ),
  ],
  "fqdn-matches-nothing": [
    cnp(
      "allow-names",
      `{ endpointSelector: {}, egress: [ { toEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system, "k8s:k8s-app": kube-dns } } ], toPorts: [ { ports: [ { port: "53", protocol: ANY } ], rules: { dns: [ { matchPattern: "*" } ] } } ] }, { toFQDNs: [ { matchName: "https://api.github.com" } ], toPorts: [ { ports: [ { port: "443" } ] } ] } ] }`,
    ),
  ],
  "tier0-restricted": [
    ccnp(
      "default-deny-all",
      `{ endpointSelector: { matchExpressions: [ { key: "k8s:io.kubernetes.pod.namespace", operator: NotIn, values: [ kube-system ] }, { key: "k8s:io.kubernetes.pod.namespace", operator: Exists } ] }, enableDefaultDeny: { ingress: true }, ingress: [ {} ] }`,
    ) +
      ccnp(
        "allow-scrape",
        `{ endpointSelector: {}, ingress: [ { fromEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": observability } } ], toPorts: [ { ports: [ { port: "9090" } ] } ] } ] }`,
      ),
    // nothing else isolates what it selects
    ccnp(
      "allow-scrape",
      `{ endpointSelector: {}, ingress: [ { fromEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": observability } } ] } ] }`,
    ),
  ],
  "not-understood": [
    ["extensions/v1beta1", "NetworkPolicy"],
    ["v1", "NetworkPolicy"],
    ["networking.k8s.io/v1", "Networkpolicy"],
    ["networking.k8s.io/v1beta1", "networkpolicies"],
    ["networking.k8s/v1", "NetworkPolicy"],
  ]
    .map(([apiVersion = "", kind = ""]) =>
      deny.replace("networking.k8s.io/v1", apiVersion).replace("NetworkPolicy", kind),
    )
    .concat(
      netpol(
        "allow-web",
        "{ podSelector: {}, policyTypes: [ingress], ingress: [ { ports: [ { port: 80, protocol: tcp } ] } ] }",
      ),
      netpol("allow-web", '{ podSelector: {}, ingress: [ { ports: [ { port: "8080" } ] } ] }'),
      cnp(
        "allow-web",
        "{ endpointselector: {}, ingress: [ { fromEndpoint: [ {} ], toports: [ { ports: [ { port: '80' } ] } ] } ] }",
      ),
      ...[
        "{ selector: app = 'web', types: [Ingress], ingress: [ { action: Allow } ] }",
        "{ selector: \"app == 'web' and has(x)\", types: [Ingress], ingress: [ { action: allow } ] }",
        '{ selector: all(), order: "100", types: [Ingress], ingress: [ { action: Allow, source: { namespaceselector: all() } } ] }',
      ].map((spec) =>
        deny.replace("networking.k8s.io/v1", "projectcalico.org/v3").replace(/spec: .*/, `spec: ${spec}`),
      ),
      ...[
        ["PeerAuthentication", "{ mtls: { mode: strict } }"],
        [
          "AuthorizationPolicy",
          "{ action: Allow, rules: [ { from: [ { source: { Principals: [ cluster.local/ns/shop/sa/web ] } } ] } ] }",
        ],
      ].map(
        ([kind = "", spec = ""]) =>
          `---\napiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: { name: default, namespace: shop }\nspec: ${spec}\n`,
      ),
    ),
};

/** How many of the documents that a rule finds something in have a certain repair; none for every other rule. */
const repairs: Readonly<Record<string, { readonly of: number; readonly opens?: true; readonly closes?: true }>> = {
  "namespace-default-deny": { of: 1 },
  "metadata-endpoints-closed": { of: 1, closes: true },
  "not-understood": { of: 12, opens: true, closes: true },
  "tier0-restricted": { of: 1, opens: true },
  "dns-cut": { of: 6, opens: true },
  "spoofable-peer": { of: 1 },
  "fqdn-without-dns-proxy": { of: 3, opens: true },
  "fqdn-matches-nothing": { of: 1, opens: true, closes: true },
  "explicit-default-deny": { of: 2 },
  "section-without-effect": { of: 2 },
  "selector-key-unknown": { of: 4, opens: true },
  "mesh-peer-matches-nobody": { of: 1, opens: true },
  "health-endpoint-cut": { of: 4 },
  "ingress-proxy-cut": { of: 5 },
};

function judge(text: string, options: FindingOptions): Judged {
  const reachability = compile(buildSnapshot(readYaml(text, file).objects));
  return { reachability, findings: evaluate(reachability, options) };
}

const idsOf = (findings: readonly Finding[]): string[] => findings.filter(isViolation).map(({ id }) => id);

describe("check --fix: which findings have a certain repair", () => {
  for (const { id } of rules) {
    const { of, opens = false, closes = false } = repairs[id] ?? { of: 0 };
    const { bad = [], options = {} } = cases[id] ?? {};
    const texts = [...bad.map(([text]) => text), ...(more[id] ?? [])];
    it(`${id}: ${of === 0 ? "a person decides" : "the finding goes, nothing else is found, paths change only as it tells"}`, () => {
      let count = 0;
      for (const text of texts) {
        const before = judge(text, options);
        const result = repaired(
          new Map([[file, text]]),
          (changed) => judge(changed.get(file) ?? text, options),
          (finding) => finding.id === id,
        );
        if (result.repairs.length === 0) continue;
        count++;
        const after = judge(result.texts.get(file) ?? text, options);
        const [was, is] = [idsOf(before.findings), idsOf(after.findings)];
        assert.ok(
          is.filter((each) => each === id).length < was.filter((each) => each === id).length,
          `${id} stays: ${text}`,
        );
        // what is understood now is judged for the first time
        if (id !== "not-understood")
          assert.deepEqual(
            is.filter((each) => !was.includes(each)),
            [],
            text,
          );
        for (const path of diff(before.reachability, after.reachability)) {
          assert.ok(
            (opens || !path.opens) && (closes || !path.closes),
            `${path.sourceId} -> ${path.destinationId}: ${text}`,
          );
        }
      }
      assert.equal(count, of);
    });
  }
});
