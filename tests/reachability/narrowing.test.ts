import assert from "node:assert/strict";
import { isClusterwideDeny } from "../../sdk/components/others";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { DenyScope, Dialect, Tier, namespace, plan } from "../../sdk/plan/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import { lostProtection } from "../../sdk/reachability/index";

const cluster = { apiServer: { cidrs: ["192.0.2.1/32"] }, nodeCidrs: ["192.0.2.0/24"] };
const clusterwide = [Dialect.Cilium, Dialect.Calico, Dialect.ClusterNetworkPolicy];
const own = new Set(["shop"]);
const anybody = ["any pod in a namespace that is not declared"];

function deny(dialect: Dialect, parts: Partial<ClusterSecurityDeclaration> = {}): KubeObject {
  const { documents } = plan({ dialect, cluster, namespaces: [namespace("shop")], ...parts });
  const found = documents.filter(isClusterwideDeny);
  assert.equal(found.length, 1);
  return { ...(found[0]?.object ?? assert.fail()) };
}

/** The same policy with another spec. */
function edited(policy: KubeObject, edit: (spec: Record<string, unknown>) => object): KubeObject {
  return { ...policy, spec: edit(structuredClone(policy["spec"] as Record<string, unknown>)) };
}

const running = (...homes: string[]): SourcedObject[] =>
  homes.flatMap((home) => [
    { object: { apiVersion: "v1", kind: "Namespace", metadata: { name: home } }, source: {} },
    {
      object: {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "kiosk", namespace: home },
        spec: {
          selector: { matchLabels: { app: "kiosk" } },
          template: {
            metadata: { labels: { app: "kiosk" } },
            spec: { containers: [{ name: "main", image: "kiosk" }] },
          },
        },
      },
      source: {},
    },
  ]);

