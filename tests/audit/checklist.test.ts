import assert from "node:assert/strict";
import { checklist, type ChecklistItem } from "../../sdk/audit/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import { buildSnapshot, compile } from "../../sdk/reachability/index";
import { and, cluster, edited, without } from "./world";

type More = Partial<Parameters<typeof checklist>[0]>;

function filled(objects: readonly SourcedObject[], more: More = {}): readonly ChecklistItem[] {
  return checklist({ objects, reachability: compile(buildSnapshot(objects)), ...more });
}

const stateOf = (items: readonly ChecklistItem[], number: number): string => {
  const item = items[number - 1];
  assert.equal(item?.number, number);
  return `${item.state}: ${item.answer}`;
};

function deployment(namespace: string, name: string, more: object = {}, status: object = {}): KubeObject {
  const labels = { app: name };
  const spec = {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: "main", image: "main", ...more }] } },
  };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace }, spec, status };
}

function kustomization(ready: string): KubeObject {
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "security", namespace: "flux-system" },
    status: { conditions: [{ type: "Ready", status: ready }] },
  };
}

describe("the checklist of a cluster that is secured by tiers (S3-30)", () => {
  it("asks fourteen questions, and answers nothing that it cannot know", () => {
    const items = filled(cluster());
    assert.deepEqual(
      items.map(({ number }) => number),
      Array.from({ length: 14 }, (_, index) => index + 1),
    );
    for (const number of [2, 5, 6, 7, 9, 10, 11, 13, 14])
      assert.match(stateOf(items, number), /^open: /, String(number));
    assert.match(stateOf(items, 3), /^pass/);
    assert.match(stateOf(items, 12), /^pass/);
  });

  it("1: Hubble is on, and its relay has pods", () => {
    const on = edited(cluster(), "ConfigMap kube-system/cilium-config", ({ data }) => (data["enable-hubble"] = "true"));
    const relay = (count: number) => deployment("kube-system", "hubble-relay", {}, { availableReplicas: count });
    assert.match(stateOf(filled(cluster()), 1), /^fail: enable-hubble/);
    assert.match(stateOf(filled(on), 1), /^fail: there is no hubble-relay/);
    assert.match(stateOf(filled(and(on, relay(0))), 1), /^fail: no pod/);
    assert.match(stateOf(filled(and(on, relay(2))), 1), /^pass/);
  });

  it("3: a namespace without a default deny, and a tier 0 that is isolated, fail", () => {
    assert.match(
      stateOf(filled(without(cluster(), "CiliumClusterwideNetworkPolicy default-deny-all")), 3),
      /^fail: Namespace ops/,
    );
    const all: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace: "kube-system" },
      spec: { podSelector: {}, policyTypes: ["Egress"] },
    };
    assert.match(stateOf(filled(and(cluster(), all)), 3), /^fail: tier 0 is isolated: kube-system/);
  });

  it("4: pods that may not ask the DNS are named", () => {
    const dns: KubeObject = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "coredns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } },
      spec: { containers: [{ name: "main", image: "main" }] },
    };
    assert.match(stateOf(filled(and(cluster(), dns)), 4), /^pass: 4 pods may ask/);
    const cut = without(and(cluster(), dns), "CiliumClusterwideNetworkPolicy allow-dns-egress");
    assert.match(stateOf(filled(cut), 4), /^fail: shop\/frontend\[Pod\] may not ask, and 2 more/);
  });

  it("5, 8, 9, 10: paths of the platform are computed", () => {
    const metrics = { ports: [{ name: "metrics", containerPort: 9100 }] };
    const parts = [
      deployment("observability", "vmagent"),
      deployment("shop", "exporter-less", metrics),
      deployment("cert-manager", "cert-manager"),
      deployment("external-secrets", "external-secrets"),
      deployment("external-secrets", "onepassword-connect", { ports: [{ containerPort: 8080 }] }),
    ];
    const shut = filled(and(cluster(), ...parts));
    for (const number of [5, 8, 9, 10]) assert.match(stateOf(shut, number), /^fail: /, String(number));
    const acme: KubeObject = {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: "acme", namespace: "cert-manager" },
      spec: {
        endpointSelector: {},
        egress: [
          {
            toFQDNs: [{ matchName: "acme-v02.api.letsencrypt.org" }],
            toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }],
          },
          {
            toEndpoints: [
              { matchLabels: { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns" } },
            ],
            toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern: "*" }] } }],
          },
        ],
      },
    };
    const named = filled(and(cluster(), ...parts, acme));
    assert.match(stateOf(named, 9), /^pass: CiliumNetworkPolicy cert-manager\/acme allows/);
    const open = filled(without(and(cluster(), ...parts), "CiliumClusterwideNetworkPolicy default-deny-all"));
    for (const number of [5, 8, 10]) assert.match(stateOf(open, number), /^pass: /, String(number));
  });

  it("7, 11, 13, 14: a verification, Flux and the runbook have their say", () => {
    const good = {
      verified: "holds",
      kustomizations: [kustomization("True")],
      runbook: "Policies: hubble observe --verdict DROPPED",
      repositoryPolicies: 3,
    };
    for (const number of [2, 7, 11, 13, 14])
      assert.match(stateOf(filled(cluster(), good), number), /^pass/, String(number));
    const bad = {
      verified: "violated",
      kustomizations: [kustomization("False")],
      runbook: "later",
      repositoryPolicies: 0,
    };
    for (const number of [2, 7, 11, 13, 14])
      assert.match(stateOf(filled(cluster(), bad), number), /^fail/, String(number));
    assert.match(stateOf(filled(cluster(), { kustomizations: [] }), 13), /^open: there is no Kustomization/);
    assert.match(stateOf(filled(cluster(), { verified: "no-evidence" }), 11), /^open/);
  });

  it("12: a bypass that anyone may use fails; where guards may not be listed, it stays open", () => {
    const unguarded = cluster().filter(({ object }) => !object.kind.startsWith("ValidatingAdmission"));
    assert.match(stateOf(filled(unguarded), 12), /^fail: nothing limits/);
    const unlisted = [{ kind: "ValidatingAdmissionPolicyBinding" }];
    assert.match(stateOf(filled(unguarded, { unlisted }), 12), /^open: the role may not list/);
  });
});
