import assert from "node:assert/strict";
import { folderWith, run } from "./command";
import { backendIngress, defaultDeny, deployment, frontendEgress, join, namespace, shop } from "./fixtures";

const databaseHalves = [
  `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-backend-egress, namespace: shop }
spec:
  podSelector: { matchLabels: { app: backend } }
  policyTypes: [Egress]
  egress: [{ to: [{ podSelector: { matchLabels: { app: db } } }], ports: [{ port: 5432 }] }]
`,
  `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-backend-to-db, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  policyTypes: [Ingress]
  ingress: [{ from: [{ podSelector: { matchLabels: { app: backend } } }], ports: [{ port: 5432 }] }]
`,
];
const chain = join(shop, deployment("shop", "db", 5432), ...databaseHalves);
/** The same policies in other words: a rule split by ports, a policy split in two. */
const rewritten = join(
  namespace("shop"),
  deployment("shop", "frontend", 3000),
  deployment("shop", "backend", 8080),
  defaultDeny,
  frontendEgress.replace(/ {4}- to:\n {8}- ipBlock[^]*/, ""),
  frontendEgress
    .replace("allow-frontend-egress", "outside")
    .replace(/ {4}- to:\n {8}- podSelector[^]*?(?= {4}- to)/, ""),
  backendIngress.replace("- port: 8080", "- port: 8080\n          protocol: TCP\n          endPort: 8080"),
);

interface Reach {
  hops: number;
  end: string;
  over: string;
  conn: string;
}

describe("cluster-security blast-radius", () => {
  const ask = async (...args: string[]): Promise<Reach[]> => {
    const ran = await run(["blast-radius", ...args, "-", "--format", "json"], { stdin: chain });
    assert.equal(ran.code, 0, ran.stderr);
    return JSON.parse(ran.stdout) as Reach[];
  };
  const ends = (reaches: readonly Reach[]): string[] =>
    reaches.map(({ hops, end, over, conn }) => `${hops} ${end} ${over} ${conn}`);
  const [frontend, backend, db] = ["frontend", "backend", "db"].map((name) => `shop/${name}[Deployment]`) as [
    string,
    string,
    string,
  ];

  it("follows the hops from a workload, and names the world it reaches by itself", async () => {
    assert.deepEqual(ends(await ask("frontend", "--no-external")), [
      `1 ${backend} ${frontend} TCP 8080`,
      `2 ${db} ${backend} TCP 5432`,
    ]);
    assert.deepEqual(ends((await ask("frontend")).slice(2)), [
      `1 0.0.0.0-169.254.169.253[External] ${frontend} TCP 443`,
      `1 169.254.169.255-255.255.255.255[External] ${frontend} TCP 443`,
    ]);
  });

  it("--direction ingress: from where one gets to a workload", async () => {
    assert.deepEqual(ends(await ask("db", "-d", "ingress", "--no-external")), [
      `1 ${backend} ${db} TCP 5432`,
      `2 ${frontend} ${backend} TCP 8080`,
    ]);
  });

  it("--hops, --port and the filters narrow it", async () => {
    assert.deepEqual(ends(await ask("frontend", "--hops", "1", "--no-external")), [
      `1 ${backend} ${frontend} TCP 8080`,
    ]);
    assert.deepEqual(ends(await ask("frontend", "--port", "443", "--no-external")), []);
    assert.deepEqual(
      ends(await ask("frontend", "-w", "db")),
      [`2 ${db} ${backend} TCP 5432`],
      "over what is not shown",
    );
    assert.equal((await ask("frontend", "-n", "shop")).length, 2);
  });

  it("both directions say the same about every pair", async () => {
    for (const from of [frontend, backend, db]) {
      for (const to of [frontend, backend, db]) {
        const there = (await ask(from, "-w", to)).map(({ hops }) => hops);
        const back = (await ask(to, "-d", "ingress", "-w", from)).map(({ hops }) => hops);
        assert.deepEqual(there, back, `${from} ${to}`);
      }
    }
  });

  it("draws the ways, and says how much is reached on stderr", async () => {
    const { stdout, stderr } = await run(["blast-radius", "frontend", "-", "--format", "mermaid", "--no-external"], {
      stdin: chain,
    });
    assert.match(stdout, /^flowchart LR\n[^]*-->\|"TCP 8080"\|[^]*-->\|"TCP 5432"\|/);
    assert.match(stderr, /shop\/frontend\[Deployment\] reaches 2 of 2 other workloads/);
  });

  it("refuses a workload that is not there, and hops that are no number", async () => {
    const unknown = await run(["blast-radius", "fronted", "-"], { stdin: chain });
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /there is no workload "fronted".*Did you mean "shop\/frontend\[Deployment\]"\?/);
    assert.equal((await run(["blast-radius", "frontend", "-", "--hops", "0"], { stdin: chain })).code, 2);
  });

  it("with something unread nothing is reached for certain", async () => {
    const { folder, remove } = folderWith({ "chain.yaml": chain, "broken.yaml": "kind: [\napiVersion: v1" });
    try {
      const ran = await run(["blast-radius", "frontend", "."], { cwd: folder });
      assert.equal(ran.code, 3, ran.stderr);
      assert.match(ran.stdout, /possibly All Connections/);
      assert.doesNotMatch(ran.stdout, /Connections and possibly/);
    } finally {
      remove();
    }
  });
});

