import assert from "node:assert/strict";
import { parseFlow, parsePortAndProtocol } from "../../sdk/cli/ends";
import { describeEnd } from "../../sdk/reachability";
import { CliError } from "../../sdk/cli/errors";
import { buildSnapshot, readYaml, type Flow, type Snapshot } from "../../sdk/reachability/index";
import { deployment, join, namespace, shop } from "./fixtures";

const text = join(
  shop,
  namespace("other"),
  deployment("other", "backend", 8080),
  deployment("other", "backend", 8080).replace("kind: Deployment", "kind: StatefulSet"),
  deployment("other", "dns.local", 53),
  deployment("other", "twin", 80).replace(
    "ports: [{ name: http, containerPort: 80 }]",
    "ports: [{ name: http, containerPort: 80 }, { name: http, containerPort: 81, protocol: UDP }]",
  ),
);
let snapshot: Snapshot;

const frontend = { kind: "workload", id: "shop/frontend[Deployment]" } as const;
const parse = (from: string, to: string): Flow => parseFlow(from, to, snapshot);
const destination = (to: string): unknown => parse("shop/frontend", to).destination;

function refused(from: string, to: string, message: RegExp): void {
  assert.throws(
    () => parse(from, to),
    (error: unknown) => {
      assert.ok(error instanceof CliError);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe("ends of a flow", () => {
  before(() => {
    snapshot = buildSnapshot(readYaml(text, "shop.yaml").objects);
  });

  it("a workload: by its id, by namespace and name, by name where it is the only one", () => {
    for (const from of ["shop/frontend[Deployment]", "shop/frontend", "frontend", "frontend[Deployment]"]) {
      assert.deepEqual(parse(from, "shop/backend:8080").source, frontend, from);
    }
    assert.deepEqual(destination("other/backend[StatefulSet]:80"), {
      kind: "workload",
      id: "other/backend[StatefulSet]",
    });
    refused(
      "backend",
      "frontend:80",
      /may be shop\/backend\[Deployment\] or other\/backend\[Deployment\] or other\/backend\[StatefulSet\]/,
    );
    refused("other/backend", "frontend:80", /may be other\/backend\[Deployment\] or other\/backend\[StatefulSet\]/);
    refused(
      "shop/frontent",
      "shop/backend:80",
      /no workload "shop\/frontent".*Did you mean "shop\/frontend\[Deployment\]"/,
    );
  });

  it("ports: by number, with a protocol, by name, a protocol alone, none", () => {
    const ports: [string, unknown][] = [
      ["shop/backend:8080", { protocol: "TCP", port: 8080 }],
      ["shop/backend:53/udp", { protocol: "UDP", port: 53 }],
      ["shop/backend:53/SCTP", { protocol: "SCTP", port: 53 }],
      ["shop/backend:http", { protocol: "TCP", port: 8080 }],
      ["shop/backend[Deployment]:http/tcp", { protocol: "TCP", port: 8080 }],
      ["other/twin:http/udp", { protocol: "UDP", port: 81 }],
      ["shop/backend:icmp", { protocol: "ICMP" }],
      ["shop/backend:8/icmp", { protocol: "ICMP", port: 8 }],
      ["shop/backend:udp", { protocol: "UDP" }],
      ["shop/backend", { protocol: "TCP" }],
    ];
    for (const [to, expected] of ports) {
      const { protocol, port } = parse("shop/frontend", to);
      assert.deepEqual({ protocol, ...(port === undefined ? {} : { port }) }, expected, to);
    }
    refused("shop/frontend", "shop/backend:0", /"0" is no port/);
    refused("shop/frontend", "shop/backend:65536", /"65536" is no port/);
    refused("shop/frontend", "shop/backend:300/icmp", /"300" is no ICMP type/);
    refused("shop/frontend", "shop/backend:80/quic", /"quic" is no protocol/);
    refused("shop/frontend", "shop/backend:metrics", /no port named "metrics": it has http/);
    refused("shop/frontend", "shop/backend:http/udp", /no port named "http"/);
    refused("shop/frontend", "other/twin:http", /several ports named "http"/);
    refused("shop/frontend", "203.0.113.7:http", /only workloads have ports by name/);
    refused("shop/frontend:80", "shop/backend:80", /only the destination has one: write "shop\/frontend"/);
  });

  it("an IPv4-mapped address is the IPv4 address that its packets carry", () => {
    assert.deepEqual(destination("[::ffff:10.0.0.5]:443"), { kind: "address", address: "10.0.0.5" });
    assert.deepEqual(destination("::ffff:a00:5"), { kind: "address", address: "10.0.0.5" });
    assert.deepEqual(destination("node@::ffff:10.0.0.5"), { kind: "node", where: "remote", address: "10.0.0.5" });
  });

  it("addresses, IPv6 with its colons", () => {
    assert.deepEqual(destination("203.0.113.7:443"), { kind: "address", address: "203.0.113.7" });
    assert.deepEqual(destination("2001:db8::443"), { kind: "address", address: "2001:db8::443" });
    assert.deepEqual(destination("[2001:db8::1]:443"), { kind: "address", address: "2001:db8::1" });
    assert.deepEqual(destination("[2001:db8::1]"), { kind: "address", address: "2001:db8::1" });
    assert.equal(parse("shop/frontend", "[2001:db8::1]:443").port, 443);
    assert.equal(parse("shop/frontend", "2001:db8::443").port, undefined);
    refused("shop/frontend", "10.0.0.0/8:443", /is a range: name one address of it/);
  });

  it("names, unless a workload is called so", () => {
    assert.deepEqual(destination("api.example.com:443"), { kind: "fqdn", name: "api.example.com" });
    assert.deepEqual(destination("dns.local:53"), { kind: "workload", id: "other/dns.local[Deployment]" });
    refused("shop/frontend", "localhost:80", /no workload "localhost"/);
  });

  it("new pods, nodes and the API server", () => {
    assert.deepEqual(parse("new@shop", "frontend:80").source, { kind: "freshPod", namespace: "shop", labels: {} });
    assert.deepEqual(parse("new@shop/builder,app=web,k8s.io/x=", "frontend:80").source, {
      kind: "freshPod",
      namespace: "shop",
      serviceAccount: "builder",
      labels: { app: "web", "k8s.io/x": "" },
    });
    assert.deepEqual(destination("node:10250"), { kind: "node", where: "remote" });
    assert.deepEqual(destination("node@10.0.0.5:10250"), { kind: "node", where: "remote", address: "10.0.0.5" });
    assert.deepEqual(destination("local-node:80"), { kind: "node", where: "local" });
    assert.deepEqual(destination("kube-apiserver:6443"), { kind: "kubeApiserver" });
    refused("new@shp", "frontend:80", /no namespace "shp".*Did you mean "shop"/);
    refused("new@shop,app", "frontend:80", /"app" is no label/);
    refused("node@here", "frontend:80", /"here" is no address/);
    refused("", "frontend:80", /an end of the flow is empty/);
  });

  it("are written as they are read", () => {
    for (const end of [
      "shop/frontend[Deployment]",
      "new@shop/builder,app=web",
      "203.0.113.7",
      "2001:db8::1",
      "api.example.com",
      "node",
      "node@10.0.0.5",
      "local-node",
      "kube-apiserver",
    ]) {
      assert.equal(describeEnd(parse("shop/frontend", end).destination), end);
    }
  });

  it("--port takes a number, a protocol, or both", () => {
    assert.deepEqual(parsePortAndProtocol("443"), { protocol: "TCP", port: 443 });
    assert.deepEqual(parsePortAndProtocol("53/udp"), { protocol: "UDP", port: 53 });
    assert.deepEqual(parsePortAndProtocol("icmp"), { protocol: "ICMP" });
    for (const wrong of ["", "0", "80/", "80/tcp/x", "eighty", "-1", "1e3", "80.5"]) {
      assert.throws(() => parsePortAndProtocol(wrong), CliError, wrong);
    }
  });
});
