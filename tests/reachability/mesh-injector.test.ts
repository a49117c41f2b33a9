/** The injector's own configuration: who gets a proxy where neither the pod nor its annotations say so. */
import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Verdict } from "../../sdk/reachability";

const cluster = (namespaceLabels: string, podMetadata = ""): string => `apiVersion: v1
kind: Namespace
metadata: { name: store, labels: { ${namespaceLabels} } }
---
apiVersion: v1
kind: Namespace
metadata: { name: legacy, labels: { istio-injection: disabled } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: store }
spec:
  template:
    metadata: { labels: { app: web, tier: front }${podMetadata} }
    spec: { containers: [{ name: main, image: main }] }
---
apiVersion: v1
kind: Pod
metadata: { name: batch, namespace: legacy }
spec: { containers: [{ name: main, image: main }] }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: store }
spec: { mtls: { mode: STRICT } }
---
`;
const labelled = "istio-injection: enabled";

const configMap = (config: string, name = "istio-sidecar-injector"): string => `apiVersion: v1
kind: ConfigMap
metadata: { name: ${name}, namespace: istio-system }
data:
  config: |-
${config.replace(/^/gm, "    ")}
---
`;
const configOf = (policy: string, always = "[]", never = "[]"): string =>
  `defaultTemplates: [sidecar]\npolicy: ${policy}\nalwaysInjectSelector: ${always}\nneverInjectSelector: ${never}\ntemplates:\n  sidecar: |\n    {{- if true }}\n    spec: {}`;
const release = (values: string): string => `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: istiod, namespace: istio-system }
spec: { chart: { spec: { chart: istiod } }, values: ${values} }
---
`;
const front = "[{ matchLabels: { tier: front } }]";
const back = "[{ matchExpressions: [{ key: tier, operator: In, values: [back] }] }]";

/** Plaintext to the web, which is denied where that has a proxy. */
function plaintext(text: string): Verdict {
  const { objects, problems } = readYaml(text, "all.yaml");
  assert.deepEqual(problems, []);
  return compile(buildSnapshot(objects, { profile: profileFor("kubernetes") })).verdict({
    source: { kind: "workload", id: "legacy/batch[Pod]" },
    destination: { kind: "workload", id: "store/web[Deployment]" },
    protocol: "TCP",
    port: 8080,
  });
}

