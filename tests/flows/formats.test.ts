import assert from "node:assert/strict";
import { readLine } from "../../sdk/flows/index";
import type { FlowRecord, LineContent } from "../../sdk/flows/index";
import { db, goldmane, hubble, tcp, web, ztunnel } from "./lines";

const only = (line: string): LineContent => {
  const contents = readLine(line);
  assert.equal(contents.length, 1, line);
  return contents[0] ?? assert.fail("nothing");
};

function recordOf(line: string): FlowRecord {
  const content = only(line);
  return content.kind === "flow" ? content.record : assert.fail(JSON.stringify(content));
}

function why(line: string): string {
  const content = only(line);
  return "why" in content ? `${content.kind}: ${content.why}` : assert.fail(JSON.stringify(content));
}

const pod = {
  web: {
    kind: "pod",
    namespace: "shop",
    labels: { app: "web", "pod-template-hash": "5d4b9c7f6d" },
    serviceAccount: "web",
    pod: web.pod_name,
  },
  db: { kind: "pod", namespace: "shop", labels: { app: "db" }, pod: "db-0" },
};

describe("recorded flows: Hubble", () => {
  it("reads both ends, the port, the side and the outcome of a policy verdict", () => {
    assert.deepEqual(recordOf(hubble({ reply: false })), {
      time: Date.parse("2026-11-28T10:00:00Z"),
      node: "default/node-1",
      source: pod.web,
      destination: pod.db,
      protocol: "TCP",
      port: 5432,
      side: "egress",
      outcome: "allowed",
      attempt: "10.244.0.12 43210 10.244.1.7 5432 TCP",
      count: 1,
    });
  });

  it("S0-13 names the declared flows whose rules let it pass, and takes no other mark for one", () => {
    const of = (policy_log: unknown): unknown => {
      const [content] = readLine(hubble({ reply: false, more: { policy_log } }));
      return content?.kind === "flow" ? content.record.declared : content;
    };
    assert.deepEqual(of(["b2c3d4e5f6", "a1b2c3d4e5", "b2c3d4e5f6", "would-deny", "ticket-17"]), [
      "a1b2c3d4e5",
      "b2c3d4e5f6",
    ]);
    for (const none of [undefined, [], ["would-deny"], "a1b2c3d4e5", [{}], [7]]) assert.equal(of(none), undefined);
  });

  const outcomes: readonly [string, Parameters<typeof hubble>[0], string, boolean?][] = [
    ["redirected to the proxy", { verdict: "REDIRECTED", reply: false }, "allowed"],
    ["audited", { verdict: "AUDIT" }, "would-be-denied"],
    [
      "let pass by the policy of mode audit alone",
      { reply: false, more: { policy_match_type: 4, policy_log: ["would-deny"] } },
      "would-be-denied",
    ],
    [
      "declared, in a namespace in mode audit",
      { reply: false, more: { policy_match_type: 2, policy_log: ["would-deny"] } },
      "allowed",
    ],
    ["nothing allowed it", { verdict: "DROPPED", reason: "POLICY_DENIED" }, "denied"],
    ["denied explicitly", { verdict: "DROPPED", reason: "POLICY_DENY" }, "denied", true],
    ["the number of an old file", { verdict: "DROPPED", more: { drop_reason: 181 } }, "denied", true],
    ["a drop event", { verdict: "DROPPED", reason: "POLICY_DENIED", event: 1 }, "denied"],
    [
      "what left a pod that no policy selects",
      { event: 4, reply: false, more: { trace_observation_point: "TO_STACK" } },
      "allowed",
    ],
    [
      "what arrived at a pod",
      { event: 4, reply: false, direction: "INGRESS", more: { trace_observation_point: "TO_ENDPOINT" } },
      "allowed",
    ],
  ];
  for (const [title, flow, outcome, explicit] of outcomes) {
    it(`${title}: ${outcome}`, () => {
      const record = recordOf(hubble(flow));
      assert.deepEqual([record.outcome, record.explicit], [outcome, explicit]);
    });
  }

  const others: readonly [string, Parameters<typeof hubble>[0], RegExp][] = [
    ["a reply", { reply: true }, /^passed-over: a reply/],
    [
      "whether it is a reply is not known",
      { l4: { UDP: { source_port: 1, destination_port: 53 } } },
      /^passed-over: reply or not/,
    ],
    [
      "a drop without SYN",
      { verdict: "DROPPED", reason: "POLICY_DENIED", l4: { TCP: { destination_port: 5432, flags: { ACK: true } } } },
      /^passed-over: a packet of a connection/,
    ],
    [
      "another reason",
      { verdict: "DROPPED", reason: "CT_MAP_INSERTION_FAILED" },
      /^passed-over: dropped, and not by a policy/,
    ],
    ["authentication", { verdict: "DROPPED", reason: "AUTH_REQUIRED" }, /^passed-over: dropped, and not by a policy/],
    ["an L7 record", { event: 129, more: { Type: "L7" } }, /^passed-over: an L7 record/],
    ["a socket event", { event: 7 }, /^passed-over: a socket event/],
    [
      "a trace event on the way",
      { event: 4, reply: false, more: { trace_observation_point: "FROM_ENDPOINT" } },
      /^passed-over: a trace event/,
    ],
    ["a verdict of a newer version", { verdict: 17 }, /^not-understood: the verdict 17/],
    ["no port", { l4: { TCP: { flags: { SYN: true } } } }, /^not-understood: a flow without its destination port/],
    ["no protocol", { l4: {} }, /^not-understood: a flow without its protocol/],
  ];
  for (const [title, flow, expected] of others) {
    it(`is no attempt that a policy decided: ${title}`, () => assert.match(why(hubble(flow)), expected));
  }

  const ends: readonly [string, object, object][] = [
    [
      "the API server on a node",
      { labels: ["reserved:remote-node", "reserved:kube-apiserver"] },
      { kind: "kubeApiserver", address: "10.244.1.7" },
    ],
    ["the host", { identity: 1 }, { kind: "node", where: "local", address: "10.244.1.7" }],
    ["a node without labels in the record", { identity: 6 }, { kind: "node", where: "remote", address: "10.244.1.7" }],
    ["the ingress proxy", { labels: ["reserved:ingress"] }, { kind: "ingressProxy" }],
    ["the world", { identity: 2, labels: ["reserved:world"] }, { kind: "address", address: "10.244.1.7", names: [] }],
    [
      "a range with an identity of the node's own",
      { identity: 16777225, labels: ["cidr:203.0.113.10/32", "reserved:world"] },
      { kind: "address", address: "10.244.1.7", names: [] },
    ],
    [
      "a pod without labels",
      { namespace: "shop", pod_name: "db-0", workloads: [{ name: "db" }] },
      { kind: "pod", namespace: "shop", pod: "db-0", workload: "db" },
    ],
  ];
  for (const [title, destination, expected] of ends) {
    it(`tells the far end: ${title}`, () =>
      assert.deepEqual(recordOf(hubble({ reply: false, destination })).destination, expected));
  }

  it("takes the names that the source had looked up, without the last dot", () => {
    const record = recordOf(
      hubble({ reply: false, destination: { identity: 2 }, more: { destination_names: ["API.example.com."] } }),
    );
    assert.deepEqual(record.destination, { kind: "address", address: "10.244.1.7", names: ["api.example.com"] });
  });

  it("reads ICMP, whose type 0 is left out, and what stands for many", () => {
    const icmp = recordOf(hubble({ reply: false, l4: { ICMPv4: {} } }));
    assert.deepEqual([icmp.protocol, icmp.port], ["ICMP", 0]);
    const many = recordOf(hubble({ reply: false, more: { aggregate: { egress_flow_count: 7 } } }));
    assert.deepEqual([many.count, many.attempt], [7, undefined]);
  });

  it("reads bare flows, camel case, and events that are no flows", () => {
    const { flow } = JSON.parse(hubble({ reply: false })) as { flow: object };
    assert.equal(recordOf(JSON.stringify(flow)).port, 5432);
    const camel = hubble({ reply: false })
      .replaceAll("destination_port", "destinationPort")
      .replaceAll("event_type", "eventType")
      .replaceAll("is_reply", "isReply")
      .replaceAll("traffic_direction", "trafficDirection")
      .replaceAll("pod_name", "podName");
    assert.deepEqual(recordOf(camel).destination, pod.db);
    assert.deepEqual(only('{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"1200"}}'), {
      kind: "lost",
      count: 1200,
    });
    assert.match(why('{"node_status":{"state_change":"NODE_CONNECTED"}}'), /^passed-over/);
  });
});

