import assert from "node:assert/strict";
import { folderWith, run } from "./command";
import { backendIngress, defaultDeny, deployment, frontendEgress, join, namespace, shop } from "./fixtures";

const workloads = join(namespace("shop"), deployment("shop", "frontend", 3000), deployment("shop", "backend", 8080));
/** The shop before anybody let the frontend through. */
const closed = join(workloads, defaultDeny);
const frontendToBackend = ["shop/frontend[Deployment]", "shop/backend[Deployment]"];

describe("cluster-security diff", () => {
  let folder: string;
  let remove: () => void;
  before(
    () =>
      ({ folder, remove } = folderWith({
        "closed.yaml": closed,
        "shop.yaml": shop,
        "added/egress.yaml": frontendEgress,
        "added/ingress.yaml": backendIngress,
        "relaxed.yaml": backendIngress.replace("- port: 8080", "- port: 8080\n        - port: 9090"),
        "relaxed-egress.yaml": frontendEgress.replace("- port: 8080", "- port: 8080\n        - port: 9090"),
      })),
  );
  after(() => remove());

  const diff = (...args: string[]) => run(["diff", ...args], { cwd: folder });

  it("tells what a change opens, and which object did it in which file", async () => {
    const { code, stdout, stderr } = await diff("closed.yaml", "shop.yaml", "--no-external");
    assert.equal(code, 0, stderr);
    const [head = "", row = "", ...rest] = stdout.trim().split("\n");
    assert.match(head, /^CHANGE +SOURCE +DESTINATION +BEFORE +AFTER +BECAUSE OF$/);
    assert.match(row, /^opened +shop\/frontend\[Deployment\] +shop\/backend\[Deployment\] +No Connections +TCP 8080 /);
    assert.match(row, /NetworkPolicy shop\/allow-frontend-egress \(added, shop\.yaml:\d+\)/);
    assert.match(row, /NetworkPolicy shop\/allow-frontend-to-backend \(added, shop\.yaml:\d+\)/);
    assert.doesNotMatch(row, /default-deny-all/);
    assert.deepEqual(rest, []);
    assert.match(stderr, /^1 path opened, 0 closed, 0 changed$/m);
  });

  it("the other way round it closes", async () => {
    const { stdout } = await diff("shop.yaml", "closed.yaml", "--no-external", "--format", "json");
    const [entry, ...rest] = JSON.parse(stdout) as Record<string, unknown>[];
    assert.deepEqual(rest, []);
    assert.deepEqual(
      [entry?.["change"], entry?.["src"], entry?.["dst"], entry?.["before"], entry?.["after"]],
      ["closed", ...frontendToBackend, "TCP 8080", "No Connections"],
    );
  });

  it("no change is no difference", async () => {
    const { code, stdout, stderr } = await diff("shop.yaml", "shop.yaml", "--fail-on", "any");
    assert.deepEqual([code, stdout], [0, ""], stderr);
    assert.match(stderr, /no path opened, closed or changed/);
  });

  it("--apply lays the second over the first", async () => {
    const without = await diff("closed.yaml", "added", "--no-external", "--format", "json");
    assert.deepEqual(JSON.parse(without.stdout), [], "only policies: nobody is there to talk");
    const { code, stdout } = await diff("closed.yaml", "added", "--apply", "--no-external", "--format", "json");
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as unknown[]).length, 1);
    const replaced = await diff("shop.yaml", "relaxed.yaml", "--apply", "--no-external", "--format", "json");
    assert.deepEqual(JSON.parse(replaced.stdout), [], "the other half still says 8080");
  });

  it("--fail-on: opened, closed, any; a path that grows counts as opened", async () => {
    const grown = join(
      workloads,
      defaultDeny,
      frontendEgress.replace("- port: 8080", "- port: 8080\n        - port: 9090"),
      backendIngress.replace("- port: 8080", "- port: 8080\n        - port: 9090"),
    );
    const { folder: other, remove: removeOther } = folderWith({ "grown.yaml": grown, "shop.yaml": shop });
    try {
      const code = async (...args: string[]) => (await run(["diff", ...args, "--no-external"], { cwd: other })).code;
      assert.equal(await code("shop.yaml", "grown.yaml"), 0);
      assert.equal(await code("shop.yaml", "grown.yaml", "--fail-on", "opened"), 1);
      assert.equal(await code("shop.yaml", "grown.yaml", "--fail-on", "closed"), 0);
      assert.equal(await code("shop.yaml", "grown.yaml", "--fail-on", "any"), 1);
      assert.equal(await code("grown.yaml", "shop.yaml", "--fail-on", "closed"), 1);
      assert.equal(await code("grown.yaml", "shop.yaml", "--fail-on", "opened"), 0);
      const { stdout } = await run(["diff", "shop.yaml", "grown.yaml", "--no-external", "--format", "csv"], {
        cwd: other,
      });
      assert.match(stdout, /^change,src,dst,before,after,causes\nchanged,.*,TCP 8080,"TCP 8080,9090",/);
    } finally {
      removeOther();
    }
  });

  it("finds a namespace or workload of either side, and refuses one of neither", async () => {
    const more = join(shop, namespace("new"), deployment("new", "job", 80));
    const { folder: other, remove: removeOther } = folderWith({ "more.yaml": more, "shop.yaml": shop });
    try {
      const of = (...args: string[]) => run(["diff", ...args, "--format", "json"], { cwd: other });
      for (const files of [
        ["shop.yaml", "more.yaml"],
        ["more.yaml", "shop.yaml"],
      ]) {
        const { code, stdout, stderr } = await of(...files, "-n", "new");
        assert.equal(code, 0, stderr);
        assert.ok((JSON.parse(stdout) as unknown[]).length > 0);
        assert.equal((await of(...files, "-w", "new/job")).code, 0);
      }
      assert.equal((await of("shop.yaml", "more.yaml", "-n", "nwe")).code, 2);
    } finally {
      removeOther();
    }
  });

  it("one enforcer for both sides, so that the enforcer is no difference", async () => {
    const cilium = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: idle, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: nobody } }
  ingress: [{ fromEndpoints: [{}] }]
`;
    const { folder: other, remove: removeOther } = folderWith({ "shop.yaml": shop, "both.yaml": join(shop, cilium) });
    try {
      const { stdout, stderr } = await run(["diff", "shop.yaml", "both.yaml", "--format", "json"], { cwd: other });
      assert.match(stderr, /enforcer: cilium/);
      assert.deepEqual(JSON.parse(stdout), []);
    } finally {
      removeOther();
    }
  });

  it("a side that cannot be read gives no answer", async () => {
    const { folder: other, remove: removeOther } = folderWith({ "shop.yaml": shop, "broken.yaml": "a: [" });
    try {
      const { code, stdout, stderr } = await run(["diff", "shop.yaml", "broken.yaml"], { cwd: other });
      assert.deepEqual([code, stdout], [4, ""]);
      assert.match(stderr, /broken\.yaml:\d+/);
    } finally {
      removeOther();
    }
  });

  it("prints Markdown, DOT and Mermaid", async () => {
    const print = async (format: string) =>
      (await diff("closed.yaml", "shop.yaml", "--no-external", "--format", format)).stdout;
    assert.match(await print("md"), /^\| change \| src .*\n\|---[^]*\| opened \| shop\/frontend/);
    assert.match(await print("dot"), /^digraph \{[^]*label="\+ TCP 8080"/);
    assert.match(await print("mermaid"), /^flowchart LR\n[^]*==>\|"\+ TCP 8080"\|/);
  });
});
