import assert from "node:assert/strict";
import type { ClusterSecurityDeclaration, Plan, PolicyDocument, WorkloadDeclaration } from "../../sdk/plan/index";
import {
  Dialect,
  DnsProvider,
  Entity,
  MetadataService,
  Tier,
  flow,
  kubeApiserver,
  metrics,
  namespace,
  nodes,
  plan,
  tcp,
  workload,
} from "../../sdk/plan/index";
import type { Peer } from "../../sdk/reachability/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";

const nothing = "No Connections";
const apiServer = "10.20.0.5";
const node = "192.168.77.9";
const address = (text: string): Peer => ({ kind: "address", address: text });
const dialects = Object.values(Dialect);

/** One of everything that a default deny would cut. */
function declarationIn(dialect: Dialect, provider = DnsProvider.KubeDns): ClusterSecurityDeclaration {
  const hasIngressEntity = dialect === Dialect.Cilium;
  const gateway = hasIngressEntity ? { entity: Entity.Ingress } : "edge/envoy";
  return {
    dialect,
    cluster: {
      dns: { provider },
      apiServer: { cidrs: [`${apiServer}/32`] },
      nodeCidrs: ["192.168.77.0/24"],
      podCidrs: ["10.244.0.0/16"],
    },
    namespaces: [
      namespace("shop"),
      namespace("edge", { tier: Tier.SharedServices }),
      namespace("gate", { tier: Tier.SharedServices, existing: true }),
    ],
    workloads: [
      workload("shop/web", { ports: [tcp(8080, "http"), metrics(9090)] }),
      workload("edge/envoy"),
      workload("edge/node-scraper", { hostNetwork: true }),
    ],
    platform: {
      services: [
        {
          name: "gate",
          workloads: [workload("gate/admission", { ports: [tcp(8443)] })],
          webhooks: [{ workload: "admission", port: 8443 }],
          flows: [flow("admission").to(kubeApiserver()).on().because("watches").ownedBy("platform")],
        },
      ],
    },
    flows: [
      flow("node-scraper").to("web").on(tcp(9090)).because("scrapes").ownedBy("platform"),
      flow("envoy").to(nodes()).on(tcp(10250)).because("reads the kubelet's metrics").ownedBy("platform"),
      flow(gateway).to("web").on(tcp(8080)).because("visitors").ownedBy("web"),
    ],
  };
}

function worldIn(
  dialect: Dialect,
  provider = DnsProvider.KubeDns,
  servers: WorkloadDeclaration = kubeDns,
  standing: (planned: Plan) => readonly PolicyDocument[] = ({ documents }) => documents,
): World {
  const declaration = declarationIn(dialect, provider);
  const gate = workload("gate/admission", { ports: [tcp(8443)] });
  return worldOf(declaration, { workloads: [...(declaration.workloads ?? []), gate, servers], standing });
}

const kubeDns = workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" } });
const openShiftDns = workload("openshift-dns/dns-default", {
  labels: { "dns.operator.openshift.io/daemonset-dns": "default" },
});
/** How the world of a dialect knows a node and the API server: Cilium by what they are, the others by address. */
const nodeIn = (dialect: Dialect): Peer =>
  dialect === Dialect.Cilium ? { kind: "node", where: "remote" } : address(node);
const apiServerIn = (dialect: Dialect): Peer =>
  dialect === Dialect.Cilium ? { kind: "kubeApiserver" } : address(apiServer);