describe("recorded flows: Calico", () => {
  const calico = { ...pod.web, labels: { app: "web" }, sharedLabels: true, pod: "web-5d4b9c7f6d-*" } as Record<
    string,
    unknown
  >;
  delete calico["serviceAccount"];

  it("reads Goldmane's flows as its emitter posts them", () => {
    const record = recordOf(goldmane());
    assert.deepEqual(record.source, calico);
    assert.deepEqual(
      [record.protocol, record.port, record.side, record.outcome, record.count, record.time],
      ["TCP", 5432, "egress", "allowed", 12, 1795860000_000],
    );
  });

  it("reads the same as protojson, with names for enums and text for long numbers", () => {
    const text = JSON.stringify({
      Key: {
        sourceName: "web-5d4b9c7f6d-*",
        sourceNamespace: "shop",
        sourceType: "WorkloadEndpoint",
        destName: "db-*",
        destNamespace: "shop",
        destType: "WorkloadEndpoint",
        destPort: "5432",
        proto: "tcp",
        reporter: "Dst",
        action: "Deny",
      },
      startTime: "1795860000",
      sourceLabels: ["app=web"],
      destLabels: ["app=db"],
    });
    const record = recordOf(`{"id":"4","flow":${text}}`);
    assert.deepEqual(record.source, calico);
    assert.deepEqual([record.port, record.side, record.outcome], [5432, "ingress", "denied"]);
  });

  it("reads Whisker's flows, of a page and of its stream", () => {
    const item = {
      start_time: "2026-11-28T10:00:00Z",
      action: "Allow",
      source_name: "web-5d4b9c7f6d-*",
      source_namespace: "shop",
      source_labels: "app=web | team=a",
      dest_name: "PUBLIC NETWORK",
      dest_namespace: "-",
      dest_labels: "",
      protocol: "tcp",
      dest_port: 443,
      reporter: "Src",
    };
    const [first, second] = readLine(JSON.stringify({ meta: {}, items: [item, item] }));
    assert.deepEqual(first, second);
    const record = recordOf(`data: ${JSON.stringify(item)}`);
    assert.deepEqual(record.source, { ...calico, labels: { app: "web", team: "a" } });
    assert.match(JSON.stringify(record.destination), /unresolvable.*public network/);
  });

  it("takes the last staged hit for what would be, and no connection that only went on", () => {
    const hits = (...actions: number[]): object => ({
      policies: { pending_policies: actions.map((action) => ({ action })) },
    });
    assert.equal(recordOf(goldmane(hits(3, 2))).outcome, "would-be-denied");
    assert.equal(recordOf(goldmane(hits(2, 1))).outcome, "allowed");
    assert.match(why(goldmane({}, { num_connections_started: 0 })), /^passed-over: a connection that only went on/);
    assert.equal(recordOf(goldmane({ action: 2 }, { num_connections_started: 0 })).outcome, "denied");
    assert.match(why(goldmane({ action: 9 })), /^not-understood: the action/);
  });
});

