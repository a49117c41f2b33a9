import assert from "node:assert/strict";
import type { Recording } from "../../sdk/flows/index";
import { attemptsOf, RecordingReader } from "../../sdk/flows/index";
import { goldmane, hubble, tcp, type HubbleFlow } from "./lines";

function read(...lines: readonly string[]): Recording {
  const reader = new RecordingReader();
  lines.forEach((line, index) => reader.line(line, "flows.log", index + 1));
  reader.endOfFile("flows.log", lines.length);
  return reader.result();
}

const at = (seconds: number): string => new Date(Date.parse("2026-11-28T10:00:00Z") + seconds * 1000).toISOString();
const denied: HubbleFlow = { verdict: "DROPPED", reason: "POLICY_DENIED" };

describe("recordings: attempts", () => {
  const attempts = (...lines: readonly string[]): object[] => read(...lines).classes.map(attemptsOf);

  it("counts a denied packet once, which is a verdict and a drop, and its repetitions", () => {
    const seconds = [0, 0, 1, 3, 7, 15, 31, 63];
    const lines = seconds.map((second, index) => hubble({ ...denied, event: index === 1 ? 1 : 5, time: at(second) }));
    assert.deepEqual(attempts(...lines), [{ passed: 0, denied: 1 }]);
  });

  it("counts another source port, and the same one long after, as another attempt", () => {
    const lines = [
      hubble({ ...denied, time: at(0) }),
      hubble({ ...denied, time: at(0), l4: tcp(5432, 43211) }),
      hubble({ ...denied, time: at(500) }),
    ];
    assert.deepEqual(attempts(...lines), [{ passed: 0, denied: 3 }]);
  });

  it("counts a connection that goes on once, however long it is recorded", () => {
    const going = Array.from({ length: 60 }, (_, index) =>
      hubble({ reply: false, event: 4, time: at(index * 60), more: { trace_observation_point: "TO_STACK" } }),
    );
    assert.deepEqual(attempts(...going), [{ passed: 1, denied: 0 }]);
  });

  it("counts an allowed connection once, which both ends recorded", () => {
    const both = [hubble({ reply: false }), hubble({ reply: false, direction: "INGRESS" })];
    assert.deepEqual(attempts(...both), [{ passed: 1, denied: 0 }]);
  });

  it("counts what left its source and was denied at the destination as denied", () => {
    const both = [hubble({ reply: false }), hubble({ ...denied, direction: "INGRESS" })];
    assert.deepEqual(attempts(...both), [{ passed: 0, denied: 1 }]);
  });

  it("never adds what both of Calico's reporters say of the same connections", () => {
    assert.deepEqual(attempts(goldmane(), goldmane({ reporter: 2 })), [{ passed: 12, denied: 0 }]);
  });

  it("puts pods of one controller into one kind, and those with other labels into another", () => {
    const other = (label: string, from: number): HubbleFlow => ({
      reply: false,
      l4: tcp(5432, from),
      source: { namespace: "shop", labels: ["k8s:app=web", label, "k8s:io.kubernetes.pod.namespace=shop"] },
    });
    const kinds = read(
      hubble(other("k8s:pod-template-hash=1", 1)),
      hubble(other("k8s:pod-template-hash=2", 2)),
      hubble(other("k8s:track=canary", 3)),
    ).classes;
    assert.equal(kinds.length, 2);
  });
});

describe("recordings: lines", () => {
  it("joins the parts of a container runtime's line", () => {
    const line = hubble({ reply: false });
    const parts = [
      `2026-11-28T10:00:00.1Z stdout P ${line.slice(0, 100)}`,
      `2026-11-28T10:00:00.1Z stdout F ${line.slice(100)}`,
    ];
    assert.equal(read(...parts).records, 1);
  });

  it("reads JSON of several lines, and says where one ends too early", () => {
    const text = JSON.stringify({ id: "4", flow: JSON.parse(goldmane()) as object }, undefined, 2);
    assert.equal(read(...text.split("\n"), ...text.split("\n")).records, 2);
    const cut = read(...text.split("\n").slice(0, 5));
    assert.deepEqual([...cut.notUnderstood.keys()], ["a line that is no JSON, or is cut off"]);
  });

  it("counts what it could not read by kind, with the first ten places", () => {
    const { notUnderstood, lines } = read(...Array.from({ length: 12 }, () => "hello"), hubble({ reply: false }));
    const unread = notUnderstood.get("a line that is no flow");
    assert.deepEqual(
      [lines, unread?.count, unread?.places.length, unread?.places[9]],
      [13, 12, 10, { file: "flows.log", line: 10 }],
    );
  });

  it("knows when each node recorded, and when it did not", () => {
    const [node] = read(
      hubble({ reply: false, time: at(0) }),
      hubble({ reply: false, time: at(3600) }),
      hubble({ reply: false, time: at(3660) }),
    ).nodes;
    assert.equal(node?.node, "default/node-1");
    assert.deepEqual(node?.gaps, [{ from: Date.parse(at(0)), to: Date.parse(at(3600)) }]);
  });

  it("sums what the recorder lost", () => {
    assert.equal(
      read('{"lost_events":{"num_events_lost":"1200"}}', '{"lost_events":{"num_events_lost":"5"}}').lost,
      1205,
    );
  });
});
