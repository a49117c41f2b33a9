import assert from "node:assert/strict";
import { unknownCheckingProxy } from "@pulumi/policy";
import { clusterOf } from "../../policypack/clusters";
import { readResource } from "../../policypack/kubernetes-objects";
import { outputsOverInputs } from "../../policypack/merge";
import { unknown } from "../../policypack/testing";
import { isUnknown, unknownValue } from "../../sdk/reachability";

function read(type: string, props: unknown, name = "thing") {
  return readResource({ type, name, urn: `urn:pulumi:s::p::${type}::${name}`, props });
}

function onlyObject(type: string, props: unknown) {
  const reading = read(type, props);
  assert.equal(reading.is, "objects");
  assert.ok(reading.is === "objects" && reading.objects.length === 1);
  return reading.objects[0];
}

describe("Kubernetes objects out of Pulumi resources", () => {
  it("reads apiVersion and kind from the properties, whatever the type's token", () => {
    const props = { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name: "a", namespace: "b" } };
    for (const type of ["kubernetes:cilium.io/v2:CiliumNetworkPolicy", "crds:cilium/v2:CiliumNetworkPolicy"]) {
      const object = onlyObject(type, props);
      assert.equal(object?.kind, "CiliumNetworkPolicy");
      assert.equal(object?.metadata?.namespace, "b");
    }
  });

  it("falls back to the token where the properties are empty, and then nothing of the object is known", () => {
    const object = onlyObject("kubernetes:networking.k8s.io/v1:NetworkPolicy", {});
    assert.equal(object?.apiVersion, "networking.k8s.io/v1");
    assert.ok(isUnknown(object?.spec) && isUnknown(object?.metadata?.namespace) && isUnknown(object?.metadata?.labels));
    assert.equal(onlyObject("kubernetes:core/v1:Pod", {})?.apiVersion, "v1");
  });

  it("leaves out what no verdict depends on, and never reads the contents of a Secret", () => {
    let reads = 0;
    const props = new Proxy(
      { apiVersion: "v1", kind: "Secret", data: { password: "x" } },
      {
        get: (target, key) => {
          if (key === "data") reads++;
          return (target as Record<PropertyKey, unknown>)[key];
        },
      },
    );
    assert.deepEqual(read("kubernetes:core/v1:Secret", props), { is: "other" });
    assert.equal(reads, 0);
    assert.deepEqual(read("aws:s3/bucket:Bucket", { kind: 1 }), { is: "other" });
    assert.deepEqual(read("pulumi:providers:kubernetes", { kubeconfig: "x" }), { is: "other" });
    assert.deepEqual(read("pulumi:pulumi:Stack", {}), { is: "other" });
  });

  it("does not leave out a kind of somebody else's group that shares a name", () => {
    assert.equal(read("x:y:Event", { apiVersion: "acme.example/v1", kind: "Event" }).is, "objects");
  });

  it("unpacks lists, and an unknown list stays a thing not understood", () => {
    const items = [{ metadata: { name: "a" } }, { metadata: { name: "b" } }];
    const reading = read("kubernetes:networking.k8s.io/v1:NetworkPolicyList", {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicyList",
      items,
    });
    assert.ok(reading.is === "objects");
    assert.deepEqual(
      reading.objects.map((object) => [object.kind, object.metadata?.name]),
      [
        ["NetworkPolicy", "a"],
        ["NetworkPolicy", "b"],
      ],
    );
    const unread = read(
      "kubernetes:core/v1:List",
      unknownCheckingProxy({ kind: "List", apiVersion: "v1", items: unknown.array }),
    );
    assert.ok(unread.is === "objects" && unread.objects.length === 1 && isUnknown(unread.objects[0]?.["items"]));
  });

  it("tells a patch from the object", () => {
    const reading = read("kubernetes:networking.k8s.io/v1:NetworkPolicyPatch", {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
    });
    assert.equal(reading.is, "patch");
  });

  it("shows the values of a Helm release and nothing of its chart", () => {
    const props = unknownCheckingProxy({ chart: "cilium", version: "1.18.5", values: { a: unknown.string } });
    const reading = read("kubernetes:helm.sh/v3:Release", props);
    assert.ok(reading.is === "opaque");
    assert.ok(isUnknown((reading.release?.values as Record<string, unknown>)["a"]));
  });

  it("keeps the name of a namespace unknown and gives other objects their logical name", () => {
    const namespace = onlyObject(
      "kubernetes:core/v1:Namespace",
      unknownCheckingProxy({ apiVersion: "v1", kind: "Namespace", metadata: { name: unknown.string } }),
    );
    assert.ok(isUnknown(namespace?.metadata?.name));
    const pod = onlyObject(
      "kubernetes:core/v1:Pod",
      unknownCheckingProxy({ apiVersion: "v1", kind: "Pod", metadata: { name: unknown.string } }),
    );
    assert.equal(pod?.metadata?.name, "thing");
  });

  it("shows no text as a name that cannot be one", () => {
    const object = onlyObject("kubernetes:core/v1:Pod", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "S3cr3t!", namespace: "S3cr3t!" },
    });
    assert.equal(object?.metadata?.name, "thing");
    assert.ok(isUnknown(object?.metadata?.namespace));
  });
});

describe("clusters of a stack", () => {
  const provider = (name: string, props: Record<string, unknown>) => ({
    type: "pulumi:providers:kubernetes",
    name,
    urn: `urn:pulumi:s::p::pulumi:providers:kubernetes::${name}`,
    props: unknownCheckingProxy(props) as Record<string, unknown>,
  });

  it("two providers with one connection are one cluster, with different connections two", () => {
    const a = clusterOf(provider("a", { kubeconfig: "K", namespace: "x" }));
    const b = clusterOf(provider("b", { kubeconfig: "K" }));
    const c = clusterOf(provider("c", { kubeconfig: "L" }));
    assert.equal(a.key, b.key);
    assert.notEqual(a.key, c.key);
    assert.equal(a.defaultNamespace, "x");
  });

  it("providers whose connection is not known yet are never taken for one another", () => {
    const a = clusterOf(provider("a", { kubeconfig: unknown.string }));
    const b = clusterOf(provider("b", { kubeconfig: unknown.string }));
    assert.notEqual(a.key, b.key);
    assert.equal(a.key, clusterOf(provider("a", { kubeconfig: unknown.string })).key);
  });

  it("keeps no kubeconfig", () => {
    assert.ok(!JSON.stringify(clusterOf(provider("a", { kubeconfig: "token: t0psecret" }))).includes("t0psecret"));
  });
});

describe("outputs over inputs", () => {
  it("takes the inputs where the outputs are empty or unknown", () => {
    assert.deepEqual(outputsOverInputs({}, { a: 1 }), { a: 1 });
    assert.deepEqual(outputsOverInputs(unknownValue, { a: 1 }), { a: 1 });
    assert.deepEqual(outputsOverInputs({ a: unknownValue, b: [unknownValue, 2] }, { a: 1, b: [3, 4] }), {
      a: 1,
      b: [3, 2],
    });
  });

  it("never brings back what the API server dropped, and keeps what it changed", () => {
    assert.deepEqual(outputsOverInputs({ a: 2 }, { a: 1, b: 1 }), { a: 2 });
  });

  it("leaves unknown what the inputs do not know either", () => {
    assert.deepEqual(outputsOverInputs({ a: unknownValue }, { b: 1 }), { a: unknownValue });
    assert.deepEqual(outputsOverInputs({ a: [unknownValue] }, { a: [1, 2] }), { a: [unknownValue] });
  });
});
