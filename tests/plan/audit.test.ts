import assert from "node:assert/strict";
import type { ClusterSecurityDeclaration, DeclarationProblem, Plan } from "../../sdk/plan/index";
import {
  DeclarationError,
  Dialect,
  MeshMode,
  PolicyMode,
  UnsupportedHandling,
  flow,
  namespace,
  plan,
  tcp,
  workload,
} from "../../sdk/plan/index";

const shop: ClusterSecurityDeclaration = {
  namespaces: [namespace("shop"), namespace("other")],
  workloads: [workload("shop/web", { serviceAccount: "web" }), workload("shop/db", { denyExternal: true })],
  flows: [flow("web").to("db").on(tcp(5432)).because("data").ownedBy("team")],
};
const audit = { ...shop, mode: PolicyMode.Audit };

function kinds(planned: Plan): string[] {
  return [...new Set(planned.documents.map(({ object }) => object.kind))].sort();
}

function problemsOf(declaration: ClusterSecurityDeclaration): readonly DeclarationProblem[] {
  try {
    plan(declaration);
  } catch (error) {
    assert.ok(error instanceof DeclarationError, String(error));
    return error.problems;
  }
  return [];
}

describe("mode audit, what each dialect writes", () => {
  it("S3-28 calico: a staged kind for every policy", () => {
    const planned = plan({ ...audit, dialect: Dialect.Calico });
    assert.deepEqual(kinds(planned), ["StagedGlobalNetworkPolicy", "StagedNetworkPolicy", "Tier"]);
    assert.equal(planned.mode, "audit");
    assert.deepEqual(problemsOf({ ...audit, dialect: Dialect.Calico, unsupported: UnsupportedHandling.Refuse }), []);
  });

  it("S3-28 istio: dry runs, and mutual TLS that also takes plain connections", () => {
    for (const mode of Object.values(MeshMode)) {
      const planned = plan({ ...audit, mesh: { mode } });
      const mesh = planned.documents.filter(({ stage }) => stage === "mesh").map(({ object }) => object);
      assert.ok(mesh.length >= 5);
      for (const { kind, metadata, spec } of mesh) {
        if (kind === "PeerAuthentication") assert.deepEqual(spec, { mtls: { mode: "PERMISSIVE" } });
        else assert.equal(metadata.annotations?.["istio.io/dry-run"], "true");
      }
    }
  });

  for (const [dialect, written] of [
    [Dialect.Cilium, ["CiliumClusterwideNetworkPolicy", "CiliumNetworkPolicy"]],
    [Dialect.Kubernetes, []],
    [Dialect.ClusterNetworkPolicy, ["ClusterNetworkPolicy"]],
  ] as const) {
    it(`S3-28 ${dialect}: nothing that denies or isolates, and says so, or refuses where that was chosen`, () => {
      const planned = plan({ ...audit, dialect });
      assert.deepEqual(kinds(planned), written);
      const text = JSON.stringify(planned.documents.map(({ object }) => object));
      assert.doesNotMatch(text, /egressDeny|ingressDeny|"Deny"|"enableDefaultDeny":\{"ingress":true|policyTypes/);
      const warned = planned.warnings.find(({ code }) => code === "audit-unsupported");
      assert.deepEqual(warned?.paths, ["namespaces.other", "namespaces.shop"]);
      const refused = problemsOf({ ...audit, dialect, unsupported: UnsupportedHandling.Refuse });
      assert.deepEqual(
        refused.filter(({ message }) => /staged/.test(message)).map(({ path }) => path),
        ["namespaces.other", "namespaces.shop"],
      );
      assert.ok(refused.every(({ fix }) => fix !== ""));
    });

    it(`S3-28 ${dialect}: everything, where the enforcer itself only reports`, () => {
      const cluster = { enforcerAudits: true };
      const planned = plan({ ...audit, dialect, cluster });
      const enforced = plan({ ...shop, dialect });
      const objects = (one: Plan): unknown => one.documents.map(({ object }) => object);
      assert.deepEqual(objects(planned), objects(enforced));
      assert.equal(planned.mode, "audit");
      assert.ok(!planned.warnings.some(({ code }) => code === "audit-unsupported"));
    });
  }

  it("S3-28 keeps the names, so that enforcing replaces a staged policy by the one that it stood for", () => {
    for (const dialect of [Dialect.Cilium, Dialect.ClusterNetworkPolicy]) {
      const staged = plan({ ...audit, dialect }).documents.map(({ logicalName }) => logicalName);
      const enforced = new Set(plan({ ...shop, dialect }).documents.map(({ logicalName }) => logicalName));
      for (const name of staged) assert.ok(enforced.has(name), name);
    }
    const policyNames = { "default-deny-all": "deny-everything", "deny-cloud-metadata": "no-imds" };
    for (const mode of Object.values(PolicyMode)) {
      const names = plan({ ...shop, mode, dialect: Dialect.Calico, policyNames }).documents.map(
        ({ object }) => object.metadata.name,
      );
      // a name in Calico's tier default has no dot, or it would be taken for another tier
      assert.ok(names.includes(mode === PolicyMode.Audit ? "staged-deny-everything" : "deny-everything"));
      assert.equal(
        names.filter((name) => /(^|\.|staged-)(deny-everything|no-imds)$/.test(name)).length,
        2,
        names.join(),
      );
    }
  });
});
