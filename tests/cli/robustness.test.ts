import assert from "node:assert/strict";
import { folderWith, run, type Ran } from "./command";
import { backendIngress, defaultDeny, deployment, frontendEgress, join, namespace, shop } from "./fixtures";

/** Runs `query frontend → backend:8080`, which is allowed in the intact shop, on these files. */
async function ask(files: Readonly<Record<string, string>>, ...options: string[]): Promise<Ran & { folder: string }> {
  const { folder, remove } = folderWith(files);
  try {
    const ran = await run(["query", "shop/frontend", "shop/backend:8080", ".", ...options], { cwd: folder });
    return { ...ran, folder };
  } finally {
    remove();
  }
}

/** What must hold of every broken input: a clear word, no crash, never "allowed". */
function assertRefused(ran: Ran, place: RegExp): void {
  assert.ok(ran.code === 3 || ran.code === 4, `exit code ${ran.code}\n${ran.stderr}`);
  assert.doesNotMatch(ran.stdout, /^allowed/m);
  assert.match(ran.stderr, place);
  assert.doesNotMatch(ran.stderr, /defect in cluster-security|\n\s+at |RangeError/);
}

const workloads = join(namespace("shop"), deployment("shop", "frontend", 3000), deployment("shop", "backend", 8080));

describe("cluster-security: broken input", () => {
  it("the intact files are allowed, so that the rest of these tests says something", async () => {
    const ran = await ask({ "shop.yaml": shop });
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^allowed {2}shop\/frontend/);
  });

  const texts: [string, string, RegExp][] = [
    ["that is not YAML", "kind: [NetworkPolicy\napiVersion: v1\n", /broken\.yaml:\d+: not valid YAML/],
    ["with tabs", "kind: NetworkPolicy\n\tapiVersion: v1\n", /broken\.yaml:2: not valid YAML/],
    [
      "with a template's braces",
      "kind: {{ .Values.kind }}\n",
      /broken\.yaml:1: .*looks like a template: render it first/,
    ],
    ["with a kind that is a number", "apiVersion: v1\nkind: 7\n", /broken\.yaml:1: .*must be strings/],
    ["with a kind and no apiVersion", "kind: NetworkPolicy\nmetadata: { name: x }\n", /broken\.yaml:1: /],
    [
      "that holds itself",
      "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nspec: &a { b: *a }\n",
      /broken\.yaml:\d+: /,
    ],
  ];
  for (const [title, text, place] of texts) {
    it(`a file ${title}: nothing is certain, and the file and line`, async () => {
      const ran = await ask({ "shop.yaml": shop, "broken.yaml": text });
      assertRefused(ran, place);
      assert.equal(ran.code, 3);
      assert.match(ran.stdout, /^unknown/);
    });
  }

  const strays: [string, string][] = [
    ["that is a program", "#!/bin/sh\nexit 0\n"],
    ["that is binary", "\u0000\u0001\u0002\u0003"],
    ["that is broken and no Kubernetes object", "a: ["],
    ["with tags of another tool", "jobs: !reference [a, b]\n"],
    ["with comments in JSON", '{ // editors do\n "a": 1, }'],
  ];
  for (const [title, text] of strays) {
    it(`a file ${title} is passed over and named`, async () => {
      const ran = await ask({ "shop.yaml": shop, "stray.yaml": text });
      assert.equal(ran.code, 0, ran.stderr);
      assert.match(ran.stdout, /^allowed/);
      assert.match(ran.stderr, /note: passed over 1 file .*: stray\.yaml/);
    });
  }

  it("of a key that stands twice the last one counts, as kubectl takes it, and it is said", async () => {
    const twice = backendIngress.replace("- port: 8080", "- port: 81\n          port: 8080");
    const ran = await ask({ "shop.yaml": join(workloads, defaultDeny, frontendEgress), "twice.yaml": twice });
    assert.match(ran.stdout, /^allowed/, ran.stderr);
    assert.equal(ran.code, 3);
    assert.match(ran.stderr, /twice\.yaml:\d+: the key "port" is twice in one map/);
  });

  it("10,000 levels of nesting, as YAML and as JSON", async () => {
    const deep = `${"[".repeat(10_000)}${"]".repeat(10_000)}`;
    const json = `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","spec":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
    let indented = "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nspec:\n";
    for (let level = 1; level <= 10_000; level++) indented += `${" ".repeat(level % 2 === 0 ? level : level)}a:\n`;
    for (const [name, text] of [
      ["deep.yaml", `apiVersion: v1\n"kind": [${deep}]`],
      ["deep.json", json],
      ["indented.yaml", indented],
    ] as const) {
      const ran = await ask({ "shop.yaml": shop, [name]: text });
      assertRefused(ran, new RegExp(`${name}:\\d+: `));
    }
  });

  it("a bomb of aliases ends soon", async () => {
    let bomb = "apiVersion: v1\nkind: ConfigMap\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (let level = 1; level < 30; level++)
      bomb += `a${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(", ")}]\n`;
    const ran = await ask({ "shop.yaml": shop, "bomb.yaml": bomb });
    assert.ok(ran.code === 0 || ran.code === 4, `${ran.code} ${ran.stderr}`);
  });

  it("a file of 50 MB is read", async function () {
    this.timeout(120_000);
    const document = `---\n${namespace("filler").replace("}", `, annotations: { text: ${"x".repeat(5000)} } }`)}`;
    const { folder, remove } = folderWith({ "shop.yaml": shop, "large.yaml": document.repeat(10_000) });
    try {
      const ran = await run(["query", "shop/frontend", "shop/backend:8080", "."], { cwd: folder });
      // the same namespace 10,000 times is one
      assert.match(ran.stdout, /^allowed/);
      assert.equal(ran.code, 0, ran.stderr);
    } finally {
      remove();
    }
  });

  const fields: [string, string, string, RegExp][] = [
    [
      "ingress that is a word",
      backendIngress,
      backendIngress.replace(/ingress:\n[^]*/, "ingress: everything\n"),
      /spec\.ingress/,
    ],
    [
      "from that is a map",
      backendIngress,
      backendIngress.replace(/ {4}- from:\n[^]*?ports:/, "    - from: { app: frontend }\n      ports:"),
      /spec\.ingress\[0\]\.from/,
    ],
    ["a port that is a list", backendIngress, backendIngress.replace("port: 8080", "port: [8080]"), /port/],
    ["a port out of range", backendIngress, backendIngress.replace("port: 8080", "port: 80800"), /port/],
    [
      "a selector that is a list",
      backendIngress,
      backendIngress.replace("matchLabels: { app: backend }", "[app, backend]"),
      /spec\.podSelector/,
    ],
    [
      "an operator that does not exist",
      backendIngress,
      backendIngress.replace(
        "matchLabels: { app: backend }",
        "matchExpressions: [{ key: app, operator: Like, values: [b] }]",
      ),
      /operator/,
    ],
    ["a label that is a number", backendIngress, backendIngress.replace("app: backend", "app: 7"), /app/],
    ["a CIDR that is none", frontendEgress, frontendEgress.replace("0.0.0.0/0", "0.0.0.0/99"), /cidr/],
    ["an unknown field", backendIngress, backendIngress.replace("ingress:", "ingres:"), /ingres/],
  ];
  for (const [title, intact, broken, place] of fields) {
    it(`a policy with ${title}: the field with its file and line, and nothing is "allowed" because of it`, async () => {
      assert.notEqual(intact, broken, "the test must break something");
      const others = [defaultDeny, frontendEgress, backendIngress].filter((each) => each !== intact);
      const ran = await ask({ "shop.yaml": join(workloads, ...others), "broken.yaml": broken });
      assert.match(ran.stderr, /problem: broken\.yaml:\d+: NetworkPolicy shop\//);
      assert.match(ran.stderr, place);
      assert.notEqual(ran.code, 0);
      // The CIDR's rule says nothing about this flow; all others do.
      if (intact === backendIngress) assertRefused(ran, place);
    });
  }

  it("a staged policy is understood: a note, no problem", async () => {
    const staged = `apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: { name: default.close, namespace: shop }
spec: { selector: all(), types: [Ingress, Egress] }
`;
    const ran = await ask({ "shop.yaml": shop, "staged.yaml": staged }, "--cni", "calico@3.32");
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^allowed/);
    assert.match(ran.stderr, /^note: staged\.yaml:1: StagedNetworkPolicy shop\/default\.close: .*not-enforced/m);
  });

  it("a policy that the enforcer does not look at is a problem: somebody believes in it", async () => {
    const cilium = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: close, namespace: shop }
spec: { endpointSelector: {}, ingressDeny: [{ fromEntities: [all] }] }
`;
    const ran = await ask({ "shop.yaml": shop, "cilium.yaml": cilium }, "--cni", "kubernetes");
    assert.equal(ran.code, 3, ran.stderr);
    assert.match(ran.stderr, /problem: cilium\.yaml:1: .*not-enforced/);
  });

  it("a policy of a kind nobody knows makes verdicts unknown", async () => {
    const strange = defaultDeny.replace("networking.k8s.io/v1", "networking.k8s.io/v9");
    const ran = await ask({ "shop.yaml": shop, "strange.yaml": strange });
    assert.equal(ran.code, 3, ran.stderr);
    assert.match(ran.stdout, /^unknown/);
    assert.match(ran.stderr, /strange\.yaml:1: .*v9/);
  });

  it("--allow-problems goes on past a broken file, and nothing is allowed for certain", async () => {
    const files = { "shop.yaml": shop, "broken.yaml": "kind: [\napiVersion: v1" };
    const ran = await ask(files, "--allow-problems");
    assert.equal(ran.code, 3);
    assert.match(ran.stdout, /^unknown/);
    assert.match(ran.stderr, /problem: broken\.yaml:\d+: /);
    const { folder, remove } = folderWith(files);
    try {
      const matrix = await run(["matrix", ".", "--allow-problems", "--format", "json"], { cwd: folder });
      assert.equal(matrix.code, 0, matrix.stderr);
      const entries = JSON.parse(matrix.stdout) as { conn: string; possible?: string }[];
      assert.ok(entries.length > 0);
      for (const entry of entries) {
        assert.equal(entry.conn, "No Connections");
        assert.ok(entry.possible);
      }
    } finally {
      remove();
    }
  });

  it("control characters of a file reach no terminal", async () => {
    const ran = await ask({
      "shop.yaml": shop,
      "broken.yaml": 'apiVersion: v1\nkind: NetworkPolicy\nmetadata: { name: "\\e[31mred" }\n',
    });
    assert.ok(!ran.stderr.includes("\u001b"), JSON.stringify(ran.stderr));
  });
});

describe("cluster-security: kubeconfigs that are none", () => {
  const asked = async (files: Readonly<Record<string, string>>, named: string | undefined): Promise<Ran> => {
    const { folder, remove } = folderWith({ "shop.yaml": shop, ...files });
    try {
      const env = { HOME: folder, KUBECONFIG: named === undefined ? "" : `${folder}/${named}` };
      return await run(["export", "--context", "loaded-context", "--out", "out"], { cwd: folder, env });
    } finally {
      remove();
    }
  };

  for (const [title, files, named, said] of [
    [
      "none at all: port 8080 of this machine is no cluster that anybody named",
      {},
      undefined,
      /there is no kubeconfig/,
    ],
    ["one that does not exist", {}, "none.yaml", /there is no kubeconfig .*none\.yaml/],
    ["a folder", { "folder/a.txt": "" }, "folder", /folder cannot be read: it is a folder/],
    ["text that is no YAML", { "broken.yaml": "clusters: [\n" }, "broken.yaml", /it is not a valid kubeconfig/],
  ] as const) {
    it(title, async () => {
      const ran = await asked(files, named);
      assertRefused(ran, said);
    });
  }
});
