/** Addresses and names that the snapshot knows are what they belong to, never "outside the cluster". */
import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, type KubeObject, type Peer, type Verdict } from "../../sdk/reachability";

type Labels = Record<string, string>;

const namespace = (name: string, labels: Labels = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});

const pod = (place: string, labels: Labels, more: { ips?: string[]; spec?: object } = {}): KubeObject => {
  const [ns = "", name = ""] = place.split("/");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: ns, labels },
    spec: { containers: [{ name: "c", image: "c", ports: [{ name: "http", containerPort: 8080 }] }], ...more.spec },
    ...(more.ips === undefined ? {} : { status: { podIP: more.ips[0], podIPs: more.ips.map((ip) => ({ ip })) } }),
  };
};

const service = (place: string, spec: object, more: object = {}): KubeObject => {
  const [ns = "", name = ""] = place.split("/");
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: ns }, spec, ...more };
};

const node = (name: string, addresses: Record<string, string>, podCIDRs: string[] = []): KubeObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  spec: { podCIDRs },
  status: { addresses: Object.entries(addresses).map(([type, address]) => ({ type, address })) },
});

const policy = (name: string, spec: object): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: "shop" },
  spec,
});

const egressTo = (...to: object[]): KubeObject =>
  policy("client-out", { podSelector: { matchLabels: { app: "client" } }, policyTypes: ["Egress"], egress: [{ to }] });

const closed = (app: string): KubeObject =>
  policy(`${app}-closed`, { podSelector: { matchLabels: { app } }, policyTypes: ["Ingress"] });

const base = [namespace("shop"), namespace("data"), pod("shop/client", { app: "client" })];
const client: Peer = { kind: "workload", id: "shop/client[Pod]" };

function endOf(text: string): Peer {
  if (text.endsWith("]")) return { kind: "workload", id: text };
  return /^[\d.]+$|^[\da-f:]+$/.test(text) ? { kind: "address", address: text } : { kind: "fqdn", name: text };
}

function ask(
  cni: string,
  objects: readonly KubeObject[],
  to: string,
  port: number,
  protocol: "TCP" | "UDP" = "TCP",
): Verdict {
  const snapshot = buildSnapshot(
    [...base, ...objects].map((object) => ({ object })),
    { profile: profileFor(cni) },
  );
  const flow = { source: client, destination: endOf(to), protocol, port } as const;
  const reachability = compile(snapshot);
  const verdict = reachability.verdict(flow);
  assert.equal(reachability.explain(flow).verdict, verdict, "explain says what verdict says");
  return verdict;
}

const enforcers = ["kubernetes", "calico@3.32", "cilium@1.20"];
const everywhere = { ipBlock: { cidr: "0.0.0.0/0" } };
const everywhere6 = { ipBlock: { cidr: "::/0" } };

