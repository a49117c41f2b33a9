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
import { formatPath } from "../../sdk/property-path";

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
        refused.filter(({ message }) => /staged/.test(message)).map(({ path }) => formatPath(path)),
        ["namespaces.other", "namespaces.shop"],
      );
      assert.ok(refused.every(({ fix }) => fix !== ""));
    });
  }

  for (const dialect of [Dialect.Cilium, Dialect.Kubernetes, Dialect.ClusterNetworkPolicy]) {
    it(`S3-28 ${dialect}: nothing in mode observe that denies or isolates, and nothing is lost by it`, () => {
      const declaration = { ...shop, mode: PolicyMode.Observe, unsupported: UnsupportedHandling.Refuse };
      const planned = plan({ ...declaration, dialect });
      const text = JSON.stringify(planned.documents.map(({ object }) => object));
      assert.doesNotMatch(text, /egressDeny|ingressDeny|"Deny"|"enableDefaultDeny":\{"ingress":true|policyTypes/);
      assert.ok(!planned.warnings.some(({ code }) => code === "audit-unsupported" || code === "audit-open"));
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
    for (const dialect of [Dialect.ClusterNetworkPolicy]) {
      const staged = plan({ ...audit, dialect }).documents.map(({ logicalName }) => logicalName);
      const enforced = new Set(plan({ ...shop, dialect }).documents.map(({ logicalName }) => logicalName));
      for (const name of staged) assert.ok(enforced.has(name), name);
    }
    const policyNames = { "default-deny-all": "deny-everything", "deny-cloud-metadata": "no-imds" };
    for (const mode of [PolicyMode.Enforce, PolicyMode.Audit]) {
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

describe("mode audit on Cilium: all policies, and one that lets the rest pass", () => {
  const written = (declaration: ClusterSecurityDeclaration): Map<string, unknown> =>
    new Map(
      plan({ ...declaration, dialect: Dialect.Cilium }).documents.map(({ logicalName, object }) => [
        logicalName,
        object["spec"],
      ]),
    );
  const one: ClusterSecurityDeclaration = {
    ...shop,
    namespaces: [
      namespace("shop", { mode: PolicyMode.Audit }),
      namespace("other"),
      namespace("seen", { mode: PolicyMode.Observe }),
    ],
  };

  it("S3-28 marks what the default deny would drop, closes metadata endpoints, and leaves other explicit denies out", () => {
    const policies = written(one);
    assert.deepEqual(policies.get("shop/audit-allow-all"), {
      description: "Mode audit: lets pass what no other policy allows, and marks it",
      endpointSelector: {},
      enableDefaultDeny: { ingress: false, egress: false },
      log: { value: "would-deny" },
      ingress: [{ fromEntities: ["all"] }],
      egress: [{ toEntities: ["all"] }],
    });
    assert.ok(!policies.has("shop/deny-external-to-db"));
    for (const name of ["default-deny-all", "deny-cloud-metadata"]) {
      const covered = JSON.stringify(policies.get(name));
      assert.match(covered, /"NotIn","values":\["cilium","cilium-secrets","flux-system","kube-system","seen"\]/);
    }
    assert.deepEqual(
      [...policies.keys()].filter((name) => /audit/.test(name)),
      ["shop/audit-allow-all"],
    );
  });

  it("S3-28 covers nobody who is not declared while the whole declaration is audited", () => {
    const policies = written({ ...shop, mode: PolicyMode.Audit });
    assert.match(JSON.stringify(policies.get("default-deny-all")), /"In","values":\["other","shop"\]/);
    assert.ok(policies.has("other/audit-allow-all") && policies.has("shop/audit-allow-all"));
  });

  it("S3-28 lets names resolve that the tenant may not ask for once it is enforced", () => {
    const tenants = [{ name: "shop", namespaces: ["shop"], dns: { names: ["*.example.com"] } }];
    assert.match(
      JSON.stringify(written({ ...one, tenants }).get("shop/audit-allow-all")),
      /"dns":\[\{"matchPattern":"\*"\}\]/,
    );
  });

  it("S3-28 the policy that opens stands before the deny, and says what it is", () => {
    const { documents, warnings } = plan({ ...one, dialect: Dialect.Cilium });
    const names = documents.map(({ logicalName }) => logicalName);
    assert.ok(names.indexOf("shop/audit-allow-all") < names.indexOf("default-deny-all"));
    const { metadata } =
      documents.find(({ logicalName }) => logicalName === "shop/audit-allow-all")?.object ?? assert.fail();
    assert.equal(metadata.annotations?.["pulumi-cluster-security/mode"], "audit");
    assert.deepEqual(warnings.find(({ code }) => code === "audit-open")?.paths, ["namespaces.shop"]);
  });

  it("S3-28 has no log on agents that do not know it", () => {
    const old = { ...one, cluster: { enforcerVersion: "1.17.4" } };
    assert.doesNotMatch(JSON.stringify([...written(old)]), /would-deny/);
  });
});

describe("roll-out of a namespace: no step without a replay", () => {
  const replay = { from: "2026-11-20", to: "2026-11-28", attempts: 12_000, wouldBeDenied: 0, unknown: 2, lost: 1 };
  const at = (mode: PolicyMode, rollout: unknown): ClusterSecurityDeclaration => ({
    ...shop,
    namespaces: [namespace("shop", { mode, rollout: rollout as never }), namespace("other")],
  });

  it("S3-28 is recorded on the namespace", () => {
    const { namespaces } = plan(at(PolicyMode.Enforce, { replay }));
    assert.deepEqual(
      namespaces.map(({ annotations }) => annotations),
      [
        {
          "pulumi-cluster-security/rollout":
            "enforce; replay of 2026-11-20 to 2026-11-28: 12000 attempts, 0 would be denied, 2 unknown, 1 lost",
        },
        {},
      ],
    );
    assert.equal(
      plan(at(PolicyMode.Observe, {})).namespaces[0]?.annotations["pulumi-cluster-security/rollout"],
      "observe",
    );
  });

  const refused: readonly [string, unknown, string, RegExp][] = [
    ["without a replay", {}, "namespaces[0].rollout.replay", /is missing/],
    [
      "after less than a week",
      { replay: { ...replay, from: "2026-11-25" } },
      "namespaces[0].rollout.replay",
      /spans 3 days of 7/,
    ],
    ["less than what it asks for", { minDays: 30, replay }, "namespaces[0].rollout.replay", /spans 8 days of 30/],
    [
      "that would cut something",
      { replay: { ...replay, wouldBeDenied: 1 } },
      "namespaces[0].rollout.replay.wouldBeDenied",
      /is not 0/,
    ],
    [
      "that leaves too much open",
      { replay: { ...replay, unknown: 400 } },
      "namespaces[0].rollout.replay",
      /more than 0.1 % open/,
    ],
    [
      "that lost too much",
      { replay: { ...replay, lost: 400 } },
      "namespaces[0].rollout.replay",
      /more than 0.1 % open/,
    ],
    [
      "that saw nothing",
      { replay: { ...replay, attempts: 0, unknown: 0, lost: 0 } },
      "namespaces[0].rollout.replay.attempts",
      /shows nothing/,
    ],
    ["that is no number", { replay: { ...replay, lost: "few" } }, "namespaces[0].rollout.replay.lost", /whole number/],
    ["that ends no day", { replay: { ...replay, to: "today" } }, "namespaces[0].rollout.replay.to", /is not a date/],
  ];
  for (const [title, rollout, path, message] of refused) {
    it(`S3-28 refuses a step ${title}`, () => {
      for (const mode of [PolicyMode.Audit, PolicyMode.Enforce]) {
        const found = problemsOf(at(mode, rollout)).find((problem) => formatPath(problem.path) === path);
        assert.match(found?.message ?? "", message);
        assert.notEqual(found?.fix, "");
      }
    });
  }

  it("S3-28 takes fewer days where somebody says so", () => {
    assert.deepEqual(problemsOf(at(PolicyMode.Audit, { minDays: 2, replay: { ...replay, from: "2026-11-25" } })), []);
  });
});
