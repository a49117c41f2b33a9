/**
 * The built pack in a process of its own, started as the Pulumi engine starts it and asked over the analyzer protocol.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { clusterSecurityPolicies, policyNames } from "../../policypack/guard";
import { runPolicies, unknown, type TestResource } from "../../policypack/testing";
import { PackProcess, packFolder, repoRoot, secret, type WireResource } from "./support/pack-process";

const urn = (type: string, name: string): string => `urn:pulumi:test::project::${type}::${name}`;
const stack: WireResource = {
  type: "pulumi:pulumi:Stack",
  name: "project-test",
  urn: urn("pulumi:pulumi:Stack", "project-test"),
  props: {},
};

const wire = (resource: TestResource): WireResource => ({
  type: resource.type,
  name: resource.name,
  urn: urn(resource.type, resource.name),
  props: resource.props,
  parent: stack.urn,
});

const namespace: TestResource = {
  type: "kubernetes:core/v1:Namespace",
  name: "shop",
  props: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
};
const policy = (name: string, spec: Record<string, unknown>): TestResource => ({
  type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
  name,
  props: { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace: "shop" }, spec },
});
const deny = policy("default-deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const world = policy("allow-world", {
  podSelector: {},
  policyTypes: ["Egress"],
  egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }],
});
const unclear = policy("unclear", {
  podSelector: {},
  policyTypes: ["Egress"],
  egress: [{ to: [{ ipBlock: { cidr: unknown.string } }] }],
});
const workload: TestResource = {
  type: "kubernetes:apps/v1:Deployment",
  name: "api",
  props: {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "api", namespace: "shop" },
    spec: {
      template: {
        metadata: { labels: { app: "api" } },
        spec: { containers: [{ name: "api", env: [{ name: "TOKEN", value: secret("t0psecret") }] }] },
      },
    },
  },
};

describe("the built pack as a process", function () {
  this.timeout(60_000);
  let folder = "";
  let clean: string;
  let files: string[];

  before(() => {
    // `npm test` has built it, for all of its lanes
    if (process.env["TEST_PACK_IS_BUILT"] === undefined) {
      execFileSync(process.execPath, [path.join(repoRoot, "scripts", "bundle-pack.mjs")], { cwd: repoRoot });
    }
    // as `pulumi policy publish` does it: `npm pack` in the folder; whoever enforces the pack unpacks the archive and
    // installs its dependencies
    clean = mkdtempSync(path.join(tmpdir(), "pack-"));
    const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", clean], {
      cwd: packFolder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [archive] = JSON.parse(packed) as { filename: string; files: { path: string }[] }[];
    assert.ok(archive !== undefined);
    files = archive.files.map((file) => file.path).sort();
    execFileSync("tar", ["-xzf", path.join(clean, archive.filename), "-C", clean]);
    folder = path.join(clean, "package");
    symlinkSync(path.join(repoRoot, "node_modules"), path.join(folder, "node_modules"));
  });
  after(() => rmSync(clean, { recursive: true, force: true }));

  it("what is published is the bundle and what Pulumi and npm read, without a path of this checkout", () => {
    assert.deepEqual(files, ["PulumiPolicy.yaml", "bin/index.js", "bin/index.js.map", "package.json"]);
    for (const file of files) {
      const text = readFileSync(path.join(folder, file), "utf8");
      assert.ok(!text.includes(repoRoot), file);
    }
    const { dependencies } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const text = readFileSync(path.join(folder, "bin", "index.js"), "utf8");
    const packages = [...text.matchAll(/\brequire\("(@[^/"]+\/[^/"]+)/g)].map((match) => match[1] ?? "");
    for (const name of packages) assert.ok(Object.hasOwn(dependencies, name), name);
  });

  async function withPack<T>(preview: boolean, use: (pack: PackProcess) => Promise<T>): Promise<T> {
    const pack = await PackProcess.start(folder, { preview });
    try {
      return await use(pack);
    } finally {
      await pack.stop();
    }
  }

  it("is one file that needs nothing but @pulumi/* and Node", () => {
    const text = readFileSync(path.join(folder, "bin", "index.js"), "utf8");
    const required = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map((match) => match[1] ?? "");
    const foreign = required.filter(
      (name) => !name.startsWith("@pulumi/") && !builtinModules.includes(name.replace("node:", "")),
    );
    assert.deepEqual(foreign, []);
    assert.ok(statSync(path.join(folder, "bin", "index.js.map")).size > 0);
    assert.doesNotMatch(text, /pulumi-cluster-security-sources|\/root\/|\/home\//);
  });

  it("nothing beside the folder shadows it", () => {
    for (const ending of [".ts", ".js", ".json"]) {
      assert.throws(() => statSync(path.join(repoRoot, `policypack${ending}`)), /ENOENT/);
    }
  });

  it("describes its policies with severity, framework, remediation and configuration", async () => {
    const info = await withPack(true, (pack) => pack.info());
    assert.equal(info.name, "cluster-security");
    assert.deepEqual(info.policiesList.map((item) => item.name).sort(), Object.values(policyNames).sort());
    for (const item of info.policiesList) {
      assert.ok(item.description.endsWith(".") && item.remediationSteps !== "" && item.url.startsWith("https://"));
      assert.equal(item.framework?.reference, "SC-7(5)");
      assert.ok(item.configschema !== undefined);
    }
  });

  it("stops an object at its registration and blocks the stack, with level, severity and URN", async () => {
    await withPack(false, async (pack) => {
      assert.deepEqual(await pack.analyze(wire(namespace)), []);
      const [found] = await pack.analyze(wire(world));
      assert.equal(found?.level, "mandatory");
      assert.equal(found?.severity, 4, "critical");
      assert.match(found?.message ?? "", /^metadata-endpoints-closed: NetworkPolicy shop\/allow-world opens a hole/);
      await pack.analyze(wire(workload));
      const all = await pack.analyzeStack(
        [stack, namespace, workload].map((item) => ("urn" in item ? item : wire(item))),
      );
      assert.ok(all.length > 0 && all.every((item) => item.urn !== ""), "every violation has a URN");
      assert.ok(all.some((item) => item.level === "mandatory" && item.message.startsWith("namespace-default-deny")));
      assert.ok(!JSON.stringify(all).includes("t0psecret") && !pack.output.includes("t0psecret"));
    });
  });

  it("passes a closed stack, also when a preview shows the stack phase nothing at all", async () => {
    await withPack(true, async (pack) => {
      const resources = [namespace, deny, workload];
      for (const item of resources) assert.deepEqual(await pack.analyze(wire(item)), []);
      const empty = resources.map((item) => ({ ...wire(item), props: {} }));
      assert.deepEqual(
        (await pack.analyzeStack([stack, ...empty])).filter((item) => item.level === "mandatory"),
        [],
      );
    });
  });

  it("knows a preview from an update by what the engine tells the process", async () => {
    for (const preview of [true, false]) {
      await withPack(preview, async (pack) => {
        const found = [
          ...(await pack.analyze(wire(namespace))),
          ...(await pack.analyze(wire(unclear))),
          ...(await pack.analyze(wire(deny))),
        ];
        found.push(
          ...(await pack.analyzeStack(
            [stack, namespace, unclear, deny].map((item) => ("urn" in item ? item : wire(item))),
          )),
        );
        assert.ok(found.some((item) => /not decidable yet/.test(item.message)));
        assert.equal(
          found.some((item) => item.level === "mandatory"),
          !preview,
        );
      });
    }
  });

  it("takes its configuration from the engine", async () => {
    await withPack(true, async (pack) => {
      await pack.configure({ [policyNames.objects]: { properties: { exemptNamespaces: ["shop"] } } });
      for (const item of [namespace, workload]) await pack.analyze(wire(item));
      const found = await pack.analyzeStack([stack, wire(namespace), wire(workload)]);
      assert.deepEqual(
        found.filter((item) => item.level === "mandatory"),
        [],
      );
      assert.ok(found.some((item) => /shop is tier 0/.test(item.message)));
    });
  });

  it("repairs at the level `remediate`, and what is secret or not known yet stays so", async () => {
    const props = {
      ...world.props,
      metadata: {
        name: "allow-world",
        namespace: "shop",
        annotations: { token: secret("t0psecret") },
        uid: unknown.string,
      },
    };
    await withPack(false, async (pack) => {
      await pack.configure({ [policyNames.objects]: { level: "remediate", properties: { remediate: true } } });
      const repaired = await pack.remediate({ ...wire(world), props });
      const text = JSON.stringify(repaired);
      assert.match(text, /"except":\[.*"169\.254\.169\.254\/32"/);
      assert.deepEqual((repaired?.["metadata"] as typeof props.metadata).annotations.token, secret("t0psecret"));
      assert.equal((repaired?.["metadata"] as typeof props.metadata).uid, unknown.string);
      assert.equal(await pack.remediate(wire(deny)), undefined);
    });
  });

  it("says the same as the harness that users test with", async () => {
    const resources = [namespace, world, unclear, workload].map((item) =>
      // the harness gets secrets as policies do, in the clear
      item === workload
        ? {
            ...item,
            props: JSON.parse(JSON.stringify(item.props).replace(/\{"4dabf[^}]*"value":"(\w+)"\}/, '"$1"')) as Record<
              string,
              unknown
            >,
          }
        : item,
    );
    const expected = await runPolicies(clusterSecurityPolicies(), resources, { operation: "preview" });
    await withPack(true, async (pack) => {
      const found = [];
      for (const item of [namespace, world, unclear, workload]) found.push(...(await pack.analyze(wire(item))));
      found.push(...(await pack.analyzeStack([stack, ...[namespace, world, unclear, workload].map(wire)])));
      assert.deepEqual(
        found.map((item) => [item.policy, item.level, item.message]),
        expected.violations.map((item) => [item.policy, item.level, item.message]),
      );
    });
  });
});
