import assert from "node:assert/strict";
import type { KubeObject } from "../../sdk/reachability";
import { applyPatch, identityOf, unknownValue, withPatches } from "../../sdk/reachability";

const netpol = (spec: object, metadata: object = {}): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "p", namespace: "shop", ...metadata },
  spec,
});

const kind = (apiVersion: string, name: string, spec: unknown): KubeObject => ({
  apiVersion,
  kind: name,
  metadata: { name: "x", namespace: "shop" },
  spec,
});

describe("partial objects laid over whole ones, as server-side apply does", () => {
  it("merges maps, and leaves alone what the patch does not name", () => {
    const below = netpol({ podSelector: {}, policyTypes: ["Egress"] }, { labels: { a: "1", b: "2" } });
    const patch = netpol({ egress: [{}] }, { labels: { b: "3" }, annotations: { c: "4" } });
    assert.deepEqual(applyPatch(below, patch), {
      ...below,
      metadata: { name: "p", namespace: "shop", labels: { a: "1", b: "3" }, annotations: { c: "4" } },
      spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
    });
  });

  // [what, below, patch, merged]
  const specs: readonly [string, KubeObject, KubeObject, unknown][] = [
    [
      "replaces the rules of a NetworkPolicy, which are an atomic list",
      netpol({ ingress: [{ from: [] }, {}] }),
      netpol({ ingress: [{ ports: [] }] }),
      { ingress: [{ ports: [] }] },
    ],
    [
      "replaces a selector as a whole",
      netpol({ podSelector: { matchLabels: { app: "a" } } }),
      netpol({ podSelector: { matchLabels: { tier: "b" } } }),
      { podSelector: { matchLabels: { tier: "b" } } },
    ],
    [
      "replaces Cilium's endpointSelector and rules, and merges enableDefaultDeny",
      kind("cilium.io/v2", "CiliumNetworkPolicy", {
        endpointSelector: { matchLabels: { app: "a" } },
        enableDefaultDeny: { ingress: true },
        egress: [{}],
      }),
      kind("cilium.io/v2", "CiliumNetworkPolicy", {
        endpointSelector: {},
        enableDefaultDeny: { egress: false },
        egress: [],
      }),
      { endpointSelector: {}, enableDefaultDeny: { ingress: true, egress: false }, egress: [] },
    ],
    [
      "merges Istio's selector, which is an ordinary object",
      kind("security.istio.io/v1", "AuthorizationPolicy", { selector: { matchLabels: { app: "a" } }, action: "DENY" }),
      kind("security.istio.io/v1", "AuthorizationPolicy", { selector: { matchLabels: { b: "c" } } }),
      { selector: { matchLabels: { app: "a", b: "c" } }, action: "DENY" },
    ],
    [
      "joins the sets of Calico, outside of rules",
      kind("projectcalico.org/v3", "NetworkPolicy", {
        types: ["Ingress"],
        ingress: [{ source: { nets: ["10.0.0.0/8"] } }],
      }),
      kind("projectcalico.org/v3", "NetworkPolicy", {
        types: ["Egress", "Ingress"],
        ingress: [{ source: { nets: ["192.168.0.0/16"] } }],
      }),
      { types: ["Ingress", "Egress"], ingress: [{ source: { nets: ["192.168.0.0/16"] } }] },
    ],
    [
      "merges containers by name and their ports by number and protocol",
      kind("apps/v1", "Deployment", {
        template: { spec: { containers: [{ name: "a", ports: [{ containerPort: 1, name: "x" }] }, { name: "b" }] } },
      }),
      kind("apps/v1", "Deployment", {
        template: {
          spec: {
            hostNetwork: true,
            containers: [
              { name: "a", ports: [{ containerPort: 1, protocol: "TCP", hostPort: 1 }, { containerPort: 2 }] },
            ],
          },
        },
      }),
      {
        template: {
          spec: {
            hostNetwork: true,
            containers: [
              {
                name: "a",
                ports: [{ containerPort: 1, name: "x", protocol: "TCP", hostPort: 1 }, { containerPort: 2 }],
              },
              { name: "b" },
            ],
          },
        },
      },
    ],
    [
      "merges the ports of a Service and replaces its selector",
      kind("v1", "Service", { selector: { app: "a" }, ports: [{ port: 80 }] }),
      kind("v1", "Service", {
        selector: { app: "b" },
        ports: [{ port: 80, targetPort: 1, protocol: "TCP" }, { port: 81 }],
      }),
      { selector: { app: "b" }, ports: [{ port: 80, targetPort: 1, protocol: "TCP" }, { port: 81 }] },
    ],
    [
      "knows of an unknown value that it decides",
      netpol({ podSelector: {}, egress: [] }),
      netpol({ egress: unknownValue }),
      { podSelector: {}, egress: unknownValue },
    ],
  ];
  for (const [what, below, patch, merged] of specs) {
    it(what, () => assert.deepEqual(applyPatch(below, patch).spec, merged));
  }

  it("finds the object by group, kind, namespace and name, whatever the version", () => {
    const deny = { object: netpol({ podSelector: {} }), source: { urn: "deny" } };
    const patches = [
      { object: { ...netpol({ egress: [{}] }), apiVersion: "networking.k8s.io/v1beta1" }, source: { urn: "a" } },
      { object: netpol({ egress: [{}] }, { namespace: "other" }), source: { urn: "b" } },
      { object: netpol({ egress: [{}] }, { name: unknownValue }), source: { urn: "c" } },
    ];
    const { objects, patchesOf, unmatched } = withPatches([deny], patches);
    assert.deepEqual(objects[0]?.object.spec, { podSelector: {}, egress: [{}] });
    assert.equal(objects[0]?.object.apiVersion, "networking.k8s.io/v1");
    assert.deepEqual(patchesOf.get(objects[0] ?? deny), patches.slice(0, 1));
    assert.deepEqual(unmatched, patches.slice(1));
  });

  it("takes an object without a namespace for one of default", () => {
    const object = netpol({}, { namespace: undefined });
    assert.equal(identityOf(object), identityOf(netpol({}, { namespace: "default" })));
    const clusterwide: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "p" } };
    assert.notEqual(identityOf(clusterwide), identityOf({ ...clusterwide, kind: "Pod" }));
  });
});
