import assert from "node:assert/strict";
import { clusterSecurityPolicies, type ClusterSecurityGuardArgs } from "../../policypack/guard";
import { runPolicies, urnOf, type TestResource, type TestRun } from "../../policypack/testing";

/** Opens cloud metadata for a pod of its namespace. */
const world = (home: string, annotation: string | undefined, finding = "metadata-endpoints-closed"): TestResource => ({
  type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
  name: "allow-world",
  props: {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: {
      name: "allow-world",
      namespace: home,
      ...(annotation === undefined
        ? {}
        : { annotations: { [`exempt.pulumi-cluster-security/${finding}`]: annotation } }),
    },
    spec: {
      podSelector: { matchLabels: { app: "api" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }],
    },
  },
});
const namespace = (name: string, labels: Record<string, string> = {}): TestResource => ({
  type: "kubernetes:core/v1:Namespace",
  name,
  props: { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } },
});
const deny = (home: string): TestResource => ({
  type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
  name: "default-deny-all",
  props: {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "default-deny-all", namespace: home },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  },
});
const current = "owner=platform; expires=2999-12-31; reason=is being moved";

async function run(
  home: string,
  annotation: string | undefined,
  args: ClusterSecurityGuardArgs = {},
): Promise<TestRun> {
  const stack = [namespace(home), world(home, annotation), deny(home)];
  return runPolicies(clusterSecurityPolicies(args), stack, { operation: "update" });
}

describe("exemptions that stand on the object", () => {
  it("hold at its registration in a namespace of the platform, and each use is shown", async () => {
    assert.equal((await run("observability", undefined)).stoppedAt, urnOf(world("observability", undefined)));
    const accepted = await run("observability", current);
    assert.equal(accepted.stoppedAt, undefined);
    assert.equal(accepted.failed, false, JSON.stringify(accepted.violations));
    const shown = accepted.violations.filter(({ message }) => /^exempt from metadata-endpoints-closed/.test(message));
    assert.equal(shown.length, 1);
    assert.match(shown[0]?.message ?? "", /accepted until 2999-12-31 by an annotation of the object/);
    assert.equal(shown[0]?.urn, urnOf(world("observability", current)));
  });

  it("do not count in an application's namespace unless that is permitted, and never in a tenant's", async () => {
    assert.equal((await run("shop", current)).stoppedAt, urnOf(world("shop", current)));
    const permitted = { exemptionAnnotations: "applications" } as const;
    assert.equal((await run("shop", current, permitted)).failed, false);
    const tenant = [namespace("shop", { tenant: "red" }), world("shop", current), deny("shop")];
    const result = await runPolicies(clusterSecurityPolicies(permitted), tenant, { operation: "update" });
    assert.equal(result.stoppedAt, urnOf(world("shop", current)));
    assert.equal((await run("observability", current, { exemptionAnnotations: "nowhere" })).failed, true);
  });

  it("cover nothing when they have ended or do not say what they have to, and that is a violation itself", async () => {
    for (const annotation of ["owner=platform; expires=2020-01-01; reason=is being moved", "please", ""]) {
      assert.ok((await run("observability", annotation)).failed, annotation);
      const stack = [
        namespace("observability"),
        world("observability", annotation, "host-access"),
        deny("observability"),
      ];
      const preview = await runPolicies(clusterSecurityPolicies(), stack, { operation: "preview" });
      const found = preview.violations.filter(({ message }) => message.startsWith("exemption-overdue"));
      assert.ok(found.length > 0 && found.every(({ level, urn }) => level === "mandatory" && urn !== ""), annotation);
    }
  });

  it("are refused as a setting that does not exist", () => {
    assert.throws(() => clusterSecurityPolicies({ exemptionAnnotations: "always" as never }), RangeError);
  });
});