describe("addresses that the snapshot knows", () => {
  for (const cni of enforcers) {
    describe(cni, () => {
      const web = pod("shop/web", { app: "web" }, { ips: ["10.244.1.5", "fd00::5"] });
      const webService = service("shop/web", {
        clusterIP: "10.96.7.8",
        clusterIPs: ["10.96.7.8", "fd00:96::8"],
        externalIPs: ["198.51.100.20"],
        selector: { app: "web" },
        ports: [{ name: "http", port: 80, targetPort: "http" }],
      });
      const open = egressTo({ podSelector: { matchLabels: { app: "web" } } });

      it("an address of a pod is the pod, in both families", () => {
        for (const address of ["10.244.1.5", "fd00::5"]) {
          assert.equal(ask(cni, [web, closed("web"), egressTo(everywhere, everywhere6)], address, 8080), "denied");
          assert.equal(ask(cni, [web, open], address, 8080), "allowed");
        }
        assert.equal(ask(cni, [web, closed("web")], "fd00:0:0:0:0:0:0:5", 8080), "denied");
      });

      it("behind a ClusterIP policies see the pod and its own port", () => {
        for (const address of ["10.96.7.8", "fd00:96::8"]) {
          assert.equal(ask(cni, [web, webService, closed("web")], address, 80), "denied");
          assert.equal(ask(cni, [web, webService, open], address, 80), "allowed");
          assert.equal(
            ask(cni, [web, webService, egressTo({ ipBlock: { cidr: "10.96.0.0/12" } })], address, 80),
            "denied",
          );
          assert.equal(ask(cni, [web, webService, open], address, 8080), "denied");
        }
      });

      it("a rule for the Service's port does not open the pod's", () => {
        const onPort = (port: number): KubeObject =>
          policy("client-out", {
            podSelector: { matchLabels: { app: "client" } },
            policyTypes: ["Egress"],
            egress: [{ to: [{ podSelector: {} }], ports: [{ port }] }],
          });
        assert.equal(ask(cni, [web, webService, onPort(80)], "10.96.7.8", 80), "denied");
        assert.equal(ask(cni, [web, webService, onPort(8080)], "10.96.7.8", 80), "allowed");
        assert.equal(ask(cni, [web, webService, onPort(8080)], "web.shop.svc", 80), "allowed");
      });

      it("an external IP leads to the pod, or to whoever else answers there", () => {
        assert.notEqual(
          ask(cni, [web, webService, closed("web"), egressTo(everywhere)], "198.51.100.20", 80),
          "allowed",
        );
        assert.equal(
          ask(cni, [web, webService, egressTo({ ipBlock: { cidr: "203.0.113.0/24" } })], "198.51.100.20", 80),
          "denied",
        );
      });

      it("a load balancer's addresses and names are the Service's", () => {
        const balanced = service(
          "shop/web",
          {
            type: "LoadBalancer",
            clusterIP: "10.96.7.8",
            selector: { app: "web" },
            ports: [{ port: 80, targetPort: 8080 }],
          },
          { status: { loadBalancer: { ingress: [{ ip: "198.51.100.30" }, { hostname: "lb.example.net" }] } } },
        );
        for (const end of ["198.51.100.30", "lb.example.net"]) {
          assert.notEqual(ask(cni, [web, balanced, closed("web"), egressTo(everywhere)], end, 80), "allowed");
          assert.equal(ask(cni, [web, balanced], end, 80), "allowed");
        }
      });

      it("every spelling of a Service's name is the Service", () => {
        const names = [
          "web.shop.svc.cluster.local",
          "web.shop.svc.cluster.local.",
          "WEB.shop.SVC.cluster.local",
          "web.shop.svc",
          "web.shop",
          "_http._tcp.web.shop.svc.cluster.local",
        ];
        for (const name of names) {
          assert.equal(ask(cni, [web, webService, closed("web")], name, 80), "denied", name);
          assert.equal(ask(cni, [web, webService, open], name, 80), "allowed", name);
        }
      });

      it("a Service that was not read is nobody in particular", () => {
        assert.equal(ask(cni, [open], "api.data.svc.cluster.local", 80), "denied");
        assert.equal(ask(cni, [egressTo({ namespaceSelector: {} })], "api.data.svc.cluster.local", 80), "unknown");
      });

      it("another domain of the cluster counts where CoreDNS serves it", () => {
        const corefile: KubeObject = {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "coredns", namespace: "kube-system" },
          data: { Corefile: ".:53 {\n    kubernetes corp.internal in-addr.arpa ip6.arpa {\n    }\n}\n" },
        };
        const objects = [web, webService, closed("web"), corefile];
        assert.equal(ask(cni, objects, "web.shop.svc.corp.internal", 80), "denied");
      });

      it("a headless Service's name stands for the pods, on their own ports", () => {
        const headless = service("shop/web", {
          clusterIP: "None",
          selector: { app: "web" },
          ports: [{ port: 80, targetPort: 8080 }],
        });
        assert.equal(ask(cni, [web, headless, closed("web")], "web.shop.svc.cluster.local", 8080), "denied");
        assert.equal(ask(cni, [web, headless, open], "web.shop.svc.cluster.local", 8080), "allowed");
      });

      it("pods have names by their address, and in a StatefulSet by their number", () => {
        assert.equal(ask(cni, [web, closed("web")], "10-244-1-5.shop.pod.cluster.local", 8080), "denied");
        const db: KubeObject = {
          apiVersion: "apps/v1",
          kind: "StatefulSet",
          metadata: { name: "db", namespace: "shop" },
          spec: {
            replicas: 2,
            serviceName: "db",
            selector: { matchLabels: { app: "db" } },
            template: { metadata: { labels: { app: "db" } }, spec: { containers: [{ name: "c", image: "c" }] } },
          },
        };
        const peers = service("shop/db", { clusterIP: "None", selector: { app: "db" }, ports: [{ port: 5432 }] });
        const first = policy("first-closed", {
          podSelector: { matchLabels: { "statefulset.kubernetes.io/pod-name": "db-0" } },
          policyTypes: ["Ingress"],
        });
        // Cilium leaves this label out of identities
        const closes = cni.startsWith("cilium") ? "allowed" : "denied";
        assert.equal(ask(cni, [db, peers, first], "db-0.db.shop.svc.cluster.local", 5432), closes);
        assert.equal(ask(cni, [db, peers, first], "db-1.db.shop.svc.cluster.local", 5432), "allowed");
      });

      it("an ExternalName leads where its name leads", () => {
        const alias = service("shop/alias", { type: "ExternalName", externalName: "web.shop.svc.cluster.local" });
        assert.equal(ask(cni, [web, webService, alias, closed("web")], "alias.shop.svc.cluster.local", 80), "denied");
        const outside = service("shop/db", { type: "ExternalName", externalName: "db.example.com" });
        assert.equal(ask(cni, [outside, open], "db.shop.svc.cluster.local", 5432), "denied");
        assert.equal(ask(cni, [outside], "db.shop.svc.cluster.local", 5432), "allowed");
        const circle = [
          service("shop/a", { type: "ExternalName", externalName: "b.shop.svc" }),
          service("shop/b", { type: "ExternalName", externalName: "a.shop.svc" }),
        ];
        assert.equal(ask(cni, [...circle, open], "a.shop.svc", 80), "denied");
      });

      it("a Service without a selector leads to the addresses that its EndpointSlice lists", () => {
        const slice = (address: string): KubeObject => ({
          apiVersion: "discovery.k8s.io/v1",
          kind: "EndpointSlice",
          metadata: { name: "db-1", namespace: "shop", labels: { "kubernetes.io/service-name": "db" } },
          addressType: "IPv4",
          endpoints: [{ addresses: [address] }],
          ports: [{ name: "", port: 6543, protocol: "TCP" }],
        });
        const db = service("shop/db", { clusterIP: "10.96.9.9", ports: [{ port: 5432 }] });
        const toOutside = policy("client-out", {
          podSelector: { matchLabels: { app: "client" } },
          policyTypes: ["Egress"],
          egress: [{ to: [{ ipBlock: { cidr: "203.0.113.7/32" } }], ports: [{ port: 6543 }] }],
        });
        assert.equal(ask(cni, [db, slice("203.0.113.7"), toOutside], "10.96.9.9", 5432), "allowed");
        assert.equal(ask(cni, [db, slice("203.0.113.8"), toOutside], "10.96.9.9", 5432), "denied");
        assert.equal(ask(cni, [web, db, slice("10.244.1.5"), closed("web")], "10.96.9.9", 5432), "denied");
        assert.equal(ask(cni, [db, egressTo(everywhere)], "10.96.9.9", 5432), "unknown");
      });

      it("a Service whose pods were not read is open only as far as every such pod would be", () => {
        const orders = service("data/orders", {
          clusterIP: "10.96.3.3",
          selector: { app: "orders" },
          ports: [{ port: 80 }],
        });
        assert.equal(ask(cni, [orders], "10.96.3.3", 80), "unknown");
        assert.equal(ask(cni, [orders, egressTo({ podSelector: {} })], "10.96.3.3", 80), "denied");
      });

      it("an address in the range of pods is a pod that was not read", () => {
        const worker = node("n1", { InternalIP: "172.18.0.3" }, ["10.244.3.0/24"]);
        assert.equal(ask(cni, [worker, egressTo({ podSelector: {} })], "10.244.3.77", 80), "unknown");
        assert.equal(ask(cni, [worker], "10.244.3.77", 80), "allowed");
      });

      it("a node's address and its host name are the node", () => {
        const worker = node("n1", { InternalIP: "172.18.0.3", Hostname: "n1.internal.example" });
        const toNode = egressTo({ ipBlock: { cidr: "172.18.0.0/16" } });
        const expected = cni.startsWith("cilium") ? "denied" : "allowed";
        assert.equal(ask(cni, [worker, toNode], "172.18.0.3", 10250), expected);
        assert.equal(ask(cni, [worker, toNode], "n1.internal.example", 10250), expected);
      });

      it("a node port leads to the node or to the pod behind it", () => {
        const worker = node("n1", { InternalIP: "172.18.0.3" });
        const exposed = service("shop/web", {
          type: "NodePort",
          clusterIP: "10.96.7.8",
          selector: { app: "web" },
          ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }],
        });
        assert.equal(ask(cni, [worker, web, exposed, open], "172.18.0.3", 30080), "unknown");
        assert.equal(
          ask(
            cni,
            [worker, web, exposed, egressTo({ podSelector: { matchLabels: { app: "x" } } })],
            "172.18.0.3",
            30080,
          ),
          "denied",
        );
      });

      it("the API server's Service leads to the API server", () => {
        const api = service("default/kubernetes", { clusterIP: "10.96.0.1", ports: [{ port: 443, targetPort: 6443 }] });
        const slice: KubeObject = {
          apiVersion: "discovery.k8s.io/v1",
          kind: "EndpointSlice",
          metadata: {
            name: "kubernetes",
            namespace: "default",
            labels: { "kubernetes.io/service-name": "kubernetes" },
          },
          endpoints: [{ addresses: ["172.18.0.2"] }],
          ports: [{ name: "https", port: 6443, protocol: "TCP" }],
        };
        const toRange = egressTo({ ipBlock: { cidr: "10.96.0.0/12" } });
        for (const end of ["10.96.0.1", "kubernetes.default.svc", "kubernetes.default"]) {
          assert.equal(ask(cni, [api, slice, toRange], end, 443), "denied");
        }
        assert.equal(ask(cni, [open], "kubernetes.default.svc.cluster.local", 443), "denied");
      });

      it("an address of nobody lies outside the cluster", () => {
        assert.equal(ask(cni, [web, webService, egressTo(everywhere)], "203.0.113.9", 443), "allowed");
        assert.equal(ask(cni, [web, webService, open], "203.0.113.9", 443), "denied");
      });
    });
  }

  it("a connection that comes from a known address comes from its pod", () => {
    const objects = [
      ...base,
      pod("data/job", { app: "job" }, { ips: ["10.244.2.2"] }),
      policy("client-in", {
        podSelector: { matchLabels: { app: "client" } },
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "data" } } }] }],
      }),
    ];
    for (const cni of enforcers) {
      const snapshot = buildSnapshot(
        objects.map((object) => ({ object })),
        { profile: profileFor(cni) },
      );
      const verdictFrom = (address: string): Verdict =>
        compile(snapshot).verdict({
          source: { kind: "address", address },
          destination: client,
          protocol: "TCP",
          port: 80,
        });
      assert.equal(verdictFrom("10.244.2.2"), "allowed");
      assert.equal(verdictFrom("10.244.2.3"), "denied");
    }
  });

  it("a pod's own node is told from another where both are known", () => {
    const objects = [
      ...base,
      node("n1", { InternalIP: "172.18.0.3" }),
      node("n2", { InternalIP: "172.18.0.4" }),
      pod("shop/web", { app: "web" }, { spec: { nodeName: "n1" } }),
      closed("web"),
    ];
    for (const cni of enforcers) {
      const snapshot = buildSnapshot(
        objects.map((object) => ({ object })),
        { profile: profileFor(cni) },
      );
      const verdictFrom = (address: string): Verdict =>
        compile(snapshot).verdict({
          source: { kind: "address", address },
          destination: { kind: "workload", id: "shop/web[Pod]" },
          protocol: "TCP",
          port: 8080,
        });
      assert.equal(verdictFrom("172.18.0.3"), "allowed");
      assert.equal(verdictFrom("172.18.0.4"), "denied");
    }
  });

  it("the address of NodeLocal DNSCache is one of the pod's own node", () => {
    const cache: KubeObject = {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "cache", namespace: "kube-system" },
      spec: {
        template: {
          metadata: { labels: { app: "cache" } },
          spec: { hostNetwork: true, containers: [{ name: "c", args: ["-localip", "169.254.25.10,fd00::10"] }] },
        },
      },
    };
    const cilium = (egress: object): KubeObject => ({
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: "client-out", namespace: "shop" },
      spec: { endpointSelector: {}, egress: [egress] },
    });
    for (const address of ["169.254.25.10", "fd00::10"]) {
      const range = `${address}/${address.includes(":") ? 128 : 32}`;
      const asked = (cni: string, rule: KubeObject): Verdict => ask(cni, [cache, rule], address, 53, "UDP");
      assert.equal(asked("cilium@1.20", cilium({ toEntities: ["host"] })), "allowed");
      assert.equal(asked("cilium@1.20", cilium({ toEntities: ["world"] })), "denied");
      assert.equal(asked("kubernetes", egressTo({ ipBlock: { cidr: range } })), "allowed");
      assert.equal(asked("calico", egressTo({ ipBlock: { cidr: range } })), "allowed");
      assert.equal(asked("calico", egressTo({ namespaceSelector: {} })), "denied");
    }
  });

  it("a pod of unknown address may lie in a range that could be the range of pods, and in no other", () => {
    const web = pod("shop/web", { app: "web" });
    const asked = (...blocks: object[]): Verdict =>
      ask("kubernetes", [web, egressTo(...blocks.map((ipBlock) => ({ ipBlock })))], "shop/web[Pod]", 8080);
    const everywhere = ["0.0.0.0/0", "10.0.0.0/8", "10.244.0.0/16", "192.168.0.0/16", "100.64.0.0/10", "fd00:244::/56"];
    for (const cidr of everywhere) assert.equal(asked({ cidr }), "unknown", cidr);
    assert.equal(asked({ cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] }), "unknown");
    assert.equal(asked({ cidr: "0.0.0.0/1" }), "unknown");
    for (const cidr of ["10.20.30.0/24", "203.0.113.0/24", "8.0.0.0/8", "2001:db8::/32", "fd00:20::/112"]) {
      assert.equal(asked({ cidr }), "denied", cidr);
    }
    const internet = { cidr: "0.0.0.0/0", except: ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"] };
    assert.equal(asked(internet), "denied");
  });

  it("the explanation names the object, and the port that policies see", () => {
    const objects = [
      ...base,
      pod("shop/web", { app: "web" }),
      service("shop/web", {
        clusterIP: "10.96.7.8",
        selector: { app: "web" },
        ports: [{ port: 80, targetPort: 8080 }],
      }),
    ];
    const reachability = compile(buildSnapshot(objects.map((object) => ({ object }))));
    const destination: Peer = { kind: "address", address: "10.96.7.8" };
    const { resolved } = reachability.explain({ source: client, destination, protocol: "TCP", port: 80 });
    assert.match(resolved ?? "", /10\.96\.7\.8 is Service shop\/web; policies see shop\/web\[Pod\] on TCP 8080/);
    assert.equal(reachability.knownAs(destination), "Service shop/web");
    assert.equal(reachability.knownAs({ kind: "address", address: "203.0.113.1" }), undefined);
  });
});
