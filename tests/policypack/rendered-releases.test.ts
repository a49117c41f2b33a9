import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { clusterSecurityPolicies } from "../../policypack/guard";
import { renderRelease } from "../../policypack/rendered-releases";
import type { TestResource } from "../../policypack/testing";
import { runPolicies, unknown } from "../../policypack/testing";

const policy = (spec: object): string =>
  JSON.stringify({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "of-chart" },
    spec,
  });

const resource = (kind: string, apiVersion: string, name: string, rest: object): TestResource => ({
  type: `kubernetes:${apiVersion === "v1" ? "core/v1" : apiVersion}:${kind}`,
  name,
  props: { apiVersion, kind, ...rest },
});
const around = [
  resource("Namespace", "v1", "shop", { metadata: { name: "shop" } }),
  resource("NetworkPolicy", "networking.k8s.io/v1", "deny", {
    metadata: { name: "default-deny-all", namespace: "shop" },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  }),
];
const release = (props: object = {}): TestResource => ({
  type: "kubernetes:helm.sh/v3:Release",
  name: "web",
  props: { chart: "web", version: "1.2.3", namespace: "shop", values: { password: "S3cr3t!Canary" }, ...props },
});

/** Stands for Helm, which is not everywhere: notes what it was asked, and prints what the test wants. */
describe("Helm releases, rendered where that is asked for", () => {
  let folder = "";
  const before_ = process.env["PATH"];

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "rendered-"));
    const script = `#!/bin/sh
printf '%s\\n' "$@" > ${folder}/arguments
cat > ${folder}/input
cat ${folder}/output || exit 7
`;
    writeFileSync(path.join(folder, "helm"), script);
    chmodSync(path.join(folder, "helm"), 0o755);
  });
  beforeEach(() => {
    process.env["PATH"] = `${folder}:${before_ ?? ""}`;
  });
  after(() => {
    process.env["PATH"] = before_;
    rmSync(folder, { recursive: true, force: true });
  });

  const prints = (text: string): void => writeFileSync(path.join(folder, "output"), text);
  const judged = async (props: object, args: object = { renderReleases: true }) => {
    const { violations } = await runPolicies(clusterSecurityPolicies(args), [...around, release(props)]);
    const mandatory = violations.filter(({ level }) => level === "mandatory");
    const unseen = violations.filter(({ message }) => message.startsWith("contents-not-visible"));
    return { mandatory, unseen, text: violations.map(({ message }) => message).join("\n") };
  };

  it("a bad policy inside blocks a preview, at the release; a good one passes", async () => {
    prints(policy({ podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Egress"], egress: [{}] }));
    const bad = await judged({});
    assert.ok(bad.mandatory[0]?.urn.endsWith("::web"), bad.text);
    assert.match(bad.mandatory[0]?.message ?? "", /NetworkPolicy shop\/of-chart opens a hole/);
    assert.deepEqual(bad.unseen, []);
    prints(policy({ podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Egress"] }));
    const good = await judged({ version: "1.2.4" });
    assert.deepEqual([good.mandatory, good.unseen], [[], []], good.text);
  });

  it("values go through standard input and are shown nowhere", async () => {
    prints(policy({}));
    const { text } = await judged({ version: "2.0.0", repositoryOpts: { repo: "https://charts.example" } });
    const read = (file: string): string => readFileSync(path.join(folder, file), "utf8");
    assert.match(read("input"), /S3cr3t!Canary/);
    assert.doesNotMatch(read("arguments") + text, /S3cr3t/);
    assert.deepEqual(read("arguments").trim().split("\n"), [
      ...["template", "--namespace", "shop", "--skip-tests", "--values", "-", "--version", "2.0.0"],
      ...["--repo", "https://charts.example", "--", "web", "web"],
    ]);
  });

  for (const [what, props, reason] of [
    ["values are not known yet", { values: { a: unknown.string } }, /values are not known yet/],
    [
      "the repository asks for credentials",
      { repositoryOpts: { repo: "https://a.example", password: "x" } },
      /credentials/,
    ],
    ["values come from files", { valueYamlFiles: ["x.yaml"] }, /values from files/],
  ] as [string, object, RegExp][]) {
    it(`says why it was not rendered: ${what}`, async () => {
      const { unseen, mandatory, text } = await judged(props);
      assert.deepEqual(mandatory, []);
      assert.equal(unseen.length, 1, text);
      assert.match(unseen[0]?.message ?? "", reason);
    });
  }

  it("says so where Helm fails, and where there is none", async () => {
    rmSync(path.join(folder, "output"));
    assert.match((await judged({ version: "3.0.0" })).text, /helm template failed \(exit code 7\)/);
    process.env["PATH"] = folder + "/nothing";
    const asked = { kind: "Release", chart: "a", version: "1", namespace: "b", values: {} } as const;
    assert.deepEqual(renderRelease("a", asked), {
      because: "there is no helm on the PATH to render it (renderReleases)",
    });
  });

  it("nothing is rendered where nobody asked", async () => {
    prints(policy({ podSelector: {}, egress: [{}] }));
    const { mandatory, unseen } = await judged({ version: "4.0.0" }, {});
    assert.deepEqual(mandatory, []);
    assert.equal(unseen.length, 1);
  });
});