describe("who loses protection when a clusterwide default deny is changed in place", () => {
  for (const dialect of clusterwide) {
    describe(dialect, () => {
      const standing = deny(dialect);
      const narrowed = deny(dialect, { exemptNamespaces: ["kube-system", "neighbours"] });

      it("nobody, where it stays as it is, covers more, or says the same in other words", () => {
        assert.deepEqual(lostProtection(standing, standing, { own }), []);
        const fewerExempt = deny(dialect, { exemptNamespaces: ["kube-system"] });
        assert.deepEqual(lostProtection(standing, fewerExempt, { own }), []);
        const relabelled = { ...standing, metadata: { ...standing.metadata, labels: { team: "keepers" } } };
        assert.deepEqual(lostProtection(standing, relabelled, { own }), []);
      });

      it("those of a namespace that is exempt from now on, by name where the cluster is known", () => {
        assert.deepEqual(lostProtection(standing, narrowed, { own }), ["any pod in neighbours"]);
        const objects = running("shop", "neighbours", "elsewhere");
        assert.deepEqual(lostProtection(standing, narrowed, { own, objects }), ["neighbours/kiosk[Deployment]"]);
        assert.deepEqual(lostProtection(standing, narrowed, { own, objects: running("shop", "elsewhere") }), []);
      });

      it("not those of a namespace that the declaration names: that is its owners' decision", () => {
        const shopExempt = deny(dialect, { namespaces: [namespace("shop", { tier: Tier.Platform })] });
        assert.deepEqual(lostProtection(standing, shopExempt, { own }), []);
        assert.deepEqual(lostProtection(standing, shopExempt, { own: new Set() }), ["any pod in shop"]);
      });

      it("everybody, where it lets everything in, or everything out", () => {
        const open: Readonly<Record<string, (side: "ingress" | "egress") => KubeObject>> = {
          [Dialect.Cilium]: (side) =>
            edited(standing, (spec) => ({
              ...spec,
              enableDefaultDeny: { ingress: side !== "ingress", egress: side !== "egress" },
            })),
          [Dialect.Calico]: (side) =>
            edited(standing, (spec) => ({ ...spec, types: [side === "ingress" ? "Egress" : "Ingress"] })),
          [Dialect.ClusterNetworkPolicy]: (side) => edited(standing, ({ [side]: _, ...spec }) => spec),
        };
        for (const side of ["ingress", "egress"] as const) {
          const opened = open[dialect]?.(side) ?? assert.fail();
          assert.deepEqual(lostProtection(standing, opened, { own }), anybody, side);
          const named = lostProtection(standing, opened, { own, objects: running("kube-system", "shop", "elsewhere") });
          assert.deepEqual(named, ["elsewhere/kiosk[Deployment]"], side);
        }
      });

      it("everybody, where it cannot be understood any more", () => {
        const strange = edited(standing, (spec) => ({ ...spec, subject: 7, selector: 7, endpointSelector: 7 }));
        assert.notDeepEqual(lostProtection(standing, strange, { own }), []);
      });
    });
  }

  for (const dialect of [Dialect.Cilium, Dialect.Calico]) {
    it(`everybody, where it is about declared namespaces only from now on (${dialect})`, () => {
      const declaredOnly = deny(dialect, { denyScope: DenyScope.DeclaredNamespaces });
      assert.deepEqual(lostProtection(deny(dialect), declaredOnly, { own }), anybody);
      assert.deepEqual(lostProtection(declaredOnly, deny(dialect), { own }), []);
      // one that was about declared namespaces was never anybody else's
      const other = deny(dialect, { denyScope: DenyScope.DeclaredNamespaces, namespaces: [namespace("other")] });
      assert.deepEqual(lostProtection(declaredOnly, other, { own: new Set(["other"]) }), []);
    });
  }

  it("everybody, where it is asked after policies that it came before, and nobody where it comes earlier", () => {
    const late = deny(Dialect.ClusterNetworkPolicy);
    const early = edited(late, (spec) => ({ ...spec, tier: "Admin" }));
    assert.deepEqual(lostProtection(early, late, { own }), anybody);
    assert.deepEqual(lostProtection(late, early, { own }), []);
  });

  it("everybody, where a name or the node gets through from now on", () => {
    const standing = deny(Dialect.Cilium);
    const open = (rule: object, side: "ingress" | "egress"): KubeObject =>
      edited(standing, (spec) => ({ ...spec, [side]: [rule] }));
    assert.deepEqual(
      lostProtection(standing, open({ toFQDNs: [{ matchPattern: "*.example.com" }] }, "egress"), { own }),
      anybody,
    );
    assert.deepEqual(lostProtection(standing, open({ fromEntities: ["remote-node"] }, "ingress"), { own }), anybody);
    assert.deepEqual(lostProtection(standing, open({ toCIDR: ["169.254.169.254/32"] }, "egress"), { own }), anybody);
  });

  it("somebody, where the policies tell more kinds of pods apart than can be gone through", () => {
    const standing = deny(Dialect.Cilium);
    const keys = Array.from({ length: 9 }, (_, index) => ({
      key: `key-${index}`,
      operator: "NotIn",
      values: ["a", "b", "c"],
    }));
    const subject = (more: readonly object[]): KubeObject =>
      edited(standing, (spec) => {
        const { matchExpressions } = spec["endpointSelector"] as { matchExpressions: object[] };
        return { ...spec, endpointSelector: { matchExpressions: [...matchExpressions, ...more] } };
      });
    assert.match(lostProtection(standing, subject(keys), { own }).join(), /more kinds of pods/);
    // who runs is known, and so is that nobody of them has such a label
    assert.deepEqual(lostProtection(standing, subject(keys), { own, objects: running("elsewhere") }), []);
  });

  it("pods and namespaces with a label that a user's transform lets off", () => {
    const standing = deny(Dialect.ClusterNetworkPolicy);
    const subject = (labels: object): KubeObject =>
      edited(standing, (spec) => ({
        ...spec,
        subject: { pods: { namespaceSelector: {}, podSelector: {}, ...labels } },
      }));
    const except = (key: string): object => ({ matchExpressions: [{ key, operator: "DoesNotExist" }] });
    const all = subject({});
    const byPod = lostProtection(all, subject({ podSelector: except("vip") }), { own });
    assert.ok(byPod.includes("any pod with the label vip="), byPod.join());
    const byNamespace = lostProtection(all, subject({ namespaceSelector: except("vip") }), { own });
    assert.ok(byNamespace.includes("any pod in a namespace with the label vip="), byNamespace.join());
  });
});