describe("cluster-security hygiene", () => {
  const idle = join(
    shop,
    backendIngress.replace("name: allow-frontend-to-backend", "name: nobody").replace("app: backend", "app: gone"),
    backendIngress
      .replace("name: allow-frontend-to-backend", "name: half")
      .replace("app: frontend }\n      ports", "app: backend }\n      ports")
      .replace("8080", "8081"),
  );
  const ask = (...args: string[]) => run(["hygiene", "-", ...args], { stdin: idle });

  it("lists policies that select nothing, with their place", async () => {
    const { code, stdout, stderr } = await ask("--kind", "unused");
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^ISSUE +POLICY +RULE +SOURCE +WHY\nunused +NetworkPolicy shop\/nobody +standard input:\d+ +selects no workload\n$/,
    );
    assert.match(stderr, /^1 unused$/m);
  });

  it("--fail-on-any, and filters by namespace and kind", async () => {
    assert.equal((await ask("--fail-on-any")).code, 1);
    assert.equal((await ask("--kind", "shadowed", "--fail-on-any")).code, 0);
    assert.equal((await ask("-n", "nowhere")).code, 2);
    assert.equal((await ask("--kind", "dad")).code, 2);
    const clean = await run(["hygiene", "-", "--fail-on-any", "--format", "json"], { stdin: shop });
    assert.deepEqual([clean.code, clean.stdout], [0, "[]\n"], clean.stderr);
    assert.match(clean.stderr, /every policy and rule does something/);
  });
});

describe("cluster-security equivalent", () => {
  let folder: string;
  let remove: () => void;
  before(
    () =>
      ({ folder, remove } = folderWith({
        "shop.yaml": shop,
        "rewritten.yaml": rewritten,
        "wider.yaml": shop
          .replace("- port: 8080", "- port: 8080\n        - port: 9090")
          .replace(/(app: frontend \}\n      ports:\n        - port: 8080)/, "$1\n        - port: 9090"),
        "other.yaml": join(shop, namespace("other")),
        // no workload is in that namespace yet
        "open-to-other.yaml": join(
          shop,
          namespace("other"),
          backendIngress
            .replace("allow-frontend-to-backend", "more")
            .replace("- podSelector:\n            matchLabels: { app: frontend }", "- namespaceSelector: {}"),
        ),
        "broken.yaml": "a: [",
      })),
  );
  after(() => remove());
  const ask = (...args: string[]) => run(["equivalent", ...args], { cwd: folder });

  it("the same policies in other words are equivalent (exit code 0)", async () => {
    const { code, stdout, stderr } = await ask("shop.yaml", "rewritten.yaml");
    assert.deepEqual([code, stdout], [0, ""], stderr);
    assert.match(stderr, /^equivalent$/m);
  });

  it("others are not (exit code 1), and the first paths that differ are listed", async () => {
    const { code, stdout, stderr } = await ask("shop.yaml", "wider.yaml", "--format", "json");
    assert.equal(code, 1, stderr);
    const differences = JSON.parse(stdout) as Record<string, string>[];
    assert.deepEqual(differences, [
      { src: "shop/frontend[Deployment]", dst: "shop/backend[Deployment]", a: "TCP 8080", b: "TCP 8080,9090" },
    ]);
    assert.match(stderr, /^not equivalent: 1 path differs$/m);
  });

  it("sees what only pods that might be started notice, and lists no more than --limit", async () => {
    const all = await ask("other.yaml", "open-to-other.yaml", "--limit", "1000");
    assert.equal(all.code, 1, all.stderr);
    assert.match(all.stdout, /^new@other +shop\/backend/m);
    const first = await ask("other.yaml", "open-to-other.yaml", "--limit", "1", "--format", "csv");
    assert.equal(first.stdout.trim().split("\n").length, 2);
    assert.match(first.stderr, /not equivalent: 1 or more paths differ/);
  });

  it("filters say which pairs count", async () => {
    assert.equal((await ask("shop.yaml", "wider.yaml", "--port", "8080")).code, 0);
    assert.equal((await ask("shop.yaml", "wider.yaml", "--port", "9090")).code, 1);
    assert.equal((await ask("shop.yaml", "wider.yaml", "-w", "backend", "-d", "egress")).code, 0);
    assert.equal((await ask("shop.yaml", "wider.yaml", "-w", "backend", "-d", "ingress")).code, 1);
  });

  it("with something unread the answer is open (exit code 3), never equivalent", async () => {
    const { folder: other, remove: removeOther } = folderWith({
      "a/shop.yaml": shop,
      "b/shop.yaml": shop,
      "b/broken.yaml": "kind: [\napiVersion: v1",
    });
    try {
      const ran = await run(["equivalent", "a", "b"], { cwd: other });
      assert.equal(ran.code, 3, ran.stderr);
      assert.doesNotMatch(ran.stderr, /^equivalent$/m);
    } finally {
      removeOther();
    }
  });
});
