import assert from "node:assert/strict";
import { load } from "js-yaml";
import { declarationOf, judgeOf, learn, RecordingReader, withLearned, writtenDeclaration } from "../../sdk/flows/index";
import type { Learned, Recording } from "../../sdk/flows/index";
import type {
  ClusterSecurityDeclaration,
  FlowDeclaration,
  PeerDeclaration,
  PortDeclaration,
} from "../../sdk/plan/index";
import { DeclarationError, flow, namespace, plan, tcp as tcpPort, workload } from "../../sdk/plan/index";
import { resolve } from "../../sdk/plan/resolve/resolve";
import { examples, type Example } from "../support/examples";
import { goldmane, hubble, tcp, web, type HubbleFlow } from "./lines";
import { trafficOf } from "./traffic";

function read(lines: readonly string[], holdout?: number): Recording {
  const reader = new RecordingReader(holdout);
  lines.forEach((line, index) => reader.line(line, "flows.log", index + 1));
  reader.endOfFile("flows.log", lines.length);
  return reader.result();
}

const learnt = (lines: readonly string[], options: Parameters<typeof learn>[1] = {}): Learned => {
  const { classes, names } = read(lines);
  return learn(classes, { names, ...options });
};

function wordOf(peer: PeerDeclaration): string {
  if (peer.fqdn !== undefined) return `fqdn ${String(peer.fqdn)}`;
  if (peer.cidr !== undefined) return `cidr ${String(peer.cidr)}`;
  return peer.workload ?? peer.entity ?? "?";
}

function numberOf(port: PortDeclaration, to: PeerDeclaration, { workloads }: Learned): string {
  if (port.port !== undefined) return `${port.protocol ?? "TCP"} ${String(port.port)}`;
  const served = workloads.find((each) => `${each.namespace}/${each.name}` === to.workload)?.ports;
  const found = served?.find(({ name }) => name === port.name);
  return `${found?.protocol ?? "?"} ${found?.port ?? "?"}`;
}

/** `shop/web > shop/db TCP 5432`. */
const proposals = (learned: Learned): string[] =>
  learned.flows
    .flatMap(({ from, to, ports }) =>
      ports.map(({ port }) => `${wordOf(from)} > ${wordOf(to)} ${numberOf(port, to, learned)}`),
    )
    .sort();
const reasons = ({ leftOut }: Learned): string[] => [...new Set(leftOut.map(({ reason }) => reason))].sort();

const passed: HubbleFlow = { reply: false };
const twice = (flow: HubbleFlow): string[] => [hubble(flow), hubble({ ...flow, time: "2026-11-29T10:00:00Z" })];
const outside = { identity: 2, labels: ["reserved:world"] };
const to = (address: string, more: HubbleFlow = {}): HubbleFlow => ({
  ...passed,
  destination: outside,
  ip: { source: "10.244.0.12", destination: address },
  l4: tcp(443),
  ...more,
});

describe("learn: S3-13 the declaration of what was recorded", () => {
  const names = ["service-identity", "web-app", "tenants", "zero-trust-tiers", "shop", "kubernetesx", "fleet"];
  for (const name of names) {
    describe(`examples/${name}`, () => {
      let example: Example;
      before(async () => {
        example = (await examples()).find((one) => one.name === name) ?? assert.fail(name);
      });

      it("gives back what was sent, nothing missing and nothing more", () => {
        const { lines, sent } = trafficOf(example.declaration);
        assert.ok(sent.size > 1, `${sent.size} kinds of flows`);
        assert.deepEqual(proposals(learnt(lines)), [...sent].sort());
      });

      it("writes a declaration whose policies let all of it pass, also the part that was held out", () => {
        const { lines } = trafficOf(example.declaration, 10);
        const { parts, names: known } = read(lines, 0.2);
        assert.ok(parts !== undefined && parts.earlier.length > 0 && parts.later.length > 0);
        const learned = learn(parts.earlier, { names: known });
        const judged = judgeOf(withLearned(undefined, learned))([...parts.later]);
        assert.deepEqual(
          judged
            // the engine has no such end
            .filter(({ effect, reason }) => effect !== "still-allowed" && reason !== "Cilium's ingress proxy")
            .map(({ effect, reason }) => [effect, reason]),
          [],
        );
      });

      it("has nothing to add to its own declaration", () => {
        const learned = learnt(trafficOf(example.declaration).lines, { model: resolve(example.declaration) });
        assert.deepEqual([learned.flows, learned.workloads, learned.namespaces], [[], [], []]);
        assert.ok(learned.declared > 1);
      });
    });
  }

  it("holds out denials that the earlier part does not show", () => {
    const lines = [
      ...Array.from({ length: 8 }, (_, hour) =>
        hubble({ ...passed, l4: tcp(5432, 1000 + hour), time: `2026-11-28T0${hour}:00:00Z` }),
      ),
      hubble({ ...passed, l4: tcp(9187, 2000), time: "2026-11-28T09:30:00Z" }),
    ];
    const { parts } = read(lines, 0.2);
    assert.ok(parts);
    const judged = judgeOf(withLearned(undefined, learn(parts.earlier)))(parts.later);
    assert.deepEqual(
      judged.map(({ effect, port }) => [effect, port]),
      [["would-be-denied", 9187]],
    );
  });
});

