import { strict as assert } from "node:assert";
import { folderWith, run } from "./command";
import { defaultDeny, deployment, join, namespace } from "./fixtures";

interface Shown {
  readonly rule: string;
  readonly severity: string;
  readonly state: string;
  readonly subject: { readonly kind: string; readonly namespace?: string; readonly name: string };
  readonly message: string;
  readonly because: readonly string[];
  readonly sources: readonly { readonly file?: string }[];
}

interface Checked {
  readonly findings: readonly Shown[];
  /** Critical and high findings that are no exemption. */
  readonly loud: readonly Shown[];
  readonly stderr: string;
}

async function check(files: Readonly<Record<string, string>>, ...options: string[]): Promise<Checked> {
  const { folder, remove } = folderWith(files);
  try {
    const { stdout, stderr } = await run(["check", ".", "--format", "json", ...options], { cwd: folder });
    const findings = JSON.parse(stdout) as Shown[];
    const loud = findings.filter(
      ({ severity, state }) => ["critical", "high"].includes(severity) && ["violation", "possible"].includes(state),
    );
    return { findings, loud, stderr };
  } finally {
    remove();
  }
}

const says = (shown: readonly Shown[]): string => JSON.stringify(shown.map(({ rule, message }) => [rule, message]));

function bare(text: string): string {
  return text.replace(/^ {2}namespace: .*\n/gm, "");
}

const release = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: web }
spec: { chartRef: { kind: OCIRepository, name: web } }
`;
const closed = (name: string): string => defaultDeny.replace("namespace: shop", `namespace: ${name}`);
const meshNamespace = (name: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { istio-injection: enabled } }\n`;
const istiod = `apiVersion: apps/v1
kind: Deployment
metadata: { name: istiod, namespace: istio-system }
spec:
  template:
    metadata: { labels: { app: istiod } }
    spec: { containers: [{ name: discovery, image: docker.io/istio/pilot:1.27.0 }] }
`;

