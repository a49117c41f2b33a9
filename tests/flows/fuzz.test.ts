/** Broken, cut and foreign lines. `FLOW_FUZZ_LINES` says how many (default 5,000), `PROPERTY_SEED` repeats a run. */
import assert from "node:assert/strict";
import { learn, LokiLines, RecordingReader } from "../../sdk/flows/index";
import { goldmane, hubble, tcp, ztunnel } from "./lines";

const count = Number(process.env["FLOW_FUZZ_LINES"] ?? 5_000);
const seed = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2_147_483_647);

/** Numbers from 0 to below 1 (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const values: readonly unknown[] = [
  null,
  0,
  -1,
  1e300,
  "",
  "x",
  [],
  {},
  [{}],
  true,
  { type: {} },
  "5",
  70_000,
  "9".repeat(40),
];

describe("recorded flows: fuzz", () => {
  it(`reads ${count} lines that are cut, changed and wrapped, and throws nothing; every line is counted`, () => {
    const random = randomFrom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const of = <T>(list: readonly T[]): T => list[below(list.length)] as T;
    const whole = [
      hubble({ reply: false }),
      hubble({ verdict: "DROPPED", reason: "POLICY_DENIED", l4: tcp(80) }),
      hubble({
        reply: true,
        event: 129,
        more: { Type: "L7", l7: { type: "RESPONSE", dns: { query: "a.b.", ips: ["1.1.1.1"] } } },
      }),
      hubble({ event: 4, more: { aggregate: { egress_flow_count: 3 } } }),
      goldmane(),
      ztunnel(),
      '{"lost_events":{"num_events_lost":"12"}}',
    ];
    const replaced = (value: unknown): unknown => {
      if (random() < 0.08) return of(values);
      if (Array.isArray(value)) return value.map(replaced);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [random() < 0.02 ? `${key}x` : key, replaced(each)]),
      );
    };
    const changed = (line: string): string => {
      try {
        return JSON.stringify(replaced(JSON.parse(line)));
      } catch {
        return line.replaceAll("=", " ");
      }
    };
    const changes: readonly ((line: string) => string)[] = [
      (line) => line,
      (line) => line.slice(0, below(line.length)),
      (line) => line.slice(below(line.length)),
      (line) =>
        `${line.slice(0, below(line.length))}${String.fromCharCode(below(0xffff))}${line.slice(below(line.length))}`,
      (line) => changed(line),
      (line) => JSON.stringify({ log: `${line}\n` }),
      (line) => `2026-11-28T10:00:00Z stdout ${of(["F", "P"])} ${line}`,
      (line) => JSON.stringify({ status: "success", data: { result: [{ values: [["1", line]] }] } }),
      (line) => `[${line},${line}`,
      () => of(["{", "[", "}", "data:", "null", "\u0000", '{"flow":[]}', '{"Key":{"source_name":1}}', "[[[[1]]]]"]),
    ];
    console.log(`      PROPERTY_SEED=${seed}`);
    const reader = new RecordingReader(0.2);
    let loki = new LokiLines();
    for (let index = 0; index < count; index += 1) {
      const line = of(changes)(of(changes)(of(whole)));
      try {
        reader.line(line, "fuzz", index + 1);
        if (index % 50 === 0) loki = new LokiLines();
        loki.push(line);
      } catch (error) {
        assert.fail(`${JSON.stringify(line)}: ${String(error)}`);
      }
    }
    reader.endOfFile("fuzz", count);
    const { lines, classes, parts } = reader.result();
    assert.equal(lines, count);
    assert.ok(classes.length > 5);
    learn(classes);
    learn(parts?.earlier ?? []);
  });
});
