/** What an enforcer's version and settings change, and where the snapshot states them. */
import assert from "node:assert/strict";
import {
  buildSnapshot,
  compile,
  inferProfile,
  profileFor,
  profileWithin,
  type KubeObject,
  type Peer,
  type Verdict,
} from "../../sdk/reachability";

const pod = (namespace: string, name: string, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace, labels: { app: name } },
  spec: { containers: [{ name: "c", image: "c" }], ...more },
});

const policy = (spec: object, kind = "CiliumNetworkPolicy"): KubeObject => ({
  apiVersion: kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2",
  kind,
  metadata: { name: "p", namespace: "shop" },
  spec,
});

const config = (data: Record<string, string>): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "cilium-config", namespace: "kube-system" },
  data,
});

const agent = (image: string): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  metadata: { name: "cilium", namespace: "kube-system" },
  spec: { template: { metadata: {}, spec: { hostNetwork: true, containers: [{ name: "cilium-agent", image }] } } },
});

const world: Peer = { kind: "address", address: "203.0.113.7" };

function ask(spec: string | undefined, objects: readonly KubeObject[], destination: Peer): Verdict {
  const sourced = [pod("shop", "client"), pod("blue", "b"), ...objects].map((object) => ({ object }));
  const profile = spec === undefined ? inferProfile(sourced) : profileWithin(spec, sourced);
  const source: Peer = { kind: "workload", id: "shop/client[Pod]" };
  return compile(buildSnapshot(sourced, { profile })).verdict({ source, destination, protocol: "TCP", port: 443 });
}