describe("recorded flows: ztunnel", () => {
  it("takes the port behind the tunnel, and denials by their words alone", () => {
    const record = recordOf(ztunnel());
    assert.deepEqual(record.source, { kind: "pod", namespace: "shop", pod: web.pod_name, serviceAccount: "web" });
    assert.deepEqual([record.port, record.side, record.outcome], [5432, "ingress", "allowed"]);
    const denied = ' error="connection closed due to policy rejection: ';
    assert.equal(recordOf(ztunnel(`${denied}allow policies exist, but none allowed"`)).outcome, "denied");
    assert.equal(recordOf(ztunnel(`${denied}explicitly denied by: shop/no"`)).explicit, true);
    assert.match(
      why(ztunnel(' error="connection reset"')),
      /^passed-over: a connection that failed, and not by a policy/,
    );
  });

  it("reads its JSON", () => {
    const value = {
      level: "info",
      time: "2026-11-28T10:00:00Z",
      scope: "access",
      message: "connection complete",
      "src.addr": "[2001:db8::1]:4",
      "dst.addr": "10.244.1.7:5432",
      "dst.workload": "db-0",
      "dst.namespace": "shop",
      direction: "outbound",
    };
    const record = recordOf(JSON.stringify(value));
    assert.deepEqual(record.source, { kind: "address", address: "2001:db8::1", names: [] });
    assert.deepEqual([record.port, record.side], [5432, "egress"]);
  });
});