describe("Istio: the injector's configuration", () => {
  const rows: readonly (readonly [title: string, text: string, verdict: Verdict])[] = [
    ["none in the snapshot", cluster(labelled), "denied"],
    ["the chart's own", cluster(labelled) + configMap(configOf("enabled")), "denied"],
    ["policy disabled", cluster(labelled) + configMap(configOf("disabled")), "allowed"],
    [
      "policy disabled, and the pod's label",
      cluster(labelled, "").replace("tier: front }", 'tier: front, sidecar.istio.io/inject: "true" }') +
        configMap(configOf("disabled")),
      "denied",
    ],
    ["policy disabled, always for its labels", cluster(labelled) + configMap(configOf("disabled", front)), "denied"],
    ["policy disabled, always for others", cluster(labelled) + configMap(configOf("disabled", back)), "allowed"],
    ["never for its labels", cluster(labelled) + configMap(configOf("enabled", "[]", front)), "allowed"],
    ["never before always", cluster(labelled) + configMap(configOf("enabled", front, front)), "allowed"],
    ["an empty selector says nothing", cluster(labelled) + configMap(configOf("enabled", "[]", "[{}]")), "denied"],
    [
      "never for its labels, and an annotation",
      cluster(labelled, ', annotations: { sidecar.istio.io/inject: "true" }') +
        configMap(configOf("enabled", "[]", front)),
      "denied",
    ],
    [
      "revisions that differ",
      cluster(labelled) +
        configMap(configOf("enabled")) +
        configMap(configOf("enabled", "[]", front), "istio-sidecar-injector-canary"),
      "unknown",
    ],
    ["a text that is no map", cluster(labelled) + configMap("{{ template }}"), "unknown"],
    [
      "values of the chart",
      cluster(labelled) +
        release("{ sidecarInjectorWebhook: { neverInjectSelector: [{ matchLabels: { app: web } }] } }"),
      "allowed",
    ],
    ["autoInject disabled", cluster(labelled) + release("{ global: { proxy: { autoInject: disabled } } }"), "allowed"],
    ["no label on the namespace", cluster("") + release("{}"), "allowed"],
    [
      "namespaces by default",
      cluster("") + release("{ sidecarInjectorWebhook: { enableNamespacesByDefault: true } }"),
      "denied",
    ],
    [
      "namespaces by default, and one that refuses",
      cluster("istio-injection: disabled") + release("{ sidecarInjectorWebhook: { enableNamespacesByDefault: true } }"),
      "allowed",
    ],
  ];
  for (const [title, text, verdict] of rows) it(title, () => assert.equal(plaintext(text), verdict));

  it("the mesh's configuration is read as YAML, whatever its form", () => {
    const mesh = (form: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: istio-system }\ndata:\n  mesh: |-\n    ${form}\n---\n`;
    const rooted = cluster(labelled).replace("namespace: store }\nspec: { mtls", "namespace: root }\nspec: { mtls");
    for (const form of [
      "rootNamespace: root",
      "{ rootNamespace: root, trustDomainAliases: [a] }",
      '"rootNamespace": root',
    ]) {
      assert.equal(plaintext(rooted + mesh(form)), "denied", form);
    }
    assert.equal(plaintext(rooted), "allowed");
  });
});

describe("Istio: mutual TLS that clients do not find out about by themselves", () => {
  const pods = ["web", "api"]
    .map(
      (name) =>
        `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, namespace: store, labels: { app: ${name} } }\nspec: { serviceAccountName: ${name}, containers: [{ name: main, image: main }] }\n---\n`,
    )
    .join("");
  const base = `apiVersion: v1\nkind: Namespace\nmetadata: { name: store, labels: { ${labelled} } }\n---\n${pods}`;
  const service = `apiVersion: v1\nkind: Service\nmetadata: { name: web, namespace: store }\nspec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }\n---\n`;
  const mesh = (setting: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: istio-system }\ndata:\n  mesh: |-\n    ${setting}\n---\n`;
  const rule = (tls: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: web, namespace: store }\nspec: { host: web, trafficPolicy: ${tls} }\n---\n`;
  const strict = `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: store }\nspec: { mtls: { mode: STRICT } }\n---\n`;
  const principals = `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: web, namespace: store }\nspec: { rules: [{ from: [{ source: { principals: ["cluster.local/ns/store/sa/api"] } }] }] }\n---\n`;
  const off = mesh("enableAutoMtls: false");
  const rows: readonly (readonly [title: string, text: string, verdict: Verdict])[] = [
    ["on, as by default", base + service + strict, "allowed"],
    ["on", base + service + strict + mesh("enableAutoMtls: true"), "allowed"],
    ["off", base + service + strict + off, "denied"],
    ["off, without a Service", base + strict + off, "denied"],
    ["off, and principals", base + service + principals + off, "denied"],
    ["off, and nothing asks for it", base + service + off, "allowed"],
    ["off, and a DestinationRule", base + service + strict + off + rule("{ tls: { mode: ISTIO_MUTUAL } }"), "allowed"],
    ["off, and a DestinationRule without TLS", base + service + strict + off + rule("{}"), "denied"],
    [
      "off, by the chart's values",
      base + service + strict + release("{ meshConfig: { enableAutoMtls: false } }"),
      "denied",
    ],
  ];
  for (const [title, text, verdict] of rows) {
    it(title, () => {
      const { objects } = readYaml(text, "all.yaml");
      const flow = { protocol: "TCP", port: 8080 } as const;
      const source = { kind: "workload", id: "store/api[Pod]" } as const;
      const destination = { kind: "workload", id: "store/web[Pod]" } as const;
      const reachability = compile(buildSnapshot(objects, { profile: profileFor("kubernetes") }));
      assert.equal(reachability.verdict({ source, destination, ...flow }), verdict);
      const row = [...reachability.matrix()].find(
        ({ sourceId, destinationId }) => sourceId === source.id && destinationId === destination.id,
      );
      assert.equal(row?.possible.contains("TCP", 8080) === true, verdict !== "denied");
    });
  }
});
