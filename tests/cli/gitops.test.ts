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