for (const dialect of dialects) {
  describe(`what a default deny would cut (${dialect})`, () => {
    const world = worldIn(dialect);
    const tcpOpen = (source: Peer, destination: Peer, port: number): string =>
      world.reachability.verdict({ source, destination, protocol: "TCP", port });

    it("S1-15 S3-02 S3-24 DNS, UDP and TCP, to the DNS pods and nothing else of theirs", () => {
      for (const id of ["shop/web", "edge/envoy", "gate/admission"]) {
        assert.equal(open(world, pod(id), pod("kube-system/kube-dns")), "TCP 53; UDP 53", id);
        assert.equal(open(world, pod(id), address("169.254.20.10")), nothing, id);
      }
    });

    it("DNS of NodeLocal DNSCache, on the node", () => {
      const local = worldIn(dialect, DnsProvider.NodeLocalDns);
      const cache: Peer = dialect === Dialect.Cilium ? { kind: "node", where: "local" } : address("169.254.20.10");
      assert.equal(open(local, pod("shop/web"), cache), "TCP 53; UDP 53");
      assert.equal(open(local, pod("shop/web"), pod("kube-system/kube-dns")), "TCP 53; UDP 53");
      assert.equal(open(local, pod("shop/web"), address("169.254.169.254")), nothing);
    });

    it("DNS of OpenShift, port 5353 in openshift-dns", () => {
      const openShift = worldIn(dialect, DnsProvider.OpenShift, openShiftDns);
      assert.equal(open(openShift, pod("shop/web"), pod("openshift-dns/dns-default")), "TCP 5353; UDP 5353");
      assert.ok(openShift.plan.exemptNamespaces.includes("openshift-dns"));
    });

    it("S1-07 the kubelet's probes, from the pod's own node to any port", () => {
      for (const id of ["shop/web", "edge/envoy", "gate/admission"]) {
        assert.equal(tcpOpen({ kind: "node", where: "local" }, pod(id), 4711), "allowed", id);
      }
    });

    it("the API server for those who need it, and its calls to webhooks from the node that it runs on", () => {
      // by name the address of the API server is not known, so nobody can say that it is no metadata endpoint
      const allows = worldIn(dialect, undefined, undefined, ({ documents }) =>
        documents.filter(({ stage }) => stage !== "metadata-deny" || dialect === Dialect.Calico),
      );
      const calls = (id: string): string =>
        allows.reachability.verdict({
          source: pod(id),
          destination: apiServerIn(dialect),
          protocol: "TCP",
          port: 6443,
        });
      assert.equal(calls("gate/admission"), "allowed");
      assert.equal(calls("shop/web"), "denied");
      assert.equal(tcpOpen(apiServerIn(dialect), pod("gate/admission"), 8443), "allowed");
      assert.equal(tcpOpen(nodeIn(dialect), pod("gate/admission"), 8443), "allowed");
      assert.equal(tcpOpen(nodeIn(dialect), pod("gate/admission"), 8444), "denied");
    });

    it("S3-26 scrapers on the host network, and what is scraped there", () => {
      assert.equal(tcpOpen(nodeIn(dialect), pod("shop/web"), 9090), "allowed");
      assert.equal(tcpOpen(nodeIn(dialect), pod("shop/web"), 8080), "denied");
      assert.equal(tcpOpen(pod("edge/envoy"), nodeIn(dialect), 10250), "allowed");
      assert.equal(tcpOpen(pod("edge/envoy"), nodeIn(dialect), 22), "denied");
    });

    it("S1-04 the gateway's path, both halves of it", () => {
      if (dialect === Dialect.Cilium) {
        const ingress = JSON.stringify(world.plan.documents.map(({ object }) => object["spec"]));
        assert.match(ingress, /"fromEntities":\["ingress"\],"toPorts":\[\{"ports":\[\{"port":"8080"/);
      } else {
        assert.equal(open(world, pod("edge/envoy"), pod("shop/web")), "TCP 8080");
      }
    });
  });
}

describe("nodes that are named by address", () => {
  const warned = (declaration: ClusterSecurityDeclaration): readonly string[] =>
    plan(declaration).warnings.flatMap(({ code, paths }) => (code === "node-address-match" ? paths : []));

  it("are said to need a setting where Cilium enforces NetworkPolicy or ClusterNetworkPolicy, flow by flow", () => {
    for (const dialect of [Dialect.Kubernetes, Dialect.ClusterNetworkPolicy]) {
      const paths = warned(declarationIn(dialect));
      assert.deepEqual(paths, [
        "platform.services[0].flows[0]",
        "platform.services[0].webhooks[0]",
        "flows[0]",
        "flows[1]",
      ]);
      assert.ok(warned(declarationIn(dialect, DnsProvider.NodeLocalDns)).includes("cluster.dns"));
      const { cluster, namespaces, workloads } = declarationIn(dialect);
      const inside = [flow("envoy").to("web").on(tcp(8080)).because("visitors").ownedBy("web")];
      assert.deepEqual(warned({ dialect, ...(cluster && { cluster }), namespaces, workloads, flows: inside }), []);
    }
    for (const dialect of [Dialect.Cilium, Dialect.Calico]) assert.deepEqual(warned(declarationIn(dialect)), []);
  });
});

describe("credential services of the cloud", () => {
  const access = (service: MetadataService, expires?: string): ClusterSecurityDeclaration => ({
    namespaces: [namespace("shop"), namespace("old", { existing: true })],
    workloads: [
      ...["shop", "old"].map((home) =>
        workload(`${home}/uploader`, {
          metadataAccess: [{ service, reason: "writes to its bucket", owner: "data", ...(expires ? { expires } : {}) }],
        }),
      ),
      workload("shop/web"),
      workload("old/web"),
    ],
  });
  const facts = {
    [MetadataService.EksPodIdentity]: { addresses: ["169.254.170.23", "fd00:ec2::23"], ports: "TCP 80" },
    [MetadataService.GkeMetadataServer]: { addresses: ["169.254.169.252"], ports: "TCP 987-988" },
    [MetadataService.GkeMetadataServerV2]: { addresses: ["169.254.169.254"], ports: "TCP 80" },
  };

  for (const dialect of dialects) {
    for (const service of Object.values(MetadataService)) {
      it(`${service} is open to the named workload, on its ports, and nothing else of the metadata (${dialect})`, () => {
        const world = worldOf({ ...access(service), dialect });
        const { addresses, ports } = facts[service];
        for (const home of ["shop", "old"]) {
          for (const endpoint of metadataEndpoints.map((one) => one.address)) {
            // to Cilium the agent on the host network is the node
            const isOpen = dialect !== Dialect.Cilium && addresses.includes(endpoint);
            const found = open(world, pod(`${home}/uploader`), address(endpoint));
            assert.equal(found, isOpen ? ports : nothing, endpoint);
            assert.equal(open(world, pod(`${home}/web`), address(endpoint)), nothing, endpoint);
          }
        }
        if (dialect !== Dialect.Cilium) return;
        assert.equal(open(world, pod("shop/uploader"), { kind: "node", where: "local" }), ports);
        assert.equal(open(world, pod("shop/uploader"), { kind: "node", where: "remote" }), nothing);
        assert.equal(open(world, pod("shop/web"), { kind: "node", where: "local" }), nothing);
      });
    }
  }

  it("is named with its reason, owner and end: in the plan, in its warnings, on the policy", () => {
    const declaration = access(MetadataService.EksPodIdentity, "2027-03-31");
    for (const dialect of dialects) {
      const planned = plan({ ...declaration, dialect });
      assert.deepEqual(planned.metadataAccess[0], {
        workload: "shop/uploader",
        service: "eks-pod-identity",
        addresses: ["169.254.170.23/32", "fd00:ec2::23/128"],
        ports: [{ protocol: "TCP", from: 80, to: 80 }],
        reason: "writes to its bucket",
        owner: "data",
        expires: "2027-03-31",
      });
      const warned = planned.warnings.find(({ code }) => code === "metadata-exception");
      assert.deepEqual(warned?.paths, [
        'workloads["shop/uploader"].metadataAccess (eks-pod-identity, data)',
        'workloads["old/uploader"].metadataAccess (eks-pod-identity, data)',
      ]);
      const annotations = JSON.stringify(planned.documents.map(({ object }) => object.metadata.annotations ?? {}));
      assert.match(annotations, /writes to its bucket \(data, until 2027-03-31\)/);
    }
  });

  it("is not lost in silence where the nodes are opened on one of its ports", () => {
    const on = (port: number): string[] =>
      plan({
        namespaces: [namespace("shop")],
        workloads: [workload("shop/web")],
        flows: [flow("web").to(nodes()).on(tcp(port)).because("asks").ownedBy("team")],
      }).warnings.map(({ code }) => code);
    assert.deepEqual(on(80), ["metadata-service-on-node"]);
    assert.deepEqual(on(9100), []);
  });
});
