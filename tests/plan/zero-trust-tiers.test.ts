import assert from "node:assert/strict";
import { declaredBy } from "../../lab/examples/index";
import type { Flow, KubeObject, Peer } from "../../sdk/reachability/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import type { WorkloadDeclaration } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";

const [{ declaration, applications, platform }] = declaredBy("zero-trust-tiers");
const address = (text: string): Peer => ({ kind: "address", address: text });
const name = (text: string): Peer => ({ kind: "fqdn", name: text });
const fresh = (namespace: string): Peer => ({ kind: "freshPod", namespace });
const remoteNode: Peer = { kind: "node", where: "remote" };
const nothing = "No Connections";

/** The example without its explicit metadata deny, to see what the allow rules alone say. */
function withoutMetadataDeny(workloads: readonly WorkloadDeclaration[]): World {
  const kept = plan(declaration).documents.filter(({ stage }) => stage !== "metadata-deny");
  return worldOf(declaration, { workloads, standing: () => kept });
}

/** What the policies say between pods that are not on the host network, in both directions. */
const expected: Readonly<Record<string, string>> = {
  "business/n8n → business/odoo": "TCP 8069",
  "business/odoo → business/postgres": "TCP 5432",
  "website/storefront → business/odoo": "TCP 8069",
  "observability/blackbox-exporter → website/storefront": "TCP 3000",
  "observability/vmagent → business/odoo": "TCP 8080",
  "observability/vmagent → website/storefront": "TCP 9090",
  "observability/vmagent → observability/kube-state-metrics": "TCP 8080",
  "observability/vmagent → observability/blackbox-exporter": "TCP 9115",
  "observability/vmagent → observability/victoria-metrics": "TCP 8428",
  "observability/vmagent → cert-manager/cert-manager": "TCP 9402",
  "observability/vmagent → cert-manager/cert-manager-webhook": "TCP 9402",
  "observability/vmagent → external-secrets/external-secrets": "TCP 8080",
  "observability/vmagent → flux-system/source-controller": "TCP 8080",
  "observability/vmagent → kube-system/kube-dns": "TCP 53,9153; UDP 53",
  "external-secrets/external-secrets → external-secrets/onepassword-connect": "TCP 8080",
};

