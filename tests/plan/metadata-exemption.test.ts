import assert from "node:assert/strict";
import type { Finding } from "../../sdk/findings/index";
import { applyAnnotations, evaluate, isViolation } from "../../sdk/findings/index";
import type { ClusterSecurityDeclaration, MetadataAccessDeclaration } from "../../sdk/plan/index";
import { Dialect, MetadataService, namespace, plan, workload } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { worldOf } from "./world";

const today = "2026-11-21";
const access: MetadataAccessDeclaration = {
  service: MetadataService.EksPodIdentity,
  reason: "reads its bucket; nothing else",
  owner: "shop; payments",
  expires: "2027-03-31",
};
/** Dialects whose enforcers know the service by its address; to Cilium it is the node. */
const byAddress = [Dialect.Calico, Dialect.ClusterNetworkPolicy, Dialect.Kubernetes];

function declarationWith(dialect: Dialect, ...metadataAccess: MetadataAccessDeclaration[]): ClusterSecurityDeclaration {
  return {
    dialect,
    namespaces: [namespace("shop")],
    workloads: [workload("shop/api", { serviceAccount: "api", metadataAccess }), workload("shop/web")],
  };
}

/** What the pack would say about metadata endpoints and about exemptions, its settings at their defaults or as given. */
function violations(
  declaration: ClusterSecurityDeclaration,
  options: { permitted?: "applications"; day?: string; extra?: readonly KubeObject[] } = {},
): readonly Finding[] {
  const { permitted, day = today, extra = [] } = options;
  const { reachability } = worldOf(declaration, { extra });
  const { findings, overdue } = applyAnnotations(evaluate(reachability, { today: day }), reachability.snapshot, {
    today: day,
    ...(permitted === undefined ? {} : { permitted }),
  });
  return [...findings, ...overdue].filter(
    (finding) => isViolation(finding) && /metadata-endpoints-closed|exemption-overdue/.test(finding.id),
  );
}

describe("what a declaration opens of the cloud's credential services", () => {
  for (const dialect of [Dialect.Calico, Dialect.ClusterNetworkPolicy, Dialect.Cilium]) {
    it(`passes the pack as it is, because the policy says why and until when (${dialect})`, () => {
      assert.deepEqual(violations(declarationWith(dialect, access)), []);
    });
  }

  it("passes with NetworkPolicy, which lies in the application's namespace, where the pack lets such annotations count", () => {
    const declaration = declarationWith(Dialect.Kubernetes, access);
    assert.deepEqual(violations(declaration, { permitted: "applications" }), []);
    assert.deepEqual(
      violations(declaration)
        .map(({ id }) => id)
        .sort(),
      ["exemption-overdue", "metadata-endpoints-closed"],
    );
  });

  for (const dialect of byAddress) {
    const permitted = "applications";

    it(`is found when its last day is over, and when it has none (${dialect})`, () => {
      const ended = violations(declarationWith(dialect, access), { permitted, day: "2027-04-01" });
      assert.deepEqual(ended.map(({ id }) => id).sort(), ["exemption-overdue", "metadata-endpoints-closed"]);
      const { expires: _, ...endless } = access;
      const found = violations(declarationWith(dialect, endless), { permitted });
      assert.deepEqual(
        found.map(({ id }) => id),
        ["metadata-endpoints-closed"],
      );
      const both = violations(
        declarationWith(dialect, access, { ...endless, service: MetadataService.GkeMetadataServer }),
        { permitted },
      );
      assert.deepEqual(
        both.map(({ id }) => id),
        ["metadata-endpoints-closed"],
      );
    });

    it(`hides nothing that another policy opens beside it (${dialect})`, () => {
      const own = { podSelector: { matchLabels: { app: "api" } }, policyTypes: ["Egress"] };
      const isGuarded = dialect !== Dialect.Kubernetes;
      const extra: KubeObject = isGuarded
        ? {
            // before the guard, for the same pods: on the same port, and on others
            ...(dialect === Dialect.Calico
              ? {
                  apiVersion: "projectcalico.org/v3",
                  kind: "GlobalNetworkPolicy",
                  metadata: { name: "cluster-security-guard.other" },
                  spec: {
                    tier: "cluster-security-guard",
                    order: 0,
                    selector: "app == 'api'",
                    types: ["Egress"],
                    egress: [{ action: "Allow", destination: { nets: ["169.254.0.0/16"] } }],
                  },
                }
              : {
                  apiVersion: "policy.networking.k8s.io/v1alpha2",
                  kind: "ClusterNetworkPolicy",
                  metadata: { name: "other" },
                  spec: {
                    tier: "Admin",
                    priority: 1,
                    subject: { pods: { namespaceSelector: {}, podSelector: own.podSelector } },
                    egress: [{ action: "Accept", to: [{ networks: ["169.254.0.0/16"] }] }],
                  },
                }),
          }
        : {
            apiVersion: "networking.k8s.io/v1",
            kind: "NetworkPolicy",
            metadata: { name: "other", namespace: "shop" },
            spec: { ...own, egress: [{ to: [{ ipBlock: { cidr: "169.254.170.0/24" } }], ports: [{ port: 80 }] }] },
          };
      const found = violations(declarationWith(dialect, access), { permitted, extra: [extra] });
      assert.deepEqual([...new Set(found.map(({ id }) => id))], ["metadata-endpoints-closed"]);
    });
  }

  it("says its owners and reasons in the form that the pack reads, whatever they hold", () => {
    const { documents } = plan(declarationWith(Dialect.Calico, access));
    const [text] = documents.flatMap(
      ({ object }) => object.metadata.annotations?.["exempt.pulumi-cluster-security/metadata-endpoints-closed"] ?? [],
    );
    assert.equal(text, "owner=shop, payments; expires=2027-03-31; reason=reads its bucket; nothing else");
  });

  it("carries no such annotation where there is nothing to accept", () => {
    for (const dialect of Object.values(Dialect)) {
      const { documents } = plan(declarationWith(dialect, ...(dialect === Dialect.Cilium ? [access] : [])));
      const keys = documents.flatMap(({ object }) => Object.keys(object.metadata.annotations ?? {}));
      assert.ok(!keys.some((key) => key.startsWith("exempt.")), dialect);
    }
  });
});
