/** One object that was read several times, under several versions of its API as well. */
import assert from "node:assert/strict";
import { buildSnapshot, compile, type KubeObject } from "../../sdk/reachability";

const deployment = (apiVersion: string, app = "web"): KubeObject => ({
  apiVersion,
  kind: "Deployment",
  metadata: { name: "web", namespace: "shop" },
  spec: { template: { metadata: { labels: { app } }, spec: { containers: [{ name: "c", image: "c" }] } } },
});

const authentication = (apiVersion: string, mode: string): KubeObject => ({
  apiVersion,
  kind: "PeerAuthentication",
  metadata: { name: "main", namespace: "shop" },
  spec: { mtls: { mode } },
});

describe("copies of one object", () => {
  it("may be of different versions of its API", () => {
    for (const pair of [
      [deployment("apps/v1"), deployment("apps/v1beta1", "other")],
      [deployment("apps/v1beta2"), deployment("apps/v1")],
      [authentication("security.istio.io/v1", "STRICT"), authentication("security.istio.io/v1beta1", "PERMISSIVE")],
    ]) {
      const objects = [...pair, deployment("apps/v1", "web")].map((object) => ({ object }));
      const snapshot = buildSnapshot(objects);
      assert.deepEqual(
        snapshot.workloads.map(({ id, kind }) => [id, kind]),
        [["shop/web[Deployment]", "Deployment"]],
      );
      const [...entries] = compile(snapshot).matrix();
      assert.ok(entries.length > 0);
    }
  });

  it("one template that several kustomizations fill in is several policies", () => {
    const policy = (name: string, owner: string): KubeObject => ({
      apiVersion: "cilium.io/v2",
      kind: "CiliumClusterwideNetworkPolicy",
      metadata: { name, labels: { owner } },
      spec: { endpointSelector: {}, ingress: [{}] },
    });
    const said = (name: string, files: readonly [string, string]): number =>
      buildSnapshot([
        { object: policy(name, "a"), source: { file: files[0], line: 3 } },
        { object: policy(name, "b"), source: { file: files[1], line: 3 } },
      ]).problems.filter(({ code }) => code === "duplicate").length;
    assert.equal(said("to-${APP}", ["template.yaml", "template.yaml"]), 0);
    // two files may fill in the same name, and so may one file for which there is nothing to fill in
    assert.equal(said("to-${APP}", ["a.yaml", "b.yaml"]), 1);
    assert.equal(said("to-web", ["template.yaml", "template.yaml"]), 1);
  });

  it("one document that several overlays take in is in several overlays", () => {
    const copies = ["a", "b"].map((app) => ({
      object: deployment("apps/v1", app),
      source: { file: "base.yaml", line: 1 },
      variant: true,
    }));
    const said = buildSnapshot(copies).problems.map(({ code, message }) => `${code}: ${message}`);
    assert.deepEqual(said, [
      "variants: is in several overlays that differ (base.yaml:1): which one is applied is not known",
    ]);
  });
});
