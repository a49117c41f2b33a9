import { strict as assert } from "node:assert";
import { folderWith, run, type Ran } from "./command";
import { backendIngress, defaultDeny, deployment, frontendEgress, join, namespace, shop } from "./fixtures";

/** Runs `query frontend → backend:8080`, which is allowed in the intact shop, on a folder with these files. */
async function ask(files: Readonly<Record<string, string>>, ...options: string[]): Promise<Ran> {
  const { folder, remove } = folderWith(files);
  try {
    return await run(["query", "shop/frontend", "shop/backend:8080", ".", ...options], { cwd: folder });
  } finally {
    remove();
  }
}

const workloads = join(namespace("shop"), deployment("shop", "frontend", 3000), deployment("shop", "backend", 8080));
const opened = join(workloads, defaultDeny, frontendEgress);

describe("cluster-security: a repository as it lies in git", () => {
  it("hidden and ignored files, charts and values are passed over, a line for each kind", async () => {
    const deny = defaultDeny.replace("default-deny-all", "other-deny");
    const ran = await ask({
      "shop.yaml": shop,
      ".github/workflows/ci.yaml": "on: push\n",
      ".gitignore": "build/\n*.secret.yaml\n!keep.secret.yaml\n",
      "build/out.yaml": deny,
      "a.secret.yaml": deny,
      "chart/Chart.yaml": "apiVersion: v2\nname: x\n",
      "chart/templates/x.yaml": "kind: {{ .Values.kind }}\napiVersion: v1\n",
      "values.yaml": "a: 1\n",
      "lines.json": '{"a": 1}\n{"a": 2}\n',
    });
    assert.equal(ran.code, 0, ran.stderr);
    for (const name of ["ci.yaml", "build/", "a.secret.yaml", "chart/Chart.yaml", "values.yaml", "lines.json"]) {
      assert.ok(ran.stderr.includes(name), `${name} in ${ran.stderr}`);
    }
    assert.match(ran.stderr, /helm template chart/);
    assert.ok(ran.stderr.trim().split("\n").length <= 10, ran.stderr);
  });

  it("--exclude and --include say which files count", async () => {
    const files = { "a/shop.yaml": opened, "b/allow.yaml": backendIngress };
    assert.equal((await ask(files)).code, 0);
    assert.equal((await ask(files, "--exclude", "b/")).code, 1);
    assert.equal((await ask(files, "--include", "a/**")).code, 1);
  });

  const open: [string, string][] = [
    ["a placeholder of Helm", backendIngress.replace("app: frontend", 'app: "{{ .Values.app }}"')],
    ["a placeholder of Flux", backendIngress.replace("app: frontend", "app: ${APP}")],
    ["an encrypted value", backendIngress.replace("app: frontend", 'app: "ENC[AES256_GCM,data:x,type:str]"')],
    ["a template that is no YAML", backendIngress.replace("app: frontend", "{{ toYaml .Values.labels }}")],
  ];
  for (const [title, text] of open) {
    it(`${title} in a policy makes unknown what the policy may change, and no more`, async () => {
      const ran = await ask({ "shop.yaml": opened, "open.yaml": text });
      assert.match(ran.stdout, /^unknown/, ran.stderr);
      assert.equal(ran.code, 3);
      assert.match(ran.stderr, /problem: open\.yaml:\d+: .*(render|decrypt)/);
    });
  }

  it("a template that is no policy changes nothing", async () => {
    const text = 'apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\n{{- include "labels" . }}\n';
    const ran = await ask({ "shop.yaml": shop, "open.yaml": text });
    assert.match(ran.stdout, /^allowed/, ran.stderr);
    assert.equal(ran.code, 3);
  });

  it("a patch is no policy: the policy that it changes is unknown", async () => {
    const patch =
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: allow-frontend-to-backend }\nspec: { ingress: [] }\n";
    const ran = await ask({
      "base/shop.yaml": shop,
      "base/kustomization.yaml": "resources: [shop.yaml]\n",
      "prod/patch.yaml": patch,
      "prod/kustomization.yaml": "resources: [../base]\npatches: [{ path: patch.yaml }]\n",
    });
    assert.match(ran.stdout, /^unknown/, ran.stderr);
    assert.match(ran.stderr, /changed by a patch of a kustomization \(prod\/patch\.yaml\)/);
    assert.match(ran.stderr, /kustomize build prod/);
  });

  // the frontend's policy is not about other labels, nor about a pod on the node's network
  const touching: readonly (readonly [title: string, patch: string])[] = [
    ["of operations on one label", "- { op: replace, path: /spec/template/metadata/labels/app, value: other }\n"],
    ["that replaces all labels", "- { op: add, path: /spec/template/metadata/labels, value: { app: other } }\n"],
    ["that replaces a whole that holds labels", "- { op: replace, path: /spec/template/metadata, value: {} }\n"],
    ["whose name is ignored", "spec: { template: { metadata: { labels: { app: other } } } }\n"],
    ["without apiVersion", "spec: { template: { metadata: { labels: { app: other } } } }\n"],
    ["to the node's network", "spec: { template: { spec: { hostNetwork: true } } }\n"],
    ["that is no YAML", "- op: add\n path: [\n"],
    ["that holds itself", "spec: &it { template: { metadata: { labels: { app: other } } }, again: *it }\n"],
  ];
  for (const [title, text] of touching) {
    it(`a patch with a target ${title} makes unknown what it changes of pods`, async () => {
      const head = title === "without apiVersion" ? "" : "apiVersion: apps/v1\n";
      const patch = text.startsWith("-") ? text : `${head}kind: Deployment\nmetadata: { name: ignored }\n${text}`;
      const ran = await ask({
        "base/shop.yaml": shop,
        "base/kustomization.yaml": "resources: [shop.yaml]\n",
        "prod/patch.yaml": patch,
        "prod/kustomization.yaml":
          "resources: [../base]\npatches: [{ path: patch.yaml, target: { kind: Deployment, name: frontend } }]\n",
      });
      assert.match(ran.stdout, /^unknown/, ran.stderr);
      assert.match(ran.stderr, /Deployment shop\/frontend: changed by a patch of a kustomization/);
      assert.doesNotMatch(ran.stderr, /unreadable/);
    });
  }

  it("a patch of something else changes nothing", async () => {
    const ran = await ask({
      "base/shop.yaml": shop,
      "base/kustomization.yaml": "resources: [shop.yaml]\n",
      "prod/patch.yaml": "- { op: replace, path: /spec/replicas, value: 3 }\n",
      "prod/kustomization.yaml":
        "resources: [../base]\npatches: [{ path: patch.yaml, target: { kind: Deployment } }]\n",
    });
    assert.match(ran.stdout, /^allowed/, ran.stderr);
    assert.equal(ran.code, 0, ran.stderr);
  });

  it("a patch of an object whose name is a placeholder says so", async () => {
    const ran = await ask({
      "base/shop.yaml": shop,
      "base/place.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: { name: _ }\n",
      "base/kustomization.yaml":
        'resources: [place.yaml, shop.yaml]\npatches: [{ target: { kind: Namespace }, patch: "- { op: add, path: /metadata/labels, value: { a: b } }" }]\n',
    });
    assert.doesNotMatch(ran.stderr, /object Object/);
    assert.match(ran.stderr, /Namespace \(unknown\)/, ran.stderr);
  });

  it("equal copies are one object; copies that differ are a problem with both places", async () => {
    const equal = await ask({ "a.yaml": shop, "b.yaml": shop });
    assert.deepEqual([equal.code, equal.stdout.slice(0, 7)], [0, "allowed"], equal.stderr);
    const other = backendIngress.replace("port: 8080", "port: 81");
    const differs = await ask({ "a.yaml": shop, "b.yaml": other });
    assert.match(differs.stdout, /^unknown/, differs.stderr);
    assert.match(
      differs.stderr,
      /shop\/allow-frontend-to-backend: appears more than once, .*\(a\.yaml:\d+, b\.yaml:1\)/,
    );
  });

  it("objects without a namespace are said to be taken for those of default, or of the one that is named", async () => {
    const bare = shop.replaceAll("  namespace: shop\n", "");
    const { folder, remove } = folderWith({ "shop.yaml": bare });
    try {
      const matrix = await run(["matrix", "."], { cwd: folder });
      assert.match(matrix.stderr, /5 objects name no namespace .*"default" \(--default-namespace/);
      const named = await run(["query", "shop/frontend", "shop/backend:8080", ".", "--default-namespace", "shop"], {
        cwd: folder,
      });
      assert.equal(named.code, 0, named.stderr);
    } finally {
      remove();
    }
  });

  it("without a workload it is said that none was read, and never that nothing is allowed", async () => {
    const { stderr } = await run(["matrix", "-"], { stdin: join(namespace("shop"), defaultDeny) });
    assert.match(stderr, /no workload was read/);
    assert.doesNotMatch(stderr, /nothing is allowed/);
  });

  it("virtual machines of KubeVirt are workloads with the labels of their instances", async () => {
    const machine = `apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: { name: backend, namespace: shop }
spec: { template: { metadata: { labels: { app: backend } }, spec: { domain: {} } } }
`;
    const files = {
      "shop.yaml": join(namespace("shop"), deployment("shop", "frontend", 3000), machine, defaultDeny, frontendEgress),
    };
    assert.match((await ask(files)).stdout, /^denied .*shop\/backend\[VirtualMachine\]/);
    assert.match((await ask({ ...files, "allow.yaml": backendIngress })).stdout, /^allowed/);
  });

  it("what passes for some HTTP requests only is allowed on that condition, in every policy API", async () => {
    const rules = {
      cilium: `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: api, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  ingress: [{ toPorts: [{ ports: [{ port: "8080", protocol: TCP }], rules: { http: [{ method: GET, path: /x }] } }] }]
`,
      calico: `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: api, namespace: shop }
spec:
  selector: app == 'backend'
  ingress: [{ action: Allow, http: { methods: [GET], paths: [{ exact: /x }] } }]
`,
      istio: `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: api, namespace: shop }
spec:
  selector: { matchLabels: { app: backend } }
  rules: [{ to: [{ operation: { methods: [GET], paths: [/x] } }] }]
`,
    };
    for (const [api, text] of Object.entries(rules)) {
      const meshed = workloads.replace("name: shop }", "name: shop, labels: { istio-injection: enabled } }");
      const ran = await ask({ "shop.yaml": meshed, "api.yaml": text });
      assert.match(ran.stdout, /^allowed .* for GET \/x only/, `${api}: ${ran.stdout}${ran.stderr}`);
    }
  });
});
