/** What Flux, Argo CD and kustomize change without being run: namespaces and labels of objects that lie in a repository. */
import { strict as assert } from "node:assert";
import { folderWith, run } from "./command";
import { defaultDeny, deployment, join, namespace, shop } from "./fixtures";

/** The answer to `query frontend → backend:8080` on a folder with these files. */
async function answer(files: Readonly<Record<string, string>>): Promise<{ verdict: string; stderr: string }> {
  const { folder, remove } = folderWith(files);
  try {
    const ran = await run(["query", "shop/frontend", "shop/backend:8080", "."], { cwd: folder });
    return { verdict: ran.stdout.split(/[\s:]/)[0] ?? "", stderr: ran.stderr };
  } finally {
    remove();
  }
}

const bare = shop.replaceAll("  namespace: shop\n", "");
const flux = (path: string, more = ""): string => `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: shop, namespace: flux-system }
spec: { path: ${path}, sourceRef: { kind: GitRepository, name: home }, prune: true, interval: 1h${more} }
`;
const argo = (path: string, more = ""): string => `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: { name: shop, namespace: argocd }
spec: { project: default, source: { repoURL: x, path: ${path}${more} }, destination: { server: y, namespace: shop } }
`;

describe("cluster-security: repositories that Flux, Argo CD and kustomize apply", () => {
  const places: [string, Record<string, string>][] = [
    [
      "Flux's targetNamespace",
      { "clusters/a.yaml": flux("./apps/shop", ", targetNamespace: shop"), "apps/shop/x.yaml": bare },
    ],
    [
      "Flux's targetNamespace, over that of a kustomization and in folders below",
      {
        "clusters/a.yaml": flux("apps", ", targetNamespace: shop"),
        "apps/shop/kustomization.yaml": "namespace: other\nresources: [x.yaml]\n",
        "apps/shop/x.yaml": bare,
      },
    ],
    [
      "Flux's targetNamespace below the folder that is read",
      { "top/clusters/a.yaml": flux("./shop", ", targetNamespace: shop"), "top/shop/x.yaml": bare },
    ],
    ["Argo CD's destination", { "argo/a.yaml": argo("apps/shop"), "apps/shop/x.yaml": bare }],
    [
      "Argo CD's destination, folders below",
      { "argo/a.yaml": argo("apps", ", directory: { recurse: true }"), "apps/shop/x.yaml": bare },
    ],
    [
      "Argo CD's destination, where a kustomization names none",
      {
        "argo/a.yaml": argo("apps/shop"),
        "apps/shop/x.yaml": bare,
        "apps/shop/kustomization.yaml": "resources: [x.yaml]\n",
      },
    ],
    [
      "an ApplicationSet for folders",
      {
        "argo/set.yaml": `apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: { name: apps, namespace: argocd }
spec:
  generators: [{ git: { repoURL: x, directories: [{ path: apps/* }] } }]
  template:
    metadata: { name: "{{path.basename}}" }
    spec: { source: { repoURL: x, path: "{{path}}" }, destination: { server: y, namespace: "{{path.basename}}" } }
`,
        "apps/shop/x.yaml": bare,
      },
    ],
  ];
  for (const [title, files] of places) {
    it(`${title} says where objects lie that name no namespace`, async () => {
      const { verdict, stderr } = await answer(files);
      assert.equal(verdict, "allowed", stderr);
      assert.doesNotMatch(stderr, /names? no namespace/);
    });
  }

  it("Argo CD leaves the namespaces that objects name, and folders below that it is not told of", async () => {
    const own = await answer({
      "argo/a.yaml": argo("apps").replace("namespace: shop", "namespace: other"),
      "apps/x.yaml": shop,
    });
    assert.equal(own.verdict, "allowed", own.stderr);
    const below = await answer({ "argo/a.yaml": argo("apps"), "apps/shop/x.yaml": bare });
    assert.match(below.stderr, /5 objects name no namespace/);
  });

  it("a patch of Flux makes unknown what it changes", async () => {
    const patch =
      ', patches: [{ target: { kind: NetworkPolicy, name: allow-frontend-to-backend }, patch: "- { op: remove, path: /spec/ingress/0 }" }]';
    const { verdict, stderr } = await answer({ "clusters/a.yaml": flux("apps", patch), "apps/x.yaml": shop });
    assert.equal(verdict, "unknown", stderr);
    assert.match(stderr, /changed by a patch of a kustomization \(clusters\/a\.yaml/);
  });

  const workloads = join(namespace("shop"), deployment("shop", "frontend", 3000), deployment("shop", "backend", 8080));
  const backendDeny =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: deny, namespace: shop }\nspec: { podSelector: { matchLabels: { app: backend } }, policyTypes: [Ingress] }\n";
  const labelled: [string, string, string][] = [
    ["commonLabels narrow the selector of a policy", "commonLabels: { part: net }\n", "allowed"],
    [
      "labels with includeSelectors narrow it, too",
      "labels: [{ pairs: { part: net }, includeSelectors: true }]\n",
      "allowed",
    ],
    ["labels without includeSelectors do not", "labels: [{ pairs: { part: net } }]\n", "denied"],
  ];
  for (const [title, lines, verdict] of labelled) {
    it(`${title}: pods of another kustomization have no such label`, async () => {
      const asked = await answer({
        "app/x.yaml": workloads,
        "net/deny.yaml": backendDeny,
        "net/kustomization.yaml": `${lines}resources: [deny.yaml]\n`,
      });
      assert.equal(asked.verdict, verdict, asked.stderr);
    });
  }

  it("an empty selector stays everybody, and pods of the same kustomization get the label", async () => {
    const everybody = {
      "app/x.yaml": workloads,
      "net/deny.yaml": defaultDeny,
      "net/kustomization.yaml": "commonLabels: { part: net }\nresources: [deny.yaml]\n",
    };
    assert.equal((await answer(everybody)).verdict, "denied");
    const together = {
      "x.yaml": workloads,
      "deny.yaml": backendDeny,
      "kustomization.yaml": "commonLabels: { part: net }\nresources: [x.yaml, deny.yaml]\n",
    };
    assert.equal((await answer(together)).verdict, "denied");
  });

  const release = (spec: string): string => `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: cilium }
spec: { ${spec} }
`;
  const source = `apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: { name: cilium }
spec: { url: oci://example.com/charts/cilium, ref: { tag: 1.19.4 } }
`;

  it("the chart of a HelmRelease may stand in an OCIRepository, its values in a file that a kustomization makes a ConfigMap of", async () => {
    const spec =
      "chartRef: { kind: OCIRepository, name: cilium }, valuesFrom: [{ kind: ConfigMap, name: cilium-values, valuesKey: values.yaml }]";
    const files = {
      "x.yaml": join(workloads, backendDeny),
      "cilium/release.yaml": join(source, release(spec)),
      "cilium/kustomization.yaml":
        "resources: [release.yaml]\nconfigMapGenerator: [{ name: cilium-values, files: [values.yaml=helm/values.yaml] }]\n",
      "cilium/helm/values.yaml": "policyEnforcementMode: default\n",
    };
    const closed = await answer(files);
    assert.equal(closed.verdict, "denied", closed.stderr);
    assert.match(closed.stderr, /enforcer: cilium@1\.19/);
    const never = await answer({ ...files, "cilium/helm/values.yaml": "policyEnforcementMode: never\n" });
    assert.equal(never.verdict, "allowed", never.stderr);
  });

  it("of several versions of an enforcer the newest counts, whatever the order", async () => {
    const of = (version: string): string =>
      release(`chart: { spec: { chart: cilium, version: ${version} } }`).replace(
        "name: cilium",
        `name: c-${version.replaceAll(".", "-")}`,
      );
    for (const versions of [
      ["1.17.3", "1.20.1"],
      ["1.20.1", "1.17.3"],
    ]) {
      const { stderr } = await answer({
        "x.yaml": workloads,
        "a.yaml": of(versions[0] ?? ""),
        "b.yaml": of(versions[1] ?? ""),
      });
      assert.match(stderr, /enforcer: cilium@1\.20/);
    }
  });

  /** The findings not-understood of a folder, as text. */
  async function notUnderstood(files: Readonly<Record<string, string>>): Promise<string> {
    const { folder, remove } = folderWith(files);
    try {
      const ran = await run(["check", ".", "--rule", "not-understood"], { cwd: folder });
      return ran.stdout;
    } finally {
      remove();
    }
  }

  it("check says that a version is not modelled, what was not read, and what was not rendered once", async () => {
    const old = release("chart: { spec: { chart: cilium, version: 1.12.1 } }");
    assert.match(await notUnderstood({ "x.yaml": shop, "a.yaml": old }), /Cilium 1\.12 is not modelled/);
    const toService = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: out, namespace: shop }
spec: { endpointSelector: {}, egress: [{ toServices: [{ k8sService: { serviceName: gone, namespace: far } }] }] }
`;
    const unread = await notUnderstood({ "x.yaml": workloads, "a.yaml": toService });
    assert.match(unread, /MEDIUM .*\n.*shop\/out: .* names an object that was not read/);
    const template = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ui
  namespace: {{ .Release.Namespace }}
spec: { podSelector: {} }
`;
    const once = await notUnderstood({ "x.yaml": workloads, "a.yaml": template });
    assert.equal(once.split("\n").filter((line) => /NetworkPolicy .*ui/.test(line)).length, 1, once);
    const open = template
      .replace("{{ .Release.Namespace }}", '"{{ .Release.Namespace }}"')
      .replace(
        "podSelector: {}",
        'podSelector: { matchLabels: { app: "{{ .app }}" } }, ingress: [{ ports: [{ port: "{{ .port }}" }] }]',
      );
    const grouped = await notUnderstood({ "x.yaml": workloads, "a.yaml": open });
    assert.equal(grouped.split("\n").filter((line) => /NetworkPolicy .*ui/.test(line)).length, 1, grouped);
    assert.match(grouped, /Render the template/);
  });

  it("a Deployment without selector and labels beside kustomizations is a patch, wherever it lies", async () => {
    const patch =
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: backend, namespace: system }\nspec: { template: { spec: { containers: [{ name: main, image: x }] } } }\n";
    const { folder, remove } = folderWith({
      "app/x.yaml": shop,
      "config/kustomization.yaml": "resources: []\n",
      "config/coverage/patch.yaml": patch,
    });
    try {
      const ran = await run(["check", ".", "--format", "json"], { cwd: folder });
      assert.doesNotMatch(ran.stdout, /"system"/);
    } finally {
      remove();
    }
  });

  it("a placeholder that a kustomization fills in is no problem, and kinds that are not read are one finding each", async () => {
    const files = {
      "shop/x.yaml": bare.replace("metadata: { name: shop }", "metadata: { name: _ }"),
      "shop/kustomization.yaml": "namespace: shop\nresources: [x.yaml]\n",
    };
    const { verdict, stderr } = await answer(files);
    assert.equal(verdict, "allowed", stderr);
    assert.doesNotMatch(stderr, /problem/);
    const firewall = (name: string): string =>
      `apiVersion: k8s.ovn.org/v1\nkind: EgressFirewall\nmetadata: { name: default, namespace: ${name} }\nspec: { egress: [] }\n`;
    const told = await notUnderstood({ "x.yaml": workloads, "a.yaml": firewall("shop"), "b.yaml": firewall("other") });
    assert.equal(told.match(/EgressFirewall/g)?.length, 1, told);
    assert.match(told, /and 1 more like it/);
  });

  it("policies that Kyverno generates are contents that are not seen; its other policies are not named", async () => {
    const kyverno = (rule: string): string =>
      `apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: { name: new-namespaces }\nspec: { rules: [{ name: a, ${rule} }] }\n`;
    const generate =
      "generate: { apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, name: default-deny, data: {} }";
    assert.match(
      (await answer({ "x.yaml": shop, "k.yaml": kyverno(generate) })).stderr,
      /contents not seen: ClusterPolicy/,
    );
    assert.doesNotMatch((await answer({ "x.yaml": shop, "k.yaml": kyverno("validate: {}") })).stderr, /ClusterPolicy/);
  });

  it("a document without a kind, as other tools write it, is passed over", async () => {
    const score = "apiVersion: score.dev/v1b1\nmetadata: { name: web }\ncontainers: { app: { image: . } }\n";
    const { verdict, stderr } = await answer({ "x.yaml": workloads, "score.yaml": score });
    assert.equal(verdict, "allowed", stderr);
    assert.doesNotMatch(stderr, /problem/);
    const policy = backendDeny.replace("kind: NetworkPolicy\n", "");
    assert.match(
      (await answer({ "x.yaml": workloads, "policy.yaml": policy })).stderr,
      /policy\.yaml:1: not a Kubernetes object/,
    );
  });
});
