import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import {
  buildSnapshot,
  compile,
  exposure,
  hygiene,
  profileFor,
  readYaml,
  unknownValue,
  type KubeObject,
  type Peer,
  type SourcedObject,
} from "../../sdk/reachability";

const pod: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "a", labels: { app: "p" } },
  spec: { containers: [{ name: "main", image: "main", ports: [{ name: "http", containerPort: 80 }] }] },
};
const other: KubeObject = { ...pod, metadata: { name: "q", namespace: "b", labels: { app: "q" } } };
const ends: Peer[] = [
  { kind: "workload", id: "a/p[Pod]" },
  { kind: "workload", id: "b/q[Pod]" },
  { kind: "freshPod", namespace: "a" },
  { kind: "address", address: "169.254.169.254" },
  { kind: "address", address: "fd00:ec2::254" },
  { kind: "node", where: "local" },
  { kind: "node", where: "remote" },
  { kind: "kubeApiserver" },
  { kind: "fqdn", name: "example.com" },
];

const denyAll = (spec: unknown): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "broken", namespace: "a" },
  spec,
});

function judge(...objects: KubeObject[]) {
  return compile(buildSnapshot([pod, other, ...objects].map((object): SourcedObject => ({ object }))));
}

describe("what cannot be understood", () => {
  it("is a problem, and never makes a verdict allowed", () => {
    const broken: unknown[] = [
      "text",
      [],
      { podSelector: "app=p" },
      { podSelector: { matchLabels: ["app"] } },
      { podSelector: { matchExpressions: [{ key: "app", operator: "Is", values: ["p"] }] } },
      { podSelector: {}, policyTypes: ["Inwards"] },
      { podSelector: {}, policyTypes: "Ingress" },
      { podSelector: {}, ingress: "none" },
      { podSelector: {}, ingress: ["anything"] },
      { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: "300.0.0.0/8" } }] }] },
      { podSelector: {}, ingress: [{ ports: [{ port: 70000 }] }] },
      { podSelector: {}, ingress: [{ ports: [{ port: 80, protocol: "HTTP" }] }] },
      { podSelector: {}, unheardOf: true },
    ];
    for (const spec of broken) {
      const reachability = judge(denyAll(spec));
      assert.ok(reachability.snapshot.problems.length > 0, JSON.stringify(spec));
      const verdict = reachability.verdict({ source: ends[1]!, destination: ends[0]!, protocol: "TCP", port: 443 });
      assert.equal(verdict, "unknown", JSON.stringify(spec));
    }
  });

  it("a policy whose selector Calico's API refuses is named and is not in force", () => {
    const selectors = ["app ==", "app == web", "has(", "(((", "app in {'p'", "app === 'p'", `${"(".repeat(1000)}all()`];
    for (const selector of selectors) {
      const policy: KubeObject = {
        apiVersion: "projectcalico.org/v3",
        kind: "GlobalNetworkPolicy",
        metadata: { name: "x" },
        spec: { selector, types: ["Ingress"], ingress: [{ action: "Allow" }] },
      };
      const objects = [pod, other, policy].map((object): SourcedObject => ({ object }));
      const reachability = compile(buildSnapshot(objects, { profile: profileFor("calico") }));
      const [problem] = reachability.snapshot.problems;
      assert.equal(problem?.path, "spec.selector", selector);
      assert.equal(problem?.affectsVerdicts, true);
      const flow = { source: ends[1]!, destination: ends[0]!, protocol: "TCP", port: 443 } as const;
      assert.match(problem.message, /is not a selector of Calico/, selector);
      assert.equal(reachability.verdict(flow), "allowed", selector);
    }
  });

  it("takes policies of unknown kinds and versions for policies that may do anything", () => {
    const strange: KubeObject[] = [
      { ...denyAll({}), apiVersion: "networking.k8s.io/v7" },
      { apiVersion: "cilium.io/v9", kind: "CiliumNetworkPolicy", metadata: { name: "x", namespace: "a" }, spec: {} },
      { apiVersion: "crd.antrea.io/v1beta1", kind: "ClusterNetworkPolicy", metadata: { name: "x" }, spec: {} },
    ];
    for (const policy of strange) {
      const reachability = judge(policy);
      assert.equal(reachability.snapshot.problems[0]?.code, "unsupported", policy.apiVersion);
      const verdict = reachability.verdict({ source: ends[1]!, destination: ends[0]!, protocol: "TCP", port: 443 });
      assert.equal(verdict, "unknown", policy.apiVersion);
    }
  });

  it("never crashes the engine, whatever stands in an object", function () {
    this.timeout(60_000);
    const kinds = [
      ["networking.k8s.io/v1", "NetworkPolicy", "kubernetes"],
      ["cilium.io/v2", "CiliumNetworkPolicy", "cilium"],
      ["cilium.io/v2", "CiliumClusterwideNetworkPolicy", "cilium"],
      ["policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "kubernetes"],
      ["policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "kubernetes"],
      ["projectcalico.org/v3", "NetworkPolicy", "calico"],
      ["projectcalico.org/v3", "GlobalNetworkPolicy", "calico"],
      ["projectcalico.org/v3", "Tier", "calico"],
      ["projectcalico.org/v3", "GlobalNetworkSet", "calico"],
      ["security.istio.io/v1", "AuthorizationPolicy", "kubernetes"],
      ["security.istio.io/v1", "PeerAuthentication", "kubernetes"],
      ["v1", "Pod", "kubernetes"],
      ["v1", "Service", "cilium"],
      ["v1", "Namespace", "kubernetes"],
      ["v1", "Node", "kubernetes"],
      ["apps/v1", "Deployment", "kubernetes"],
      ["batch/v1", "CronJob", "kubernetes"],
      ["discovery.k8s.io/v1", "EndpointSlice", "kubernetes"],
      ["cilium.io/v2", "CiliumCIDRGroup", "cilium"],
      ["networking.k8s.io/v1", "Ingress", "cilium"],
      ["networking.k8s.io/v1", "IngressClass", "kubernetes"],
      ["gateway.networking.k8s.io/v1", "Gateway", "kubernetes"],
      ["gateway.networking.k8s.io/v1", "HTTPRoute", "kubernetes"],
      ["gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "kubernetes"],
      ["networking.istio.io/v1", "ServiceEntry", "kubernetes"],
    ] as const;
    const names = (
      "spec podSelector matchLabels matchExpressions key operator values ingress egress from to ports port protocol endPort " +
      "ipBlock cidr except namespaceSelector policyTypes endpointSelector fromEndpoints toEndpoints toPorts toCIDRSet toFQDNs " +
      "toEntities fromEntities ingressDeny egressDeny enableDefaultDeny icmps toServices tier priority subject namespaces pods " +
      "action protocols networks domainNames selector types source destination nets order rules when principals mtls mode " +
      "portLevelMtls targetRefs kind name namespace group listeners allowedRoutes protocol hostnames parentRefs backendRefs filters " +
      "gatewayClassName ingressClassName hosts type externalIPs loadBalancerSourceRanges targetPort template containers metadata labels status addresses podIPs subsets endpoints hostNetwork items"
    ).split(" ");
    const leaf = fc.oneof(
      fc.constantFrom<unknown>(
        null,
        true,
        0,
        -1,
        80,
        1e9,
        "",
        "x",
        "10.0.0.0/8",
        "Allow",
        "Deny",
        "Ingress",
        "In",
        unknownValue,
      ),
      fc.string({ maxLength: 4 }),
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        leaf,
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie("tree"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(fc.constantFrom(...kinds), tree, tree, tree, ([apiVersion, kind, cni], spec, rest, metadata) => {
        const fields = typeof rest === "object" && rest !== null && !Array.isArray(rest) ? rest : {};
        const meta = { name: "x", namespace: "a", labels: metadata };
        const object = { ...fields, apiVersion, kind, metadata: meta, spec } as unknown as KubeObject;
        const objects = [pod, other, object].map((each): SourcedObject => ({ object: each }));
        const reachability = compile(buildSnapshot(objects, { profile: profileFor(cni) }));
        for (const source of ends) {
          for (const destination of ends) {
            const flow = { source, destination, protocol: "TCP", port: 80 } as const;
            assert.equal(reachability.explain(flow).verdict, reachability.verdict(flow));
          }
        }
        assert.ok([...reachability.matrix()].length >= 0);
        // nothing that is not understood makes these throw
        assert.ok([...exposure(reachability)].length >= 2 || kind === "Pod");
        assert.ok([...hygiene(reachability)].length >= 0);
      }),
      { numRuns: 200 },
    );
  });
});

describe("readYaml", () => {
  it("reads what is whole and reports what is not, with file and line", () => {
    const text =
      "# first\n---\napiVersion: v1\nkind: Namespace\nmetadata: { name: a }\n---\nx: [\n---\na: 1\n---\nkind: Pod\n";
    const { objects, problems } = readYaml(text, "all.yaml");
    assert.deepEqual(
      objects.map(({ object, source }) => [object.kind, source?.line]),
      [["Namespace", 3]],
    );
    assert.deepEqual(
      problems.map(({ code, source }) => [code, source?.file, source?.line]),
      [
        ["not-an-object", "all.yaml", 8],
        ["not-an-object", "all.yaml", 9],
        ["not-an-object", "all.yaml", 11],
      ],
    );
  });

  it("of a key that stands twice the last one counts, and it is said", () => {
    const { objects, problems } = readYaml("apiVersion: v1\nkind: Pod\nkind: Node\n", "f.yaml");
    assert.deepEqual(
      [objects.map(({ object }) => object.kind), problems.map(({ code, source }) => [code, source?.line])],
      [["Node"], [["duplicate", 3]]],
    );
  });

  it("an alias that is a key ends before its colon, as kubectl reads it", () => {
    const text = [
      "apiVersion: v1",
      "kind: ConfigMap",
      "metadata: { name: &app web }",
      "data:",
      "  *app: x",
      "  more: { *app: z }",
      "  script: |",
      "    *app: stays",
      "---",
      "apiVersion: v1",
      "kind: ConfigMap",
      "metadata: { name: other }",
      "data: { *none: x }",
    ].join("\n");
    const { objects, problems } = readYaml(text, "a.yaml");
    const read = objects.map(({ object }) => object["data"]);
    assert.deepEqual(read, [{ web: "x", more: { web: "z" }, script: "*app: stays\n" }]);
    assert.deepEqual(
      problems.map(({ code, source }) => [code, source?.line]),
      [["unreadable", 13]],
    );
  });

  it("refuses endless aliases and thousands of levels", () => {
    const texts = [
      "[".repeat(10_000) + "]".repeat(10_000),
      '{"a":'.repeat(10_000) + "1" + "}".repeat(10_000),
      Array.from({ length: 10_000 }, (_each, depth) => `${" ".repeat(depth)}a:\n`).join(""),
      "apiVersion: v1\nkind: Pod\nspec: &x { self: *x }\n",
    ];
    for (const text of texts) {
      const { objects, problems } = readYaml(text, "f.yaml");
      const code = text.includes("kind:") ? "unreadable" : "not-an-object";
      assert.deepEqual([objects.length, problems[0]?.code], [0, code], text.slice(0, 40));
    }
  });

  it("unpacks lists and JSON", () => {
    const list = { apiVersion: "v1", kind: "PodList", items: [{ metadata: { name: "x" } }, pod] };
    assert.deepEqual(
      readYaml(JSON.stringify(list)).objects.map(({ object }) => [object.apiVersion, object.kind]),
      [
        ["v1", "Pod"],
        ["v1", "Pod"],
      ],
    );
  });

  it("loads the parser that knows lines only when a line is wanted", () => {
    const program = `
      const { readYaml, lineOfPath } = require(${JSON.stringify(require.resolve("../../sdk/reachability"))});
      const loaded = () => Object.keys(require.cache).some((file) => /node_modules.yaml./.test(file));
      readYaml("a: [");
      const before = loaded();
      const line = lineOfPath("apiVersion: v1\\nspec:\\n  a:\\n    - b: 1\\n", 1, "spec.a[0].b");
      console.log(JSON.stringify([before, line, loaded()]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--require", "tsx/cjs", "--eval", program], {
      encoding: "utf8",
    });
    assert.equal(stdout.trim(), "[false,4,true]", stderr);
  });
});
