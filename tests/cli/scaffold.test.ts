/** A new project, and a new service in its declaration. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import type { ClusterSecurityDeclaration } from "../../sdk/plan";
import { plan } from "../../sdk/plan";
import { run, type Ran } from "./command";

describe("init and add service", function () {
  this.timeout(60_000);
  let folder: string;
  const file = (): string => path.join(folder, "security.yaml");
  const text = (): string => readFileSync(file(), "utf8");
  const declared = (): ClusterSecurityDeclaration => load(text()) as ClusterSecurityDeclaration;
  const add = (name: string, ...options: string[]): Promise<Ran> =>
    run(["add", "service", name, "-d", "security.yaml", "--reason", "why not", "--owner", "shop", ...options], {
      cwd: folder,
    });

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-scaffold-"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  for (const options of [
    [],
    ["--dialect", "calico"],
    ["--dialect", "kubernetes"],
    ["--dialect", "cilium", "--install"],
  ]) {
    it(`S4-17: begins a project whose declaration has a plan: init ${options.join(" ")}`, async () => {
      const { code, stderr } = await run(["init", folder, "--name", "net", ...options]);
      assert.equal(code, 0, stderr);
      const { cni: _installed, ...declaration } = declared() as ClusterSecurityDeclaration & { cni?: unknown };
      const { documents, flows, warnings } = plan(declaration);
      assert.ok(documents.some(({ logicalName }) => logicalName.includes("default-deny-all")));
      assert.equal(flows.length, 1);
      // NetworkPolicy has no deny that holds against another policy
      const expected = options.includes("kubernetes") ? ["metadata-deny-not-final"] : [];
      assert.deepEqual(
        warnings.map(({ code: one }) => one),
        expected,
      );
      assert.match(readFileSync(path.join(folder, "Pulumi.yaml"), "utf8"), /^name: net$/m);
    });
  }

  it("S4-17: writes over nothing: a folder that has one of the files is left as it is", async () => {
    writeFileSync(path.join(folder, "index.ts"), "mine");
    const { code, stderr } = await run(["init", folder]);
    assert.equal(code, 4);
    assert.match(stderr, /has index\.ts already: nothing was written/);
    assert.deepEqual(readdirSync(folder), ["index.ts"]);
  });

  it("S4-17: refuses a name that Pulumi would refuse, and a CNI that there is none of", async () => {
    const named = await run(["init", folder, "--name", "Über"]);
    assert.deepEqual([named.code, readdirSync(folder)], [2, []]);
    const none = await run(["init", folder, "--dialect", "kubernetes", "--install"]);
    assert.match(none.stderr, /--install needs a CNI to install/);
    assert.deepEqual([none.code, readdirSync(folder)], [2, []]);
  });

  describe("S4-17: a service is added step by step", () => {
    beforeEach(async () => {
      assert.equal((await run(["init", folder, "--name", "net"])).code, 0);
    });

    it("with its workload and its flows; every other line stays as it is", async () => {
      const before = text().split("\n");
      const { code, stdout, stderr } = await add(
        "shop/orders",
        ...["--port", "http=8080", "--from", "demo/backend", "--to", "fqdn:api.example.com:443"],
        ...["--label", "app.kubernetes.io/name=orders", "--service-account", "orders"],
      );
      assert.equal(code, 0, stderr);
      const { namespaces = [], workloads = [], flows = [] } = declared();
      assert.deepEqual(namespaces.at(-1), { name: "shop" });
      assert.deepEqual(workloads.at(-1), {
        name: "orders",
        namespace: "shop",
        labels: { "app.kubernetes.io/name": "orders" },
        serviceAccount: "orders",
        ports: [{ port: 8080, name: "http" }],
      });
      const own = { workload: "shop/orders" };
      const said = { reason: "why not", owner: "shop" };
      assert.deepEqual(flows.slice(-2), [
        { from: { workload: "demo/backend" }, to: own, ports: [{ port: 8080 }], ...said },
        { from: own, to: { fqdn: "api.example.com" }, ports: [{ port: 443 }], ...said },
      ]);
      const after = new Set(text().split("\n"));
      assert.deepEqual(
        before.filter((line) => !after.has(line)),
        [],
      );
      assert.match(stdout, /demo\/backend -> shop\/orders: TCP 8080/);
      assert.match(stdout, /namespace shop is new here/);
      assert.match(stdout, /pulumi up\n +cluster-security verify --context NAME -d security\.yaml -w shop\/orders/);
    });

    it("and nothing opens but what is named: the plan has these flows more, and no other", async () => {
      const before = plan(declared()).flows.map(({ id }) => id);
      await add("demo/orders", "--port", "8080", "--from", "demo/backend");
      const now = plan(declared()).flows;
      assert.deepEqual(
        now.filter(({ id }) => !before.includes(id)).map(({ from, to }) => [from.kind, to.kind]),
        [["workload", "workload"]],
      );
      assert.equal(now.length, before.length + 1);
    });

    it("not where the declaration would be refused, is no YAML object, or has it already: the file stays as it is", async () => {
      const before = text();
      for (const [args, words] of [
        [["demo/orders", "--port", "8080", "--from", "demo/nobody"], /names a workload that is not declared/],
        [["demo/backend", "--port", "8080"], /has a workload demo\/backend already/],
        [["demo/orders", "--port", "99999"], /"99999" is no port/],
        [["demo/orders", "--from", "demo/backend"], /--from needs a port/],
        [["demo/orders", "--port", "1", "--from", "entity:ingres"], /is no entity\. Did you mean "ingress"/],
        [["demo/orders", "--to", "demo/backend"], /names no port/],
        [["orders", "--port", "1"], /is no name of a service/],
      ] as const) {
        const { code, stderr } = await add(args[0], ...args.slice(1));
        assert.match(stderr, words);
        assert.ok(code === 2 || code === 4, args.join(" "));
        assert.equal(text(), before);
      }
    });

    it("not with --dry-run, which says what would be", async () => {
      const before = text();
      const { stdout } = await add("demo/orders", "--port", "53/udp", "--from", "demo/backend", "--dry-run");
      assert.match(stdout, /^would add demo\/orders/);
      assert.match(stdout, /demo\/backend -> demo\/orders: UDP 53/);
      assert.equal(text(), before);
    });

    it("into JSON, which stays JSON; into a list on one line, and where there is no list yet", async () => {
      for (const [name, content] of [
        ["a.json", '{"dialect": "cilium", "namespaces": [{"name": "demo"}], "workloads": []}'],
        ["b.yaml", "dialect: cilium\nnamespaces: [{ name: demo }] # all of them\nworkloads: []\n"],
        ["c.yaml", "dialect: cilium # no lists"],
      ] as const) {
        writeFileSync(path.join(folder, name), content);
        const args = ["add", "service", "demo/x", "-d", name, "--port", "80", "--reason", "a: b", "--owner", "c"];
        const { code, stderr } = await run(args, { cwd: folder });
        assert.equal(code, 0, stderr);
        const now = readFileSync(path.join(folder, name), "utf8");
        const value = (name.endsWith(".json") ? JSON.parse(now) : load(now)) as ClusterSecurityDeclaration;
        assert.deepEqual(value.workloads, [{ name: "x", namespace: "demo", ports: [{ port: 80 }] }], now);
        assert.deepEqual(value.namespaces, [{ name: "demo" }], now);
        assert.ok(!existsSync(path.join(folder, `.${name}`)));
      }
    });
  });
});
