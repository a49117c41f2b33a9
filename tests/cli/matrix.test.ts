import assert from "node:assert/strict";
import path from "node:path";
import { once } from "node:events";
import { folderWith, repoRoot, run, start } from "./command";
import { deployment, join, namespace, shop } from "./fixtures";

interface Entry {
  src: string;
  dst: string;
  conn: string;
  possible?: string;
}

/** Pods have IPv6 addresses only: a range of IPv4 is about the world for certain. */
const ipv6Node = `apiVersion: v1
kind: Node
metadata: { name: n1 }
spec: { podCIDRs: ["fd00:10:244::/56"] }
`;

describe("cluster-security matrix", () => {
  let folder: string;
  let remove: () => void;

  before(() => {
    ({ folder, remove } = folderWith({
      "shop.yaml": join(shop, namespace("open"), deployment("open", "tool", 9000), ipv6Node),
      "sub/values.yaml": "replicas: 3\n",
      "sub/README.md": "no manifest",
      "sub/node_modules/broken.yaml": "a: [",
      "sub/.git/broken.yaml": "a: [",
    }));
  });
  after(() => remove());

  const matrix = (...args: string[]) => run(["matrix", folder, ...args]);
  const entries = async (...args: string[]): Promise<Entry[]> => {
    const { code, stdout, stderr } = await matrix("--format", "json", ...args);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Entry[];
  };

  it("--format json is np-guard's array of src, dst and conn, nothing else where all is known", async () => {
    const all = await entries();
    assert.ok(all.length > 0);
    for (const entry of all) {
      assert.deepEqual(Object.keys(entry), ["src", "dst", "conn"]);
      for (const end of [entry.src, entry.dst]) {
        assert.match(end, /^([a-z0-9.-]+\/[a-z0-9.-]+\[[A-Za-z]+\]|[0-9a-f.:]+-[0-9a-f.:]+\[External\])$/);
      }
      assert.match(entry.conn, /^(All Connections|(TCP|UDP|SCTP) [0-9,-]+(,(TCP|UDP|SCTP) [0-9,-]+)*)$/);
    }
    const inside = all.filter(({ src, dst }) => !src.endsWith("[External]") && !dst.endsWith("[External]"));
    assert.deepEqual(inside, [{ src: "shop/frontend[Deployment]", dst: "shop/backend[Deployment]", conn: "TCP 8080" }]);
  });

  it("--format json holds the world in ranges, IPv6 as well as IPv4", async () => {
    const all = await entries();
    const conn = (src: string, dst: string) => all.find((entry) => entry.src === src && entry.dst === dst)?.conn;
    const frontend = "shop/frontend[Deployment]";
    assert.equal(conn(frontend, "0.0.0.0-169.254.169.253[External]"), "TCP 443");
    assert.equal(conn(frontend, "169.254.169.255-255.255.255.255[External]"), "TCP 443");
    assert.ok(!all.some(({ src, dst }) => src === frontend && dst.includes("169.254.169.254-")));
    assert.ok(!all.some(({ src, dst }) => src === frontend && dst.includes(":")), "an IPv4 rule opens no IPv6");
    const tool = "open/tool[Deployment]";
    assert.equal(conn(tool, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff[External]"), "All Connections");
    assert.equal(conn("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff[External]", tool), "All Connections");
  });

  it("--no-external leaves the world out", async () => {
    const all = await entries("--no-external");
    assert.deepEqual(
      all.map(({ src, dst }) => `${src} ${dst}`),
      ["shop/frontend[Deployment] shop/backend[Deployment]"],
    );
  });

  it("filters by namespace, workload, port and direction", async () => {
    for (const entry of await entries("-n", "open")) {
      assert.ok(entry.src.startsWith("open/") || entry.dst.startsWith("open/"), JSON.stringify(entry));
    }
    assert.deepEqual(
      (await entries("-w", "backend")).map(({ src }) => src),
      ["shop/frontend[Deployment]"],
    );
    assert.deepEqual(await entries("-w", "shop/backend", "--direction", "egress"), []);
    assert.equal((await entries("-w", "shop/backend", "--direction", "ingress")).length, 1);
    assert.deepEqual(await entries("-w", "shop/backend", "--port", "8081"), []);
    assert.equal((await entries("-w", "shop/backend", "--port", "8080/tcp")).length, 1);
    assert.deepEqual(await entries("-w", "shop/backend", "--port", "8080/udp"), []);
  });

  it("says what it does not know among its filters (exit code 2)", async () => {
    const namespaces = await matrix("-n", "shp");
    assert.equal(namespaces.code, 2);
    assert.match(namespaces.stderr, /there is no namespace "shp" in what was read\. Did you mean "shop"\?/);
    const workloads = await matrix("-w", "shop/fronted");
    assert.equal(workloads.code, 2);
    assert.match(
      workloads.stderr,
      /there is no workload "shop\/fronted".*Did you mean "shop\/frontend\[Deployment\]"\?/,
    );
  });

  it("prints an aligned table, without colours where the output is no terminal", async () => {
    const { stdout } = await matrix("--no-external");
    const [head = "", row = ""] = stdout.split("\n");
    assert.match(head, /^SOURCE +DESTINATION +CONNECTIONS$/);
    assert.equal(head.indexOf("DESTINATION"), row.indexOf("shop/backend"));
    assert.equal(head.indexOf("CONNECTIONS"), row.indexOf("TCP 8080"));
    assert.ok(!stdout.includes("\u001b"));
  });

  it("prints CSV, Markdown, DOT and Mermaid", async () => {
    const csv = await matrix("--no-external", "--format", "csv");
    assert.equal(csv.stdout, "src,dst,conn,possible\nshop/frontend[Deployment],shop/backend[Deployment],TCP 8080,\n");
    const md = await matrix("--no-external", "--format", "md");
    assert.match(md.stdout, /^\| src \| dst \| conn \|\n\|-.*\n\| shop\/frontend\[Deployment\] \| shop\/backend/);
    const dot = await matrix("--no-external", "--format", "dot");
    assert.match(
      dot.stdout,
      /^digraph \{\n[^]*"shop\/frontend\[Deployment\]" -> "shop\/backend\[Deployment\]" \[label="TCP 8080"\]/,
    );
    assert.match(dot.stdout, /subgraph "cluster_shop" \{[^]*\}\n\}\n$/);
    const mermaid = await matrix("--no-external", "--format", "mermaid");
    assert.match(mermaid.stdout, /^flowchart LR\n {2}subgraph g0\["shop"\]\n[^]* {2}n0 -->\|"TCP 8080"\| n1\n$/);
  });

  it("says on stderr who enforces: as named, or inferred", async () => {
    const inferred = await matrix();
    assert.match(inferred.stderr, /^enforcer: kubernetes, inferred from what was read \(name it with --cni\)$/m);
    const named = await matrix("--cni", "cilium@1.20");
    assert.equal(named.code, 0, named.stderr);
    assert.doesNotMatch(named.stderr, /inferred/);
    const quiet = await matrix("--quiet");
    assert.equal(quiet.stderr, "");
  });

  it("notes documents of a folder that are no Kubernetes objects, and skips node_modules and .git", async () => {
    const { code, stderr } = await matrix();
    assert.equal(code, 0);
    assert.match(stderr, /note: passed over 1 file with values of charts: .*values\.yaml/);
    assert.doesNotMatch(stderr, /broken\.yaml/);
  });

  it("gives the same answer for a folder, its files in any order, standard input and -f", async () => {
    const { folder: other, remove: removeOther } = folderWith({
      "a.yaml": shop.split("---\n").slice(0, 3).join("---\n"),
      "b.yml": shop.split("---\n").slice(3).join("---\n"),
    });
    try {
      const args = ["matrix", "--format", "json", "-q"];
      const expected = (await run([...args, other])).stdout;
      assert.ok(expected.includes("TCP 8080"));
      const [a, b] = [path.join(other, "a.yaml"), path.join(other, "b.yml")];
      assert.equal((await run([...args, b, a])).stdout, expected);
      assert.equal((await run([...args, "-f", a, "-f", b])).stdout, expected);
      assert.equal((await run([...args, "-"], { stdin: shop })).stdout, expected);
    } finally {
      removeOther();
    }
  });

  it("stops quietly when its reader goes away, as head does", async () => {
    const many = Array.from({ length: 150 }, (_, index) => deployment("open", `app-${index}`, 80));
    const { folder: other, remove: removeOther } = folderWith({ "many.yaml": join(...many) });
    try {
      const child = start(["matrix", other, "-q"]);
      let stderr = "";
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      await once(child.stdout as NodeJS.ReadableStream, "data");
      child.stdout?.destroy();
      const [code] = (await once(child, "close")) as [number | null];
      assert.deepEqual([code, stderr], [0, ""]);
    } finally {
      removeOther();
    }
  });

  it("prints help to a reader that goes away", async () => {
    const child = start(["matrix", "--help"]);
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdout?.destroy();
    const [code] = (await once(child, "close")) as [number | null];
    assert.deepEqual([code, stderr], [0, ""]);
  });

  it("prints every pair of a long answer to a slow reader", async () => {
    const many = Array.from({ length: 120 }, (_, index) => deployment("open", `app-${index}`, 80));
    const { folder: other, remove: removeOther } = folderWith({ "many.yaml": join(...many) });
    try {
      const { stdout } = await run(["matrix", other, "-q", "--no-external", "--format", "json"]);
      assert.equal((JSON.parse(stdout) as Entry[]).length, 120 * 119);
    } finally {
      removeOther();
    }
  });

  it("reads this package's own folder of nothing without a crash", async () => {
    const { code, stderr } = await run(["matrix", path.join(repoRoot, "docs")]);
    assert.ok(code === 0 || code === 3 || code === 4, stderr);
    assert.doesNotMatch(stderr, /defect in cluster-security/);
  });
});