describe("versions and settings of enforcers", () => {
  const notBlue = policy({
    endpointSelector: {},
    egress: [
      {
        toEndpoints: [
          { matchExpressions: [{ key: "io.kubernetes.pod.namespace", operator: "NotIn", values: ["blue"] }] },
        ],
      },
    ],
  });
  const notBlueNetworkPolicy = policy(
    {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [
        { to: [{ namespaceSelector: { matchExpressions: [{ key: "team", operator: "NotIn", values: ["x"] }] } }] },
      ],
    },
    "NetworkPolicy",
  );

  it("a selector that only excludes fits the world before Cilium 1.19, and where the setting says so", () => {
    for (const each of [notBlue, notBlueNetworkPolicy]) {
      assert.equal(ask("cilium@1.18", [each], world), "allowed");
      assert.equal(ask("cilium@1.19", [each], world), "denied");
      assert.equal(ask("cilium@1.20", [each], world), "denied");
      assert.equal(ask(undefined, [each, config({ "policy-default-local-cluster": "false" })], world), "allowed");
      assert.equal(ask("cilium@1.20", [each, config({ "policy-default-local-cluster": "false" })], world), "allowed");
      assert.equal(ask("cilium@1.18", [each, config({ "policy-default-local-cluster": "true" })], world), "denied");
    }
  });

  it("an empty namespaceSelector is about pods in every version", () => {
    const anyPod = policy(
      { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ namespaceSelector: {} }] }] },
      "NetworkPolicy",
    );
    assert.equal(ask("cilium@1.18", [anyPod], world), "denied");
    assert.equal(ask("cilium@1.18", [anyPod], { kind: "workload", id: "blue/b[Pod]" }), "allowed");
  });

  it("the image of the agents, a release and its values say which version it is", () => {
    const release = (kind: string, apiVersion: string, spec: object): KubeObject => ({
      apiVersion,
      kind,
      metadata: { name: "cilium", namespace: "kube-system" },
      spec,
    });
    const old = [
      agent("quay.io/cilium/cilium:v1.18.2@sha256:0123"),
      release("HelmRelease", "helm.toolkit.fluxcd.io/v2", { chart: { spec: { chart: "cilium", version: "1.18.2" } } }),
      release("Release", "helm.sh/v3", { chart: "cilium", version: "1.18.5" }),
      release("HelmChart", "helm.cattle.io/v1", { chart: "cilium", version: "v1.18.0" }),
      release("Application", "argoproj.io/v1alpha1", { source: { chart: "cilium", targetRevision: "1.18.3" } }),
    ];
    for (const each of old) {
      assert.equal(inferProfile([{ object: each }]).version, "1.18", each.kind);
      assert.equal(ask(undefined, [notBlue, each], world), "allowed", each.kind);
      assert.equal(ask("cilium", [notBlue, each], world), "allowed", each.kind);
      assert.equal(ask("cilium@1.20", [notBlue, each], world), "denied", each.kind);
    }
    const values = { clustermesh: { policyDefaultLocalCluster: true } };
    const set = release("Release", "helm.sh/v3", { chart: "cilium", version: "1.18.5", values });
    assert.equal(ask(undefined, [notBlue, set], world), "denied");
    assert.equal(inferProfile([{ object: agent("example.test/mirror/cilium/operator:v1.18.2") }]).cni, "kubernetes");
  });

  it("an older version than those that are modelled answers nothing for certain, and says so", () => {
    const closed = policy({ endpointSelector: {}, egress: [{}] });
    for (const version of ["cilium@1.11", "cilium@1.17.3"]) {
      assert.equal(ask(version, [closed], world), "unknown");
      assert.equal(ask(version, [], world), "allowed");
      const { problems } = buildSnapshot([{ object: closed }], { profile: profileFor(version) });
      assert.ok(problems.some(({ message }) => /is not modelled/.test(message)));
    }
  });

  it("a namespaced policy selects its own namespace, whatever matchLabels say", () => {
    const elsewhere = policy({
      endpointSelector: { matchLabels: { "k8s:io.kubernetes.pod.namespace": "blue" } },
      egress: [{ toEntities: ["cluster"] }],
    });
    assert.equal(ask("cilium@1.20", [elsewhere], world), "denied");
    const inNetworkPolicy = policy(
      { podSelector: { matchLabels: { "io.kubernetes.pod.namespace": "blue" } }, policyTypes: ["Egress"] },
      "NetworkPolicy",
    );
    assert.equal(ask("cilium@1.20", [inNetworkPolicy], world), "denied");
    assert.equal(ask("kubernetes", [inNetworkPolicy], world), "allowed");
  });

  it("a port of a sidecar has a name everywhere but in Cilium", () => {
    const db = pod("shop", "db", {
      initContainers: [
        { name: "exporter", image: "c", restartPolicy: "Always", ports: [{ name: "metrics", containerPort: 443 }] },
      ],
    });
    const onName = policy(
      { podSelector: { matchLabels: { app: "db" } }, ingress: [{ ports: [{ port: "metrics" }] }] },
      "NetworkPolicy",
    );
    const to: Peer = { kind: "workload", id: "shop/db[Pod]" };
    assert.equal(ask("kubernetes", [db, onName], to), "allowed");
    assert.equal(ask("calico@3.32", [db, onName], to), "allowed");
    assert.equal(ask("cilium@1.20", [db, onName], to), "denied");
  });

  it("a redirect of DNS keeps names from being learned where no rule is about its pods", () => {
    const dns = pod("kube-system", "kube-dns");
    const rules = policy({
      endpointSelector: {},
      egress: [
        {
          toEndpoints: [{ matchLabels: { "io.kubernetes.pod.namespace": "kube-system", app: "kube-dns" } }],
          toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern: "*" }] } }],
        },
        { toFQDNs: [{ matchName: "api.example.com" }] },
      ],
    });
    const redirect: KubeObject = {
      apiVersion: "cilium.io/v2",
      kind: "CiliumLocalRedirectPolicy",
      metadata: { name: "cache", namespace: "kube-system" },
      spec: {
        redirectFrontend: { serviceMatcher: { serviceName: "kube-dns", namespace: "kube-system" } },
        redirectBackend: {
          localEndpointSelector: { matchLabels: { app: "cache" } },
          toPorts: [{ port: "53", name: "dns", protocol: "UDP" }],
        },
      },
    };
    const api: Peer = { kind: "fqdn", name: "api.example.com" };
    const cache = pod("kube-system", "cache");
    assert.equal(ask("cilium@1.20", [dns, rules], api), "allowed");
    assert.equal(ask("cilium@1.20", [dns, cache, rules, redirect], api), "unknown");
    const off = config({ "enable-local-redirect-policy": "false" });
    assert.equal(ask("cilium@1.20", [dns, cache, rules, redirect, off], api), "allowed");
  });
});
