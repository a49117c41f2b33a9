import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { run, type Ran } from "./command";

const pods = ["web", "db"].map((name) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: name } },
  spec: { containers: [{ name }] },
}));

function policy(from: unknown[]): unknown {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "db", namespace: "shop" },
    spec: { podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Ingress"], ingress: from },
  };
}

const toDb = [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 5432 }] }];

describe("cluster-security diff between git revisions and declarations", function () {
  this.timeout(60_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-git-test-"));
    git("init", "--quiet", "--initial-branch", "main");
    mkdirSync(path.join(folder, "k8s"));
    write("k8s/pods.json", ...pods);
    write("k8s/db.json", policy([]));
    git("add", ".");
    git("commit", "--quiet", "-m", "closed");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function git(...args: string[]): void {
    const done = spawnSync("git", ["-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
      encoding: "utf8",
    });
    assert.equal(done.status, 0, done.stderr);
  }
  const write = (file: string, ...items: unknown[]): void =>
    writeFileSync(path.join(folder, file), JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  const diff = (...args: string[]): Promise<Ran> => run(["diff", "--quiet", "--no-external", ...args], { cwd: folder });
  const left = (): string[] =>
    readdirSync(tmpdir()).filter((name) => name.startsWith("cluster-security-git-") && !folder.endsWith(name));

  it("compares a revision with the work tree, and names places as they were asked for", async () => {
    write("k8s/db.json", policy(toDb));
    const before = left();
    const { stdout, code, stderr } = await diff("git:main:k8s", "k8s");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /opened\s+shop\/web\[Pod\]\s+shop\/db\[Pod\]\s+No Connections\s+TCP 5432/);
    assert.deepEqual(left(), before, "nothing is left in the folder for temporary files");
    git("commit", "--quiet", "-am", "open");
    const back = await diff("git:main", "git:main~1", "--format", "json");
    const [one] = JSON.parse(back.stdout) as { change: string; causes: { source?: { file?: string } }[] }[];
    assert.equal(one?.change, "closed");
    assert.equal(one.causes[0]?.source?.file, "git:main~1:k8s/db.json");
    assert.equal((await diff("git:main", "git:main~1", "--fail-on", "closed")).code, 1);
  });

  it("compares one file of a revision", async () => {
    write("k8s/all.json", ...pods, policy([]));
    git("add", ".");
    git("commit", "--quiet", "-m", "all");
    write("k8s/all.json", ...pods, policy(toDb));
    const { stdout } = await diff("git:HEAD:k8s/all.json", "k8s/all.json");
    assert.match(stdout, /^opened/m);
  });

  it("refuses what is no revision, no path and no repository, and takes nothing for an option of git", async () => {
    for (const [source, pattern, code] of [
      ["git:nothing", /has no revision "nothing"/, 4],
      ["git:--output=x", /has no revision "--output=x"/, 4],
      ["git:main:nowhere", /has no file "nowhere" or below it/, 4],
      ["git:", /names no revision/, 2],
      ["git:main:../secrets", /counted from the top/, 2],
    ] as const) {
      const ran = await diff(source, "k8s");
      assert.match(ran.stderr, pattern);
      assert.equal(ran.code, code, source);
    }
    assert.deepEqual(readdirSync(folder).sort(), [".git", "k8s"]);
    const elsewhere = mkdtempSync(path.join(tmpdir(), "cluster-security-plain-"));
    try {
      const ran = await run(["diff", "git:main", "git:main"], {
        cwd: elsewhere,
        env: { GIT_CEILING_DIRECTORIES: tmpdir() },
      });
      assert.match(ran.stderr, /there is no git repository here/);
      assert.equal(ran.code, 4);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it("follows no link that a revision holds", async () => {
    symlinkSync("/etc/hostname", path.join(folder, "k8s", "link.yaml"));
    git("add", ".");
    git("commit", "--quiet", "-m", "link");
    const { code, stderr } = await diff("git:main:k8s", "git:main~1:k8s");
    assert.equal(code, 0, stderr);
  });

  it("takes declarations: by their content, at a revision, by --as", async () => {
    const declaration = (flows: unknown[]): string =>
      JSON.stringify({
        namespaces: [{ name: "shop" }],
        workloads: ["web", "db"].map((name) => ({ namespace: "shop", name, ports: [{ port: 5432 }] })),
        flows,
      });
    const flow = {
      from: { workload: "shop/web" },
      to: { workload: "shop/db" },
      ports: [{ port: 5432 }],
      reason: "orders",
      owner: "shop",
    };
    writeFileSync(path.join(folder, "declaration.json"), declaration([]));
    git("add", ".");
    git("commit", "--quiet", "-m", "declaration");
    writeFileSync(path.join(folder, "declaration.json"), declaration([flow]));
    for (const more of [[], ["--as", "declaration"]]) {
      const { stdout, code, stderr } = await diff("git:main:declaration.json", "declaration.json", ...more);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /opened\s+shop\/web\[Pod\]\s+shop\/db\[Pod\]\s+No Connections\s+TCP 5432/);
      assert.equal(stdout.trim().split("\n").length, 2, stdout);
    }
    writeFileSync(path.join(folder, "declaration.json"), JSON.stringify({ namespaces: [{ name: "Shop" }] }));
    const wrong = await diff("git:main:declaration.json", "declaration.json");
    assert.equal(wrong.code, 4);
    assert.match(wrong.stderr, /namespaces\[0\]/);
  });

  it("writes one comment of a pull request, with the opened paths first", async () => {
    write("k8s/db.json", policy(toDb));
    const { stdout, code } = await diff("git:main:k8s", "k8s", "--format", "comment");
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^<!-- cluster-security diff -->\n### Network reachability: 1 path opened, 0 closed, 0 changed\n/,
    );
    assert.match(
      stdout,
      /\| \*\*opened\*\* \| `shop\/web\[Pod\]` \| `shop\/db\[Pod\]` \| `No Connections` \| `TCP 5432` \|/,
    );
    assert.doesNotMatch(stdout, /<details>/);
    const none = await diff("k8s", "k8s", "--format", "comment");
    assert.match(
      none.stdout,
      /^<!-- cluster-security diff -->\n### Network reachability: no path opens, closes or changes\n$/,
    );
    writeFileSync(
      path.join(folder, "k8s", "broken.yaml"),
      "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {name: x, namespace: shop}\nspec: {podSelector: 3}\n",
    );
    const incomplete = await diff("git:main:k8s", "k8s", "--format", "comment");
    assert.match(incomplete.stdout, /paths may be missing here/);
  });
});