describe("cluster-security: what a raw repository is not accused of", () => {
  for (const name of ["_", "${NS}", "PLACEHOLDER", "<namespace>", "placeholder", "change-me", "{{ .Values.ns }}"]) {
    it(`a namespace called ${name} is a placeholder: nothing is said of its pods`, async () => {
      const text = `apiVersion: v1\nkind: Namespace\nmetadata: { name: "${name}" }\n`;
      const pods = deployment("NS", "web", 80).replace("NS", `"${name}"`);
      const { loud } = await check({ "a.yaml": join(text, pods) });
      assert.deepEqual(says(loud), "[]");
    });
  }

  it("a Namespace of a component, whose name every kustomization replaces, is none", async () => {
    const { loud, stderr } = await check({
      "components/namespace/kustomization.yaml": "kind: Component\nresources: [namespace.yaml]\n",
      "components/namespace/namespace.yaml": namespace("not-used"),
      "apps/media/kustomization.yaml":
        "namespace: media\ncomponents: [../../components/namespace]\nresources: [web.yaml]\n",
      "apps/media/web.yaml": release,
      "apps/tools/kustomization.yaml":
        "namespace: tools\ncomponents: [../../components/namespace]\nresources: [web.yaml]\n",
      "apps/tools/web.yaml": release,
    });
    assert.deepEqual(says(loud), "[]", stderr);
  });

  it("a kustomization's namespace replaces that of what it takes in, and the name of a Namespace", async () => {
    const files = {
      "config/default/kustomization.yaml": "namespace: shop-system\nresources: [../manager, policy.yaml]\n",
      "config/default/policy.yaml": bare(closed("x")),
      "config/manager/kustomization.yaml": "resources: [manager.yaml]\n",
      "config/manager/manager.yaml": join(namespace("system"), deployment("system", "manager", 8080)),
    };
    const { loud, stderr } = await check(files);
    assert.deepEqual(says(loud), "[]", stderr);
    const open = await check({ ...files, "config/default/policy.yaml": "" });
    assert.match(says(open.loud), /Namespace shop-system/);
    assert.doesNotMatch(says(open.loud), /Namespace system/);
  });

  it("a kustomization without apiVersion and kind is one, whatever it holds below", async () => {
    const vars = "vars: [{ name: X, objref: { kind: Service, name: x, apiVersion: v1 } }]\n"
      .replace("[{", "\n- {")
      .replace("}]", "}");
    const { loud } = await check({
      "default/kustomization.yaml": `namespace: shop-system\nbases: [../manager]\nresources: [deny.yaml]\n${vars}`,
      "default/deny.yaml": bare(closed("x")),
      "manager/kustomization.yaml": "resources: [manager.yaml]\n",
      "manager/manager.yaml": join(namespace("system"), deployment("system", "manager", 8080)),
    });
    assert.deepEqual(says(loud), "[]");
  });

  it("one base in two overlays lies in both namespaces, and in no other", async () => {
    const files = {
      "base/kustomization.yaml": "resources: [web.yaml]\n",
      "base/web.yaml": bare(deployment("x", "web", 80)),
      "dev/kustomization.yaml": "namespace: dev\nresources: [../base, deny.yaml]\n",
      "dev/deny.yaml": bare(closed("x")),
      "prod/kustomization.yaml": "namespace: prod\nresources: [../base, deny.yaml]\n",
      "prod/deny.yaml": bare(closed("x")),
    };
    assert.deepEqual(says((await check(files)).loud), "[]");
    const { loud } = await check({ ...files, "dev/deny.yaml": "" });
    assert.match(says(loud), /Namespace dev/);
    assert.doesNotMatch(says(loud), /Namespace (prod|default)/);
  });

  it("what lies in a component that nothing takes in lies in no namespace that is known", async () => {
    const { loud } = await check({
      "components/web/kustomization.yaml": "kind: Component\nresources: [web.yaml]\n",
      "components/web/web.yaml": bare(deployment("x", "web", 80)),
    });
    assert.deepEqual(says(loud), "[]");
  });

  describe("a default deny of a component", () => {
    const files = {
      "components/deny/kustomization.yaml": "kind: Component\nresources: [deny.yaml]\n",
      "components/deny/deny.yaml": bare(closed("x")),
      "base/kustomization.yaml": "resources: [web.yaml]\n",
      "base/web.yaml": bare(deployment("x", "web", 80)),
      "prod/kustomization.yaml": "namespace: shop\nresources: [../base]\ncomponents: [../components/deny]\n",
    };

    it("holds where a kustomization takes it in", async () => {
      const { findings } = await check(files);
      assert.deepEqual(says(findings.filter(({ rule }) => rule === "namespace-default-deny")), "[]");
    });

    it("holds in the namespace of its overlay, and not in that of another", async () => {
      const dev = { "dev/kustomization.yaml": "namespace: dev\nresources: [../base]\n" };
      const { findings } = await check({ ...files, ...dev });
      const found = findings.filter(({ rule }) => rule === "namespace-default-deny");
      assert.match(says(found), /Namespace dev has no default deny/);
      assert.doesNotMatch(says(found), /Namespace shop/);
    });

    it("possibly holds where another overlay of the same namespace leaves it out, or nothing takes it in", async () => {
      const test = { "test/kustomization.yaml": "namespace: shop\nresources: [../base]\n" };
      const { findings } = await check({ ...files, ...test });
      const found = findings.filter(({ rule }) => rule === "namespace-default-deny");
      assert.match(says(found), /Namespace shop possibly has no default deny/);
      const alone = await check({ ...files, "prod/kustomization.yaml": "namespace: shop\nresources: [../base]\n" });
      assert.match(
        says(alone.findings.filter(({ rule }) => rule === "namespace-default-deny")),
        /Namespace shop possibly has no default deny/,
      );
    });
  });

  it("objects without a namespace open no namespace in which nothing runs", async () => {
    const policy = bare(defaultDeny).replace("[Ingress, Egress]", "[Ingress]");
    const { loud } = await check({ "a.yaml": join(policy, release) });
    assert.deepEqual(says(loud), "[]");
    const named = await check({ "a.yaml": join(policy, release) }, "--default-namespace", "media");
    assert.deepEqual(says(named.loud), "[]");
    const running = await check({ "a.yaml": join(policy, bare(deployment("x", "web", 80))) });
    assert.match(says(running.loud), /Namespace default/);
  });

  it("an unknown namespace is not taken for a member of a mesh", async () => {
    const web = deployment("NS", "web", 80).replace("NS", '"${NS}"');
    const { findings } = await check({ "a.yaml": join(meshNamespace("shop"), istiod, closed("shop"), web) });
    const mesh = findings.filter(({ rule }) => rule === "mtls-not-strict");
    assert.doesNotMatch(says(mesh), /unknown|web/);
    assert.match(says(mesh), /namespace shop/);
  });

  it("Jobs with one generateName are several Jobs", async () => {
    const job = (app: string): string => `apiVersion: batch/v1
kind: Job
metadata: { generateName: migrate-, namespace: shop }
spec: { template: { metadata: { labels: { app: ${app} } }, spec: { restartPolicy: Never, containers: [] } } }
`;
    const { findings, stderr } = await check({ "a.yaml": join(namespace("shop"), closed("shop"), job("a"), job("b")) });
    assert.doesNotMatch(says(findings) + stderr, /more than once/);
  });

  const labelled = (name: string, level: string): string =>
    `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { level: ${level} } }\n`;

  it("Namespaces and objects that differ between overlays are one finding, medium at most", async () => {
    const overlay = (level: string): string => join(labelled("shop", level), labelled("tools", level));
    const { findings, loud, stderr } = await check({
      "a/kustomization.yaml": "resources: [ns.yaml]\n",
      "a/ns.yaml": overlay("one"),
      "b/kustomization.yaml": "resources: [ns.yaml]\n",
      "b/ns.yaml": overlay("two"),
      "c.yaml": join(closed("shop"), closed("tools")),
    });
    assert.deepEqual(says(loud), "[]", stderr);
    const about = findings.filter(({ rule }) => rule === "not-understood");
    assert.equal(about.length, 1, says(about));
    assert.equal(about[0]?.severity, "medium");
    assert.match(about[0]?.message ?? "", /Namespace shop and Namespace tools/);
    assert.doesNotMatch(says(findings) + stderr, /which one counts|not defined/);
    assert.deepEqual([...new Set(about[0]?.sources.map(({ file }) => file))].sort(), ["a/ns.yaml", "b/ns.yaml"]);
  });

  it("what a patch changes is one finding for each patch, medium at most", async () => {
    const { findings, loud, stderr } = await check({
      "base/kustomization.yaml": "resources: [ns.yaml]\n",
      "base/ns.yaml": join(labelled("shop", "a"), labelled("tools", "a"), closed("shop"), closed("tools")),
      "prod/kustomization.yaml": "resources: [../base]\npatches: [{ path: labels.yaml }]\n",
      "prod/labels.yaml": join(labelled("shop", "b"), labelled("tools", "b")),
    });
    assert.deepEqual(says(loud), "[]", stderr);
    const about = findings.filter(({ rule }) => rule === "not-understood");
    assert.equal(about.length, 1, says(about));
    assert.match(about[0]?.message ?? "", /prod\/labels\.yaml/);
  });

  it("labels that differ between overlays make nobody a certain member of a mesh", async () => {
    const { loud, findings } = await check({
      "a/kustomization.yaml": "resources: [ns.yaml]\n",
      "a/ns.yaml": meshNamespace("tools"),
      "b/kustomization.yaml": "resources: [ns.yaml]\n",
      "b/ns.yaml": namespace("tools"),
      "c.yaml": join(istiod, meshNamespace("shop"), closed("shop"), closed("tools")),
    });
    assert.doesNotMatch(says(loud), /tools/);
    assert.match(says(findings), /Pods that may be in the mesh, in namespace tools/);
  });

  it("a patch that a kustomization does not list is no workload", async () => {
    const { loud } = await check({
      "config/kustomization.yaml": "namespace: shop\nresources: [deny.yaml]\n",
      "config/deny.yaml": bare(closed("x")),
      "config/pull_secret.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: { name: manager, namespace: system }
spec: { template: { spec: { imagePullSecrets: [{ name: key }] } } }
`,
    });
    assert.deepEqual(says(loud), "[]");
  });

  it("a namespace that only nodes enter, on some ports, has a default deny: medium at most", async () => {
    const webhook = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: webhook, namespace: shop }
spec:
  endpointSelector: {}
  ingress:
    - fromEntities: [kube-apiserver, remote-node, host]
      toPorts: [{ ports: [{ port: "8443", protocol: TCP }] }]
  egress: [{}]
`;
    const { loud, findings } = await check({ "a.yaml": join(namespace("shop"), webhook) });
    assert.doesNotMatch(says(loud), /namespace-default-deny/);
    assert.match(says(findings), /Namespace shop .* other nodes on TCP 8443/);
    const open = await check({ "a.yaml": join(namespace("shop"), webhook.replace("host]", "host, cluster]")) });
    assert.match(says(open.loud), /namespace-default-deny/);
  });

  it("a name that is filled in later opens no pods and nothing beside it", async () => {
    const named = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names, namespace: shop }
spec:
  endpointSelector: {}
  ingress: [{}]
  egress:
    - toFQDNs: [{ matchName: "auth.\${domain}" }]
      toPorts: [{ ports: [{ port: "443", protocol: TCP }] }]
    - toEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system, k8s-app: kube-dns } }]
      toPorts: [{ ports: [{ port: "53", protocol: ANY }], rules: { dns: [{ matchPattern: "*" }] } }]
`;
    const files = { "a.yaml": join(namespace("shop"), deployment("shop", "web", 80), named) };
    const { loud } = await check(files);
    assert.doesNotMatch(says(loud), /namespace-default-deny/);
    assert.match(says(loud), /matchName is not known/);
    const { folder, remove } = folderWith(files);
    try {
      const ran = await run(["query", "shop/web", "auth.example.com:443", "."], { cwd: folder });
      assert.match(ran.stdout, /^unknown/);
    } finally {
      remove();
    }
  });

  it("what the enforcer does not read for one reason is one finding", async () => {
    const policy = (name: string): string =>
      `apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: { name: default.${name}, namespace: shop }\nspec: { selector: all(), types: [Ingress] }\n`;
    const texts = ["a", "b", "c"].map(policy);
    const { findings } = await check({ "a.yaml": join(namespace("shop"), ...texts) }, "--cni", "cilium@1.20");
    const about = findings.filter(({ rule }) => rule === "not-understood");
    assert.equal(about.length, 1, says(about));
    assert.match(about[0]?.message ?? "", /default\.a \(and 2 more like it\)/);
  });

  it("one field that is not understood in several rules of a policy is one finding", async () => {
    const rule = "{ action: Pass, name: x, to: [{ namespaces: { somethingNew: {} } }] }";
    const policy = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: pass }
spec: { tier: Admin, priority: 10, subject: { namespaces: {} }, egress: [${rule}, ${rule}, ${rule}] }
`;
    const { findings } = await check({ "a.yaml": join(namespace("shop"), policy) }, "--cni", "cilium@1.20");
    const about = findings.filter(({ rule: id }) => id === "not-understood");
    assert.equal(about.length, 1, says(about));
  });

  it("the same policy twice, without overlays, stays a finding of its own", async () => {
    const { loud } = await check({
      "a.yaml": join(namespace("shop"), closed("shop")),
      "b.yaml": closed("shop").replace("[Ingress, Egress]", "[Ingress]"),
    });
    assert.match(says(loud), /default-deny-all/);
  });

  it("what is possible for one cause is one finding with all its workloads", async () => {
    const allow = (name: string): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec: { podSelector: { matchLabels: { app: ${name} } }, policyTypes: [Egress], egress: [{}] }
`;
    const names = ["ads", "cart", "mail"];
    const policies = names.map(allow);
    const { loud } = await check({
      "base.yaml": join(namespace("shop"), ...names.map((name) => deployment("shop", name, 80)), ...policies),
      "other.yaml": join(...policies.map((text) => text.replace("egress: [{}]", "egress: []"))),
      "deny.yaml": closed("shop"),
    });
    const metadata = loud.filter(({ rule }) => rule === "metadata-endpoints-closed");
    assert.equal(metadata.length, 1, says(metadata));
    for (const name of names) assert.match(metadata[0]?.message ?? "", new RegExp(`shop/${name}\\b`));
  });

  it("stderr is short: one line a kind, with how many more and how to see them", async () => {
    const open = (count: number): string =>
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web-${count}, namespace: shop, labels: { a: "{{ x }}" } }\n`;
    const files = Object.fromEntries([
      ...Array.from({ length: 30 }, (_, count): [string, string] => [`web-${count}.yaml`, open(count)]),
      ...Array.from({ length: 12 }, (_, count): [string, string] => [
        `long/folder/name/values-${count}.yaml`,
        "a: 1\n",
      ]),
      ["broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: [\n"],
    ]);
    const { stderr } = await check(files);
    const lines = stderr.trim().split("\n");
    assert.ok(lines.length <= 10, stderr);
    assert.match(stderr, /web-0\.yaml.*placeholder.*\n.*29 more.*--all-problems|29 more/);
    assert.match(stderr, /broken\.yaml/);
    assert.ok(
      lines.every((line) => line.length <= 400),
      stderr,
    );
    const all = await check(files, "--all-problems", "--verbose");
    assert.match(all.stderr, /web-29\.yaml/);
    assert.match(all.stderr, /values-11\.yaml/);
  });
});
