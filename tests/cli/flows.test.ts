import assert from "node:assert/strict";
import { folderWith, run } from "./command";
import { shop } from "./fixtures";

describe("cluster-security query and explain", () => {
  let folder: string;
  let remove: () => void;
  before(() => ({ folder, remove } = folderWith({ "shop.yaml": shop })));
  after(() => remove());

  const ask = (...args: string[]) => run([...args, "shop.yaml"], { cwd: folder });

  it("query: 0 is allowed, 1 is denied", async () => {
    const allowed = await ask("query", "frontend", "backend:8080");
    assert.deepEqual(
      [allowed.code, allowed.stdout],
      [0, "allowed  shop/frontend[Deployment] -> shop/backend[Deployment]  TCP 8080\n"],
    );
    const denied = await ask("query", "frontend", "backend:9090");
    assert.equal(denied.code, 1);
    assert.match(denied.stdout, /^denied .* \(what passes: TCP 8080\)$/m);
  });

  it("query --expect denied turns the exit codes round", async () => {
    assert.equal((await ask("query", "backend", "frontend:3000", "--expect", "denied")).code, 0);
    assert.equal((await ask("query", "frontend", "backend:8080", "--expect", "denied")).code, 1);
  });

  it("query: the metadata service is closed, in every notation of the address", async () => {
    for (const address of ["169.254.169.254:443", "[::ffff:169.254.169.254]:443"]) {
      assert.equal((await ask("query", "frontend", address)).code, 1, address);
    }
    assert.equal((await ask("query", "frontend", "203.0.113.7:443")).code, 0);
    assert.equal((await ask("query", "new@shop", "169.254.169.254:80")).code, 1);
    assert.equal((await ask("query", "new@elsewhere", "169.254.169.254:80")).code, 2);
  });

  it("query prints all formats", async () => {
    const json = await ask("query", "frontend", "backend:http", "--format", "json");
    assert.deepEqual(JSON.parse(json.stdout), {
      src: "shop/frontend[Deployment]",
      dst: "shop/backend[Deployment]",
      protocol: "TCP",
      port: 8080,
      verdict: "allowed",
      conn: "TCP 8080",
    });
    const csv = await ask("query", "frontend", "backend:http", "--format", "csv");
    assert.equal(
      csv.stdout,
      "src,dst,protocol,port,verdict\nshop/frontend[Deployment],shop/backend[Deployment],TCP,8080,allowed\n",
    );
    assert.match(
      (await ask("query", "frontend", "backend:http", "--format", "md")).stdout,
      /\| TCP 8080 \| allowed \|/,
    );
    assert.match(
      (await ask("query", "frontend", "backend:http", "--format", "dot")).stdout,
      /-> .*label="TCP 8080: allowed"/,
    );
    assert.match(
      (await ask("query", "frontend", "backend:http", "--format", "mermaid")).stdout,
      /-->\|"TCP 8080: allowed"\|/,
    );
  });

  it("explain names the deciding rule on each side, with its file and line", async () => {
    const { code, stdout } = await ask("explain", "frontend", "backend:8080");
    assert.equal(code, 0);
    const lines = shop.split("\n");
    const egress = lines.findIndex((line) => line.includes("egress:")) + 2;
    const ingress = lines.findIndex((line) => line.includes("ingress:")) + 2;
    assert.match(stdout, /TCP 8080 {2}ALLOWED/);
    assert.ok(stdout.includes(`NetworkPolicy shop/allow-frontend-egress spec.egress[0]`), stdout);
    assert.ok(stdout.includes(`shop.yaml:${egress}`), stdout);
    assert.ok(stdout.includes(`NetworkPolicy shop/allow-frontend-to-backend spec.ingress[0]`), stdout);
    assert.ok(stdout.includes(`shop.yaml:${ingress}`), stdout);
  });

  it("explain exits with 0 whatever the verdict: it has answered", async () => {
    const { code, stdout } = await ask("explain", "backend", "frontend:3000");
    assert.equal(code, 0);
    assert.match(stdout, /DENIED[^]*default-deny-all/);
  });

  it("explain --format json says the same for programs", async () => {
    const { stdout } = await ask("explain", "frontend", "backend:8080", "--format", "json");
    const explained = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
    assert.equal(explained["verdict"], "allowed");
    const deciding = explained["ingress"]?.["deciding"] as { path: string; source: { file: string; line: number } };
    assert.equal(deciding.path, "spec.ingress[0]");
    assert.equal(deciding.source.file, "shop.yaml");
    assert.ok(shop.split("\n")[deciding.source.line - 1]?.includes("- from:"));
  });

  it("explain prints all formats", async () => {
    for (const [format, pattern] of [
      ["csv", /^side,step,rule,policy,path,source,outcome,because,text\n/],
      ["md", /^\*\*shop\/frontend\[Deployment\] -> .*: allowed\*\*/],
      ["dot", /^digraph \{[^]*source -> side0 -> side1 -> destination\n\}\n$/],
      ["mermaid", /^flowchart LR\n[^]*source --> side0 --> side1 --> destination\n$/],
    ] as const) {
      const { code, stdout } = await ask("explain", "frontend", "backend:8080", "--format", format);
      assert.equal(code, 0);
      assert.match(stdout, pattern);
    }
  });
});
