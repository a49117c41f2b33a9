import assert from "node:assert/strict";
import { makersBefore, otherResources } from "../../sdk/components/live-drift";
import type { FieldOwner, LiveObject } from "../../sdk/findings/live-drift";
import { driftOf } from "../../sdk/findings/live-drift";

/** An entry of server-side apply by Pulumi's provider, as the API server writes it. */
function applied(manager: string, time: string, declaredBy: boolean): FieldOwner {
  const annotations = { "f:pulumi-cluster-security/declared-by": {} };
  return {
    manager,
    operation: "Apply",
    time,
    fieldsV1: {
      "f:metadata": declaredBy ? { "f:annotations": annotations } : {},
      "f:spec": { "f:podSelector": {}, "f:policyTypes": {} },
    },
  };
}

function live(...managedFields: readonly FieldOwner[]): LiveObject {
  return { metadata: { creationTimestamp: "2027-01-01T00:00:00Z", managedFields } };
}

describe("who else manages a live object", () => {
  const first = applied("pulumi-kubernetes-0a0a0a0a", "2027-01-01T00:00:00Z", true);
  const again = applied("pulumi-kubernetes-0b0b0b0b", "2027-01-01T00:10:00Z", true);

  it("an object that a killed update created, and the next one created again, has one resource", () => {
    assert.deepEqual(otherResources(live(first, again)), []);
    assert.deepEqual(makersBefore(live(first, again)), []);
  });

  it("a resource of another component, whose annotation was overwritten, is another one", () => {
    const former = applied("pulumi-kubernetes-0a0a0a0a", "2027-01-01T00:00:00Z", false);
    assert.deepEqual(otherResources(live(former, again)), ["pulumi-kubernetes-0a0a0a0a"]);
    assert.deepEqual(makersBefore(live(former, again)), ["pulumi-kubernetes-0a0a0a0a"]);
  });

  it("an object that kubectl created before is taken over", () => {
    const kubectl: FieldOwner = {
      manager: "kubectl-client-side-apply",
      operation: "Update",
      time: "2027-01-01T00:00:00Z",
      fieldsV1: { "f:spec": { "f:podSelector": {} } },
    };
    assert.deepEqual(makersBefore(live(kubectl, again)), ["kubectl-client-side-apply"]);
  });

  it("an object that kubectl created within the same second is taken over, whatever it still owns of it", () => {
    // an empty selector that is applied, too, is the applier's alone
    const kubectl: FieldOwner = {
      manager: "kubectl-create",
      operation: "Update",
      time: "2027-01-01T00:00:00Z",
      fieldsV1: { "f:spec": { "f:policyTypes": {} } },
    };
    assert.deepEqual(makersBefore(live(kubectl, first)), ["kubectl-create"]);
  });

  it("a new object has no maker before", () => {
    assert.deepEqual(makersBefore(live(first)), []);
    assert.deepEqual(otherResources(live(first)), []);
  });

  it("who labels a new object, or changes it later, has not made it", () => {
    const labels: FieldOwner = {
      manager: "labeller",
      operation: "Update",
      time: "2027-01-01T00:00:00Z",
      fieldsV1: { "f:metadata": { "f:labels": { "f:team": {} } } },
    };
    const later: FieldOwner = {
      manager: "kubectl-edit",
      operation: "Update",
      time: "2027-01-01T00:00:01Z",
      fieldsV1: { "f:spec": { "f:egress": {} } },
    };
    assert.deepEqual(makersBefore(live(first, labels, later)), []);
  });
});

describe("how a live policy differs from its declaration", () => {
  const allow = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "allow-db", namespace: "shop", labels: {} },
    spec: {
      podSelector: { matchLabels: { app: "db" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 5432, protocol: "TCP" }] }],
    },
  };

  it("rules of a direction that policyTypes leave out open it where Cilium enforces, and count", () => {
    for (const [direction, types] of [
      ["egress", "Ingress"],
      ["ingress", "Egress"],
    ] as const) {
      const rules = allow.spec.ingress;
      const spec = { podSelector: allow.spec.podSelector, policyTypes: [types] };
      const declared = {
        ...allow,
        spec: types === "Ingress" ? allow.spec : { ...spec, egress: [{ to: rules[0]?.from }] },
      };
      const drift = driftOf(declared, { spec: { ...declared.spec, [direction]: [{}] } });
      assert.match(drift?.what ?? "no drift", new RegExp(`spec\\.${direction} was added`));
      assert.match(drift?.effect ?? "", /^It opens any pod in shop/);
    }
  });

  it("what the server fills in and another order of the rules are no difference", () => {
    const [rule] = allow.spec.ingress;
    const more = {
      ...allow,
      spec: { ...allow.spec, ingress: [rule, { from: [{ ipBlock: { cidr: "10.0.0.0/8" } }] }] },
    };
    const turned = { ...more, spec: { ...more.spec, ingress: [...more.spec.ingress].reverse() } };
    assert.equal(driftOf(more, { spec: turned.spec }), undefined);
    assert.equal(driftOf(allow, { spec: allow.spec, status: { conditions: [] } }), undefined);
  });
});
