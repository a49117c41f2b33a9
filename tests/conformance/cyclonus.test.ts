import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  buildSnapshot,
  compile,
  profileFor,
  type FlowProtocol,
  type KubeObject,
  type Peer,
} from "../../sdk/reachability";
import { fixture } from "../support/fixtures";
import { objectsOf, type World } from "./support";

interface CyclonusCase {
  readonly id: string;
  readonly snapshots: readonly {
    readonly world: string;
    readonly policies: readonly KubeObject[];
    readonly expected: Readonly<Record<string, { readonly denied: readonly string[] }>>;
  }[];
}

describe("conformance: Kubernetes NetworkPolicy (cyclonus)", () => {
  it("decides every pod pair, protocol and port as the truth tables say", function () {
    const file = fixture("conformance/cyclonus.json");
    if (file === undefined) return this.skip();
    this.timeout(120_000);
    const data = JSON.parse(readFileSync(file, "utf8")) as {
      worlds: Readonly<Record<string, World>>;
      cases: readonly CyclonusCase[];
      extraCases: readonly CyclonusCase[];
    };
    const mismatches: string[] = [];
    let compared = 0;
    let toItself = 0;
    for (const each of [...data.cases, ...data.extraCases]) {
      for (const [step, { world: worldName, policies, expected }] of each.snapshots.entries()) {
        const world = data.worlds[worldName];
        assert.ok(world !== undefined, `world ${worldName}`);
        const objects = [...objectsOf(world), ...policies].map((object) => ({ object }));
        const snapshot = buildSnapshot(objects, { profile: profileFor("kubernetes") });
        assert.deepEqual(snapshot.problems, [], each.id);
        const reachability = compile(snapshot);
        for (const [probe, { denied }] of Object.entries(expected)) {
          const [protocol, port] = probe.split("/") as [FlowProtocol, string];
          const closed = new Set(denied);
          for (const from of world.pods) {
            for (const to of world.pods) {
              const pair = `${from.namespace}/${from.name}>${to.namespace}/${to.name}`;
              // cyclonus judges a pod's traffic to itself like any other; the API always allows it
              const own = from === to;
              const wanted = own || !closed.has(pair) ? "allowed" : "denied";
              if (own) toItself++;
              const got = reachability.verdict({
                source: peerOf(from),
                destination: peerOf(to),
                protocol,
                port: Number(port),
              });
              compared++;
              if (got !== wanted) mismatches.push(`${each.id} step ${step}: ${pair} ${probe} is ${got}, not ${wanted}`);
            }
          }
        }
      }
    }
    console.log(`      compared ${compared} verdicts, ${toItself} of them of a pod to itself`);
    assert.deepEqual(mismatches.slice(0, 20), [], `${mismatches.length} mismatches`);
    assert.ok(compared >= 143_352, "all verdicts were compared");
  });
});

function peerOf(pod: { namespace: string; name: string }): Peer {
  return { kind: "workload", id: `${pod.namespace}/${pod.name}[Pod]` };
}