describe("learn: what is never proposed", () => {
  const nothing = (lines: readonly string[], why?: RegExp): void => {
    const learned = learnt(lines);
    assert.deepEqual(proposals(learned), []);
    if (why !== undefined) assert.match(reasons(learned).join("; "), why);
  };
  const denied: HubbleFlow = { verdict: "DROPPED", reason: "POLICY_DENIED" };

  it("replies, and packets of connections that the agent no longer knew", () => {
    nothing(twice({ reply: true }));
    nothing(
      twice({ ...passed, reply: undefined as never, l4: { TCP: { destination_port: 5432, flags: { ACK: true } } } }),
    );
    nothing(twice({ ...denied, l4: { TCP: { destination_port: 5432, flags: { ACK: true } } } }));
  });

  it("what was denied", () => nothing(twice(denied), /denied then/));

  it("L7 records, socket events, and events on the way", () => {
    nothing(twice({ ...passed, event: 129, more: { Type: "L7" } }));
    nothing(twice({ ...passed, event: 7 }));
    nothing(twice({ ...passed, event: 4, more: { trace_observation_point: "FROM_ENDPOINT" } }));
  });

  it("metadata addresses, IPv4 and IPv6, also in the forms of IPv6", () => {
    for (const address of [
      "169.254.169.254",
      "fd00:ec2::254",
      "169.254.170.2",
      "168.63.129.16",
      "64:ff9b::a9fe:a9fe",
    ]) {
      nothing(twice(to(address)), /metadata addresses, which stay closed/);
    }
  });

  it("metadata addresses that somebody gave a name", () =>
    nothing(twice(to("169.254.169.254", { more: { destination_names: ["metadata.google.internal"] } })), /metadata/));

  it("loopback, link-local and multicast addresses", () => {
    for (const address of ["127.0.0.1", "169.254.1.1", "224.0.0.251", "255.255.255.255", "fe80::1", "ff02::fb"]) {
      nothing(twice(to(address)), /no host's/);
    }
  });

  it("the cluster's DNS, at its pods and at the cache of the node", () => {
    const dns = { namespace: "kube-system", labels: ["k8s:k8s-app=kube-dns"], pod_name: "coredns-1" };
    for (const protocol of ["UDP", "TCP"]) {
      const l4 = { [protocol]: { source_port: 4, destination_port: 53, flags: { SYN: true } } };
      nothing(twice({ ...passed, l4, destination: dns }), /DNS, which is open/);
    }
    nothing(
      twice(to("169.254.20.10", { l4: { UDP: { source_port: 4, destination_port: 53 } } })),
      /DNS, which is open/,
    );
  });

  it("ephemeral ports that nobody serves", () => {
    nothing(twice({ ...passed, l4: tcp(45_001) }), /ephemeral/);
    nothing(twice(to("203.0.113.10", { l4: tcp(60_000) })), /ephemeral/);
    const served: ClusterSecurityDeclaration = {
      namespaces: [namespace("shop")],
      workloads: [workload("shop/db", { ports: [tcpPort(45_001)] })],
      flows: [],
    };
    const learned = learnt(twice({ ...passed, l4: tcp(45_001) }), { model: resolve(served) });
    assert.deepEqual(proposals(learned), ["shop/web > shop/db TCP 45001"]);
  });

  it("scans of ports and of hosts, beside what their source really uses", () => {
    const ports = Array.from({ length: 40 }, (_, index) => hubble({ ...passed, l4: tcp(1000 + index, 2000 + index) }));
    const used = Array.from({ length: 5 }, (_, index) => hubble({ ...passed, l4: tcp(5432, 3000 + index) }));
    const learned = learnt([...ports, ...used]);
    assert.deepEqual(proposals(learned), ["shop/web > shop/db TCP 5432"]);
    assert.match(reasons(learned).join(), /scans/);
    const hosts = Array.from({ length: 60 }, (_, index) =>
      hubble({ ...to(`10.9.0.${index}`), ...(index > 10 ? { ...denied, reply: undefined as never } : {}) }),
    );
    nothing(hosts, /scans/);
  });

  it("a scraper of many workloads on one port is no scan", () => {
    const lines = Array.from({ length: 60 }, (_, index) =>
      hubble({
        ...passed,
        l4: tcp(9090, 4000 + index),
        destination: { namespace: "shop", labels: [`k8s:app=w${index}`], pod_name: `w${index}-0` },
      }),
    );
    assert.equal(proposals(learnt(lines)).length, 60);
  });

  it("ICMP, health checks, pods without identity, and what comes from the pod's own node", () => {
    nothing(twice({ ...passed, l4: { ICMPv4: { type: 8 } } }), /ICMP/);
    nothing(twice({ ...passed, direction: "INGRESS", source: { identity: 1, labels: ["reserved:host"] } }), /own node/);
    nothing(twice({ ...passed, direction: "INGRESS", source: { identity: 4, labels: ["reserved:health"] } }), /health/);
    nothing(twice({ ...passed, source: { identity: 5, labels: ["reserved:init"] } }), /without identity/);
  });

  it("addresses of Services, whose pods have records of their own", () => {
    nothing(twice(to("10.96.0.7", { more: { destination_service: { name: "db", namespace: "shop" } } })), /Services/);
    nothing(twice(to("10.96.0.7", { more: { destination_names: ["db.shop.svc.cluster.local"] } })), /Services/);
  });

  it("what passes between namespaces of tier 0", () => {
    const system = { namespace: "kube-system", labels: ["k8s:app=a"], pod_name: "a-0" };
    nothing(twice({ ...passed, source: system, destination: { ...system, labels: ["k8s:app=b"] } }), /neither end/);
  });

  it("one address after the other without a name", () => {
    const lines = Array.from({ length: 30 }, (_, index) =>
      hubble(to(`203.0.113.${index}`, { l4: tcp(443, index + 1) })),
    );
    nothing(lines, /more than 20 addresses/);
  });

  it("what Calico calls a private network", () =>
    nothing([goldmane({ dest_name: "pvt", dest_namespace: "-", dest_type: 4, dest_port: 443 })], /private network/));
});

describe("learn: how it is worded", () => {
  it("by names where they were looked up, in the record or in an answer of DNS", () => {
    const named = to("203.0.113.10", { more: { destination_names: ["api.example.com"] } });
    assert.deepEqual(proposals(learnt(twice(named))), ["shop/web > fqdn api.example.com TCP 443"]);
    const answer = hubble({
      reply: true,
      event: 129,
      more: {
        Type: "L7",
        l7: { type: "RESPONSE", dns: { query: "API.example.com.", ips: ["203.0.113.10"], rcode: 0 } },
      },
    });
    assert.deepEqual(proposals(learnt([answer, ...twice(to("203.0.113.10"))])), [
      "shop/web > fqdn api.example.com TCP 443",
    ]);
    assert.deepEqual(proposals(learnt(twice(to("203.0.113.10")))), ["shop/web > cidr 203.0.113.10/32 TCP 443"]);
  });

  it("lists all names of one address, and marks the guess", () => {
    const learned = learnt(
      twice(to("203.0.113.10", { more: { destination_names: ["a.example.com", "b.example.com"] } })),
    );
    assert.deepEqual(proposals(learned), [
      "shop/web > fqdn a.example.com TCP 443",
      "shop/web > fqdn b.example.com TCP 443",
    ]);
    for (const { remarks } of learned.flows) assert.match(remarks.join(), /a guess/);
  });

  it("takes many public clients for the internet, few for themselves, and Calico's public network for a guess", () => {
    const from = (address: string): string =>
      hubble({ ...passed, direction: "INGRESS", source: outside, ip: { source: address, destination: "10.244.1.7" } });
    const clients = Array.from({ length: 6 }, (_, index) => from(`5.5.5.${index}`));
    assert.deepEqual(proposals(learnt(clients)), ["internet > shop/db TCP 5432"]);
    assert.deepEqual(proposals(learnt(clients.slice(0, 1))), ["cidr 5.5.5.0/32 > shop/db TCP 5432"]);
    const calico = learnt([goldmane({ dest_name: "pub", dest_namespace: "-", dest_type: 4, dest_port: 443 })]);
    assert.deepEqual(proposals(calico), ["shop/web > internet TCP 443"]);
    assert.match(calico.flows[0]?.remarks.join() ?? "", /narrow it/);
  });

  it("knows a workload by its pods' names at one end, and by their labels at the other", () => {
    const far = { namespace: "shop", labels: ["k8s:app.kubernetes.io/name=db", "k8s:tier=data"] };
    const near = { ...far, workloads: [{ name: "orders-db", kind: "StatefulSet" }], pod_name: "orders-db-0" };
    const learned = learnt([
      hubble({ ...passed, destination: far }),
      hubble({ ...passed, direction: "INGRESS", destination: near }),
    ]);
    assert.deepEqual(proposals(learned), ["shop/web > shop/orders-db TCP 5432"]);
    assert.deepEqual(learned.workloads.find(({ name }) => name === "orders-db")?.labels, {
      "app.kubernetes.io/name": "db",
    });
  });

  it("takes revisions of a workload for one, by the labels that they share", () => {
    const revision = (version: string, port: number): string =>
      hubble({
        ...passed,
        l4: tcp(5432, port),
        source: { ...web, labels: ["k8s:app=web", `k8s:version=${version}`], pod_name: `web-7d9c5b6d7f-bcd${port}x` },
      });
    const learned = learnt([revision("1", 22), revision("2", 44)]);
    assert.deepEqual(
      learned.workloads.map(({ name, labels }) => [name, labels]),
      [
        ["db", { app: "db" }],
        ["web", { app: "web" }],
      ],
    );
  });

  it("tells workloads apart that share a label, and says so where it cannot", () => {
    const from = (name: string, labels: readonly string[], port: number): string =>
      hubble({
        ...passed,
        l4: tcp(5432, port),
        source: { namespace: "shop", labels, workloads: [{ name, kind: "Deployment" }] },
      });
    const learned = learnt([
      from("stable", ["k8s:app=api", "k8s:track=stable"], 1),
      from("canary", ["k8s:app=api", "k8s:track=canary"], 2),
    ]);
    assert.deepEqual(
      learned.workloads.filter(({ name }) => name !== "db").map(({ name, labels }) => [name, labels]),
      [
        ["canary", { app: "api", track: "canary" }],
        ["stable", { app: "api", track: "stable" }],
      ],
    );
  });

  it("adds to a declaration what it lacks, under its names", () => {
    const declaration: ClusterSecurityDeclaration = {
      namespaces: [namespace("shop")],
      workloads: [
        workload("shop/frontend", { labels: { app: "web" } }),
        workload("shop/db", { ports: [tcpPort(5432), tcpPort(9187, "metrics")] }),
      ],
      flows: [flow("frontend").to("db").on(tcpPort(5432)).because("pages").ownedBy("web")],
    };
    const lines = [...twice(passed), ...twice({ ...passed, l4: tcp(9187) })];
    const learned = learnt(lines, { model: resolve(declaration) });
    assert.deepEqual(declarationOf(learned), {
      namespaces: [],
      workloads: [],
      flows: [
        {
          from: { workload: "shop/frontend" },
          to: { workload: "shop/db" },
          ports: [{ name: "metrics" }],
          reason: "",
          owner: "",
        },
      ],
    });
    assert.equal(plan(withLearned(declaration, learned)).flows.length, 2);
  });

  it("marks what was seen once or at one moment, and leaves it out where more is asked for", () => {
    const learned = learnt([...twice(passed), hubble({ ...passed, l4: tcp(9187, 5) })]);
    const text = writtenDeclaration(learned, "yaml", []);
    assert.match(text, /# TCP 5432: 2 attempts on 2 days, 2026-11-28T10:00:00Z to 2026-11-29T10:00:00Z\n/);
    assert.match(text, /# TCP 9187: CHECK: seen once, 2026-11-28T10:00:00Z\n/);
    const asked = learnt([...twice(passed), hubble({ ...passed, l4: tcp(9187, 5) })], { minCount: 2, minDays: 2 });
    assert.deepEqual(proposals(asked), ["shop/web > shop/db TCP 5432"]);
    assert.match(reasons(asked).join(), /too rarely/);
  });

  it("writes what the planner refuses until a person says why, and who owns it", () => {
    const learned = learnt([...twice(passed), ...twice(to("203.0.113.10"))]);
    const yaml = load(writtenDeclaration(learned, "yaml", ["a head"])) as ClusterSecurityDeclaration;
    assert.deepEqual(yaml, JSON.parse(writtenDeclaration(learned, "json", [])));
    assert.throws(
      () => plan(yaml),
      (error) => error instanceof DeclarationError && /reason/.test(error.message) && /owner/.test(error.message),
    );
    const said = (yaml.flows ?? []).map((each): FlowDeclaration => ({ ...each, reason: "pages", owner: "web" }));
    assert.equal(plan({ ...yaml, flows: said }).flows.length, 2);
  });
});