describe("recorded flows: what a line is wrapped in", () => {
  const line = hubble({ reply: false });
  const wrapped: readonly [string, string][] = [
    ["Docker", JSON.stringify({ log: `${line}\n`, stream: "stdout", time: "2026-11-28T10:00:00Z" })],
    ["logcli -o jsonl", JSON.stringify({ labels: { app: "x" }, line, timestamp: "2026-11-28T10:00:00Z" })],
    ["logcli", `2026-11-28T10:00:00Z {app="x", pod="y"} ${line}`],
    [
      "Loki's API",
      JSON.stringify({
        status: "success",
        data: { resultType: "streams", result: [{ stream: {}, values: [["1", line]] }] },
      }),
    ],
    ["Grafana", JSON.stringify([{ line, timestamp: "1", fields: {} }])],
    ["an event stream", `data: ${line}`],
  ];
  for (const [title, text] of wrapped) {
    it(`${title}`, () => assert.equal(recordOf(text).port, 5432));
  }

  it("passes log lines over, and counts what it cannot read", () => {
    assert.match(why('time="2026-11-28T10:00:00Z" level=info msg="Regenerating"'), /^passed-over: a log line/);
    assert.match(why('{"level":"info","msg":"Regenerating"}'), /^passed-over: a log line/);
    assert.match(why(line.slice(0, 200)), /^not-understood: a line that is no JSON/);
    assert.match(why("hello"), /^not-understood: a line that is no flow/);
    assert.match(why('{"source_name_aggr":"x"}'), /^not-understood: a flow log of Calico Enterprise/);
    assert.deepEqual(readLine(""), []);
  });

  it("never throws, whatever a line holds", () => {
    const values = [null, 0, "x", [], {}, [{}], { type: {} }, { 0: 0 }, true];
    const flow = (JSON.parse(line) as { flow: Record<string, unknown> }).flow;
    for (const key of Object.keys(flow)) {
      for (const value of values) readLine(JSON.stringify({ flow: { ...flow, [key]: value } }));
    }
    const key = (JSON.parse(goldmane()) as { Key: Record<string, unknown> }).Key;
    for (const each of Object.keys(key))
      for (const value of values) readLine(JSON.stringify({ Key: { ...key, [each]: value } }));
    for (let length = 0; length < line.length; length += 7) readLine(line.slice(length));
    for (const port of [70000, -1, 1.5, "x"])
      assert.match(why(hubble({ l4: { TCP: { destination_port: port } } })), /port/);
    void db;
    void tcp;
  });
});
