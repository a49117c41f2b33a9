import assert from "node:assert/strict";
import { clusterSecurityPolicies, findingIds } from "../../policypack/guard";
import type { ClusterSecurityGuardArgs, FindingId } from "../../policypack/settings";
import { configSchema, configured, levelFor, settingsFrom } from "../../policypack/settings";
import { metadataEndpointsClosed, type Finding } from "../../sdk/findings";

const finding = (change: Partial<Finding> = {}): Finding => ({
  id: metadataEndpointsClosed.id,
  severity: "critical",
  certainty: "definite",
  subject: { kind: "Namespace", name: "shop" },
  message: "m",
  because: [],
  fix: "f",
  controls: [],
  ...change,
});

describe("settings of the pack", () => {
  it("both core findings are mandatory unless said otherwise", () => {
    const { levels } = settingsFrom();
    assert.equal(levels["namespace-default-deny"], "mandatory");
    assert.equal(levels["metadata-endpoints-closed"], "mandatory");
    assert.equal(levels["not-understood"], "mandatory");
    assert.equal(levels["contents-not-visible"], "advisory");
  });

  it("each finding is an argument of the class and of the configuration, and neither has one that does not exist", () => {
    const args: Required<Pick<ClusterSecurityGuardArgs, FindingId>> = Object.fromEntries(
      findingIds.map((id) => [id, "advisory"]),
    ) as Required<Pick<ClusterSecurityGuardArgs, FindingId>>;
    assert.deepEqual(settingsFrom(args).levels, args);
    // @ts-expect-error: the compiler knows the findings
    assert.throws(() => settingsFrom({ "internet-egres": "advisory" }), RangeError);
    const { findings, exemptions } = configSchema.properties;
    assert.deepEqual(Object.keys(findings?.properties ?? {}), [...findingIds]);
    const items = exemptions?.items as { properties?: Record<string, { enum?: unknown }> } | undefined;
    assert.deepEqual(items?.properties?.["finding"]?.enum, [...findingIds]);
  });

  it("all sets every level, and a finding's own level goes first", () => {
    const { levels } = settingsFrom({ all: "disabled", "metadata-endpoints-closed": "mandatory" });
    assert.equal(levels["metadata-endpoints-closed"], "mandatory");
    assert.equal(levels["namespace-default-deny"], "disabled");
  });

  it("refuses a finding or a level that does not exist", () => {
    assert.throws(() => settingsFrom({ "metadata-endpoint-closed": "disabled" } as never), RangeError);
    assert.throws(() => settingsFrom({ all: "off" } as never), RangeError);
    assert.throws(() => settingsFrom({ enforcer: "flannel" }), RangeError);
    assert.throws(() => settingsFrom({ undecidable: { preview: "warn" } } as never), RangeError);
  });

  it("what cannot be decided is shown in a preview and stops an update, but is never stricter than its finding", () => {
    const settings = settingsFrom();
    const possible = finding({ certainty: "possible" });
    assert.equal(levelFor(possible, settings, "preview"), "advisory");
    assert.equal(levelFor(possible, settings, "update"), "mandatory");
    assert.equal(levelFor(possible, settingsFrom({ all: "advisory" }), "update"), "advisory");
    assert.equal(levelFor(possible, settingsFrom({ undecidable: { preview: "mandatory" } }), "preview"), "mandatory");
  });

  it("what is exempt never stops anything, and a disabled finding says nothing", () => {
    assert.equal(
      levelFor(finding({ exempt: true, severity: "info" }), settingsFrom({ all: "mandatory" }), "update"),
      "advisory",
    );
    assert.equal(levelFor(finding({ exempt: true }), settingsFrom({ all: "disabled" }), "update"), "disabled");
  });

  it("configuration of the wrong shape switches nothing off", () => {
    const settings = settingsFrom();
    for (const config of [
      null,
      1,
      "x",
      [],
      { findings: "disabled" },
      { findings: { "namespace-default-deny": "no" } },
      { exemptNamespaces: "shop" },
      { exemptNamespaces: [1] },
    ]) {
      assert.deepEqual(configured(settings, config), settings);
    }
    const changed = configured(settings, {
      findings: { "namespace-default-deny": "advisory" },
      exemptNamespaces: ["x"],
      enforcer: "cilium",
    });
    assert.equal(changed.levels["namespace-default-deny"], "advisory");
    assert.deepEqual(changed.exemptNamespaces, ["x"]);
    assert.equal(changed.enforcer, "cilium");
  });

  it("the schema knows every finding", () => {
    const findings = configSchema.properties["findings"]?.properties ?? {};
    assert.deepEqual(Object.keys(findings).sort(), [...findingIds].sort());
  });

  it("registers one resource policy and one stack policy for each level in use", () => {
    const names = (args: Parameters<typeof clusterSecurityPolicies>[0]) =>
      clusterSecurityPolicies(args).map((policy) => `${policy.name} ${policy.enforcementLevel}`);
    assert.deepEqual(names({}), [
      "cluster-security mandatory",
      "cluster-security-stack mandatory",
      "cluster-security-stack-advisory advisory",
    ]);
    assert.deepEqual(names({ all: "advisory" }), [
      "cluster-security advisory",
      "cluster-security-stack-advisory advisory",
    ]);
  });
});