describe("examples/zero-trust-tiers, computed", () => {
  let world: World;
  const workloads = [...platform, ...applications];
  const pods = workloads.filter(({ hostNetwork }) => hostNetwork !== true);
  const isTier0 = (namespace: string): boolean => ["kube-system", "flux-system"].includes(namespace);

  before(() => {
    world = worldOf(declaration, { workloads });
  });

  it("is understood completely: no problem, no warning", () => {
    assert.deepEqual(world.reachability.snapshot.problems, []);
    assert.deepEqual(world.plan.warnings, []);
  });

  it("S3-08 S3-17 S0-03 allows the declared flows and nothing else between any two pods", () => {
    for (const source of pods) {
      for (const target of pods) {
        const [from, to] = [`${source.namespace}/${source.name}`, `${target.namespace}/${target.name}`];
        if (from === to) continue;
        const unrestricted = isTier0(source.namespace) && isTier0(target.namespace);
        const dns = to === "kube-system/kube-dns" ? "TCP 53; UDP 53" : nothing;
        const wanted = unrestricted ? "All Connections" : (expected[`${from} → ${to}`] ?? dns);
        assert.equal(open(world, pod(from), pod(to)), wanted, `${from} → ${to}`);
      }
    }
  });

  it("S3-01 S3-08 closes every namespace outside tier 0 to a fresh pod, both ways, also one that is not declared", () => {
    for (const namespace of [
      "business",
      "website",
      "observability",
      "cert-manager",
      "external-secrets",
      "unheard-of",
    ]) {
      for (const other of [
        fresh("business"),
        fresh("unheard-of"),
        address("8.8.8.8"),
        address("2606:4700::1111"),
        remoteNode,
      ]) {
        assert.equal(open(world, fresh(namespace), other), nothing, `${namespace} → out`);
        assert.equal(open(world, other, fresh(namespace)), nothing, `in → ${namespace}`);
      }
    }
  });

  it("S3-04 leaves tier 0 unrestricted in both directions", () => {
    for (const namespace of ["kube-system", "flux-system", "cilium", "cilium-secrets"]) {
      for (const other of [address("8.8.8.8"), remoteNode, fresh("kube-system")]) {
        assert.equal(open(world, fresh(namespace), other), "All Connections", namespace);
        assert.equal(open(world, other, fresh(namespace)), "All Connections", namespace);
      }
    }
    for (const id of ["kube-system/kube-dns", "flux-system/source-controller"]) {
      assert.equal(open(world, address("203.0.113.9"), pod(id)), "All Connections");
      assert.equal(open(world, pod(id), address("203.0.113.9")), "All Connections");
    }
  });

  it("S3-02 lets every pod and every node ask the DNS servers, UDP and TCP", () => {
    const dns = pod("kube-system/kube-dns");
    for (const namespace of ["business", "website", "cert-manager", "unheard-of"]) {
      assert.equal(open(world, fresh(namespace), dns), "TCP 53; UDP 53", namespace);
    }
    for (const protocol of ["UDP", "TCP"] as const) {
      for (const source of [remoteNode, { kind: "node", where: "local" } as const]) {
        assert.equal(world.reachability.verdict({ source, destination: dns, protocol, port: 53 }), "allowed");
      }
    }
    // no other pod that merely calls itself a DNS server (seed defect B12)
    const labels = { "k8s-app": "kube-dns" };
    const impostor: Peer = { kind: "freshPod", namespace: "business", labels };
    assert.equal(open(world, pod("business/odoo"), impostor), nothing);
  });

  it("S3-03 lets the scraper reach declared metrics ports, and nobody else reach them", () => {
    const targets: readonly [string, number][] = [
      ["website/storefront", 9090],
      ["business/odoo", 8080],
      ["observability/blackbox-exporter", 9115],
      ["kube-system/kube-dns", 9153],
    ];
    for (const [id, port] of targets) {
      const scrape: Flow = { source: pod("observability/vmagent"), destination: pod(id), protocol: "TCP", port };
      assert.equal(world.reachability.verdict(scrape), "allowed", id);
      assert.equal(world.reachability.verdict({ ...scrape, source: pod("business/n8n") }), "denied", id);
    }
    // node-exporter and the kubelet are on the node (seed defect B25)
    for (const port of [9100, 10250]) {
      const scrape: Flow = { source: pod("observability/vmagent"), destination: remoteNode, protocol: "TCP", port };
      assert.equal(world.reachability.verdict(scrape), "allowed");
      assert.equal(world.reachability.verdict({ ...scrape, source: pod("business/n8n") }), "denied");
    }
  });

  it("S3-05 lets observability write to VictoriaMetrics, and not out of the cluster", () => {
    assert.equal(open(world, pod("observability/vmagent"), pod("observability/victoria-metrics")), "TCP 8428");
    assert.equal(open(world, pod("observability/vmagent"), address("8.8.8.8")), nothing);
    assert.equal(open(world, pod("observability/victoria-metrics"), address("8.8.8.8")), nothing);
  });

  it("S3-06 lets cert-manager reach its ACME servers and DNS provider by name, and only those", () => {
    const controller = pod("cert-manager/cert-manager");
    const { reachability } = withoutMetadataDeny(workloads);
    for (const host of ["acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org", "api.cloudflare.com"]) {
      const order: Flow = { source: controller, destination: name(host), protocol: "TCP", port: 443 };
      assert.equal(reachability.verdict(order), "allowed", host);
      // the deny stays above the name: an answer that points to a metadata endpoint opens nothing
      assert.equal(world.reachability.verdict(order), "unknown", host);
      assert.equal(world.reachability.verdict({ ...order, port: 80 }), "denied", host);
      assert.equal(world.reachability.verdict({ ...order, source: pod("business/odoo") }), "denied", host);
    }
    const elsewhere: Flow = {
      source: controller,
      destination: name("example.org"),
      protocol: "TCP",
      port: 443,
    } as const;
    assert.equal(world.reachability.verdict(elsewhere), "denied");
    const selfCheck: Flow = { source: controller, destination: address("8.8.8.8"), protocol: "UDP", port: 53 };
    assert.equal(world.reachability.verdict(selfCheck), "allowed");
  });

  it("S3-07 opens both sides of external-secrets → 1Password Connect, and Connect's own way out", () => {
    const connect = pod("external-secrets/onepassword-connect");
    assert.equal(open(world, pod("external-secrets/external-secrets"), connect), "TCP 8080");
    assert.equal(open(world, pod("business/odoo"), connect), nothing);
    assert.equal(open(world, fresh("external-secrets"), connect), nothing);
    const sync: Flow = { source: connect, destination: name("my.1password.com"), protocol: "TCP", port: 443 };
    assert.equal(withoutMetadataDeny(workloads).reachability.verdict(sync), "allowed");
    const operator = pod("external-secrets/external-secrets");
    assert.equal(world.reachability.verdict({ ...sync, source: operator }), "denied");
  });

  it("lets the API server call admission webhooks and operators reach the API server (seed defect B23)", () => {
    const apiserver: Peer = { kind: "kubeApiserver" };
    const webhook = pod("cert-manager/cert-manager-webhook");
    const call: Flow = { source: apiserver, destination: webhook, protocol: "TCP", port: 10250 } as const;
    assert.equal(world.reachability.verdict(call), "allowed");
    const unguarded = withoutMetadataDeny(workloads).reachability;
    for (const client of ["cert-manager/cert-manager", "external-secrets/external-secrets", "observability/vmagent"]) {
      const watch: Flow = { source: pod(client), destination: apiserver, protocol: "TCP", port: 6443 };
      // an API server behind a metadata address would stay closed, so the deny is left out here
      assert.equal(unguarded.verdict(watch), "allowed", client);
    }
    const odoo: Flow = { source: pod("business/odoo"), destination: apiserver, protocol: "TCP", port: 6443 };
    assert.equal(world.reachability.verdict(odoo), "denied");
  });

  it("keeps kubelet probes working: a pod's own node reaches it", () => {
    const local: Peer = { kind: "node", where: "local" };
    for (const { namespace, name: own } of pods) {
      const probe: Flow = {
        source: local,
        destination: pod(`${namespace}/${own}`),
        protocol: "TCP",
        port: 8080,
      } as const;
      assert.equal(world.reachability.verdict(probe), "allowed", own);
    }
  });

  it("S0-08 denies undeclared traffic out of the cluster", () => {
    for (const { namespace, name: own } of pods.filter((workload) => !isTier0(workload.namespace))) {
      if (own === "cert-manager") continue; // its DNS-01 self-check asks public DNS servers, S3-06
      for (const outside of ["8.8.8.8", "10.1.2.3", "192.168.7.7", "2606:4700::1111", "fd12::1"]) {
        assert.equal(open(world, pod(`${namespace}/${own}`), address(outside)), nothing, `${own} → ${outside}`);
      }
    }
  });

  it("closes every metadata endpoint to every pod of tiers 1 and 2, finally: no other policy opens it again", () => {
    const opener: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "opens-everything", namespace: "business" },
      spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
    };
    const opened = worldOf(declaration, { workloads, extra: [opener] });
    assert.equal(open(opened, pod("business/odoo"), address("8.8.8.8")), "All Connections");
    const held = pods
      .filter(({ namespace }) => !isTier0(namespace))
      .map((workload) => pod(`${workload.namespace}/${workload.name}`));
    for (const { address: endpoint } of metadataEndpoints) {
      for (const source of [...held, fresh("business"), fresh("unheard-of")]) {
        for (const each of [world, opened]) assert.equal(open(each, source, address(endpoint)), nothing, endpoint);
      }
    }
  });

  it("holds no endpoint without a namespace: Cilium's health and ingress endpoints stay alive (seed defect B19)", () => {
    interface Spec {
      readonly endpointSelector: {
        readonly matchLabels?: Readonly<Record<string, string>>;
        readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
      };
    }
    const selects = ({ endpointSelector: { matchLabels, matchExpressions } }: Spec, label: string): boolean =>
      Object.keys(matchLabels ?? {}).every((key) => key === label) &&
      (matchExpressions ?? []).every(({ key, operator }) =>
        key === label ? operator !== "DoesNotExist" : operator === "NotIn" || operator === "DoesNotExist",
      );
    for (const label of ["reserved:health", "reserved:ingress"]) {
      const selecting = world.plan.documents
        .filter(({ object }) => object.kind === "CiliumClusterwideNetworkPolicy")
        .filter(({ object }) => ((object["specs"] ?? [object["spec"]]) as Spec[]).some((spec) => selects(spec, label)))
        .map(({ logicalName }) => logicalName);
      assert.deepEqual(selecting, label === "reserved:health" ? ["allow-cilium-health"] : []);
    }
  });

  it("keeps the DNS proxy to namespaces with rules for names (seed defect B22)", () => {
    const proxied = world.plan.documents.filter(({ object }) =>
      JSON.stringify(object).includes('"dns":[{"matchPattern":"*"}]'),
    );
    assert.deepEqual(
      proxied.map(({ object }) => object.metadata.namespace),
      ["business", "cert-manager", "external-secrets"],
    );
    const plain = world.plan.documents.find(({ logicalName }) => logicalName === "allow-dns-egress");
    assert.match(JSON.stringify(plain?.object), /"NotIn","values":\["business","cert-manager",/);
  });
});
