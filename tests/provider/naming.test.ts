import assert from "node:assert/strict";
import * as fc from "fast-check";
import { autoname, fieldManagerFor, nameObject, NamingError } from "../../lab/provider/naming";
import {
  idOf,
  isPatch,
  parseId,
  parseToken,
  toKubernetesKeys,
  toPulumiKeys,
  toSend,
  typeOfUrn,
  nameOfUrn,
} from "../../lab/provider/objects";
import { Secret, unknown, unwrapMap, type PlainMap, type PropertyMap } from "../../lab/provider/properties";

const seed = new Uint8Array([1, 2, 3]);
const none = new Uint8Array();

function nameGiven(inputs: PropertyMap): unknown {
  return (unwrapMap(inputs)["metadata"] as Record<string, unknown>)["name"];
}

describe("provider: names", () => {
  it("gives an object without a name one that is new, and marks it", () => {
    const named = nameObject({ kind: "ConfigMap", metadata: { namespace: "shop" } }, undefined, "settings", none);
    assert.match(String(nameGiven(named)), /^settings-[0-9a-f]{8}$/);
    assert.deepEqual((unwrapMap(named)["metadata"] as Record<string, unknown>)["annotations"], {
      "pulumi.com/autonamed": "true",
    });
    assert.notEqual(autoname("a", none), autoname("a", none));
    assert.equal(autoname("a", seed), autoname("a", seed));
    assert.notEqual(autoname("a", seed), autoname("b", seed));
  });

  it("leaves names alone that are given, secret or not known yet", () => {
    for (const metadata of [
      { name: "x" },
      new Secret({ name: "x" }),
      { name: unknown },
      unknown,
      new Secret(unknown),
    ]) {
      const inputs: PropertyMap = { kind: "ConfigMap", metadata };
      assert.equal(nameObject(inputs, undefined, "settings", seed), inputs);
    }
  });

  it("keeps an automatic name, and lets one that the program gave up be replaced", () => {
    const first = nameObject({ metadata: {} }, {}, "settings", seed);
    assert.equal(nameGiven(nameObject({ metadata: {} }, first, "settings", none)), nameGiven(first));
    const unnamed = nameObject({ metadata: {} }, { metadata: { name: "by-hand" } }, "settings", seed);
    assert.equal(nameGiven(unnamed), undefined);
  });

  it("follows Pulumi's autonaming configuration", () => {
    const proposed = nameObject({ metadata: {} }, undefined, "settings", seed, {
      proposedName: "mine",
      mode: "enforce",
    });
    assert.equal(nameGiven(proposed), "mine");
    assert.throws(
      () => nameObject({ metadata: {} }, undefined, "x", seed, { proposedName: "", mode: "disable" }),
      NamingError,
    );
  });

  it("has one field manager for each resource, the same every time", () => {
    const urn = "urn:pulumi:dev::p::kubernetes:core/v1:Namespace::shop";
    assert.equal(fieldManagerFor(urn), fieldManagerFor(urn));
    assert.notEqual(fieldManagerFor(urn), fieldManagerFor(`${urn}2`));
  });

  it("reads type tokens and URNs", () => {
    assert.deepEqual(parseToken("kubernetes:core/v1:Namespace"), {
      token: "kubernetes:core/v1:Namespace",
      apiVersion: "v1",
      kind: "Namespace",
    });
    assert.equal(parseToken("kubernetes:cilium.io/v2:CiliumNetworkPolicy").apiVersion, "cilium.io/v2");
    const urn = "urn:pulumi:dev::p::a:b:C$kubernetes:apps/v1:Deployment::web::odd";
    assert.equal(typeOfUrn(urn), "kubernetes:apps/v1:Deployment");
    assert.equal(nameOfUrn(urn), "web::odd");
    assert.ok(isPatch("kubernetes:core/v1:NamespacePatch", "Namespace"));
    assert.ok(!isPatch("kubernetes:example.org/v1:JsonPatch", "JsonPatch"));
  });

  it("has ids that lead back to namespace and name", () => {
    const label = fc.stringMatching(/^[a-z0-9-]{1,10}$/);
    fc.assert(
      fc.property(fc.option(label, { nil: "" }), label, (namespace, name) => {
        const metadata: PlainMap = namespace === "" ? { name } : { name, namespace };
        assert.deepEqual(parseId(idOf({ metadata })), { namespace, name });
      }),
    );
  });

  it("writes the schema keys of definitions as Kubernetes does, and only there", () => {
    const definition = { kind: "CustomResourceDefinition", spec: { x_kubernetes_list_type: "map", keep_this: 1 } };
    const real = toKubernetesKeys(definition);
    assert.deepEqual(real.spec, { "x-kubernetes-list-type": "map", keep_this: 1 });
    assert.deepEqual(toPulumiKeys(real), definition);
    const other = { kind: "ConfigMap", data: { x_kubernetes_y: "1" } };
    assert.equal(toKubernetesKeys(other), other);
  });

  it("sends no field that only the API server writes, and a Secret's texts encoded", () => {
    const sent = toSend({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "a", uid: "u", resourceVersion: "1", managedFields: [] },
      data: { kept: "eA==" },
      stringData: { word: "hush" },
    });
    assert.deepEqual(sent, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "a" },
      data: { kept: "eA==", word: Buffer.from("hush").toString("base64") },
    });
  });
});
