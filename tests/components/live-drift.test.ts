import assert from "node:assert/strict";
import { makersBefore, otherResources } from "../../sdk/components/live-drift";
import type { FieldOwner, LiveObject } from "../../sdk/findings/live-drift";

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

  it("a new object has no maker before", () => {
    assert.deepEqual(makersBefore(live(first)), []);
    assert.deepEqual(otherResources(live(first)), []);
  });
});
