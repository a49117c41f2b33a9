import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fixture } from "../support/fixtures";
import type { OracleCluster, OracleFlow, OraclePod, PolicyObject, Protocol } from "./cluster";
import { kubernetesAllows, networkPolicyAnswer } from "./kubernetes";

const file = fixture("conformance/cyclonus.json");

interface Table {
  readonly denied: readonly string[];
  readonly deniedIngress: readonly string[];
  readonly deniedEgress: readonly string[];
}
interface Snapshot {
  readonly world: string;
  readonly policies: readonly PolicyObject[];
  readonly expected: Readonly<Record<string, Table>>;
}
interface Case {
  readonly id: string;
  readonly description: string;
  readonly snapshots: readonly Snapshot[];
}
interface World {
  readonly namespaces: readonly { readonly name: string; readonly labels?: Record<string, string> }[];
  readonly pods: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly labels?: Record<string, string>;
    readonly ip: string;
    readonly ports: readonly { readonly name: string; readonly containerPort: number; readonly protocol: Protocol }[];
  }[];
}

function clusterOf(world: World): OracleCluster {
  return {
    namespaces: world.namespaces.map(({ name, labels }) => ({ name, labels: labels ?? {} })),
    pods: world.pods.map((pod) => ({
      namespace: pod.namespace,
      name: pod.name,
      labels: pod.labels ?? {},
      serviceAccount: "default",
      hostNetwork: false,
      addresses: [pod.ip],
      ports: pod.ports.map(({ name, containerPort, protocol }) => ({ name, port: containerPort, protocol })),
    })),
  };
}

describe("oracle: Kubernetes NetworkPolicy", () => {
  const options = { cidrMatchesPods: true };

  describe("against cyclonus.json (S4: every case in conformance)", function () {
    this.timeout(120_000);
    if (file === undefined) {
      it.skip("skipped: no registry has the truth tables of cyclonus");
      return;
    }
    const data = JSON.parse(readFileSync(file, "utf8")) as {
      worlds: Record<string, World>;
      cases: Case[];
      extraCases: Case[];
    };
    let compared = 0;
    after(() => console.log(`      ${compared} verdicts compared with cyclonus`));

    for (const group of ["cases", "extraCases"] as const) {
      it(`${data[group].length} ${group}: every pod pair, protocol and port, both directions`, () => {
        for (const one of data[group]) {
          for (const snapshot of one.snapshots) {
            const world = data.worlds[snapshot.world];
            assert.ok(world);
            compared += compare(one, snapshot, clusterOf(world));
          }
        }
      });
    }

    function compare(one: Case, snapshot: Snapshot, cluster: OracleCluster): number {
      let verdicts = 0;
      for (const [key, table] of Object.entries(snapshot.expected)) {
        const [protocol, port] = key.split("/") as [Protocol, string];
        const denied = new Set(table.denied);
        const deniedIngress = new Set(table.deniedIngress);
        const deniedEgress = new Set(table.deniedEgress);
        for (const from of cluster.pods) {
          for (const to of cluster.pods) {
            const pair = `${from.namespace}/${from.name}>${to.namespace}/${to.name}`;
            const flow: OracleFlow = { source: pod(from), destination: pod(to), protocol, port: Number(port) };
            const where = `${one.id} ${one.description}: ${pair} ${key}`;
            const ingress = networkPolicyAnswer(cluster, snapshot.policies, flow, "ingress", options);
            const egress = networkPolicyAnswer(cluster, snapshot.policies, flow, "egress", options);
            assert.equal(ingress === "denied", deniedIngress.has(pair), `${where} ingress`);
            assert.equal(egress === "denied", deniedEgress.has(pair), `${where} egress`);
            // cyclonus judges a pod against itself like any pair; the API always lets it through.
            const expected = from === to || !denied.has(pair);
            assert.equal(kubernetesAllows(cluster, snapshot.policies, flow, options), expected, where);
            verdicts++;
          }
        }
      }
      return verdicts;
    }
  });
});

function pod(one: OraclePod): OracleFlow["source"] {
  return { kind: "pod", pod: one };
}
