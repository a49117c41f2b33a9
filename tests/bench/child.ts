/**
 * One measurement in a process of its own, so that its peak memory is its own: reads the cluster that the parent wrote as
 * JSON, does one thing, prints one line of JSON.
 */
import { readFileSync } from "node:fs";
import { buildSnapshot, compile, inferProfile, type KubeObject } from "../../sdk/reachability";

const [, , task = "", file = ""] = process.argv;
const since = (start: number): number => Math.round((performance.now() - start) * 10) / 10;

const startParse = performance.now();
const objects = (JSON.parse(readFileSync(file, "utf8")) as KubeObject[]).map((object) => ({ object }));
const parseMs = since(startParse);

const startCpu = process.cpuUsage();
const startCompile = performance.now();
const snapshot = buildSnapshot(objects, { profile: inferProfile(objects) });
const reachability = compile(snapshot);
const compileMs = since(startCompile);

const startTask = performance.now();
const counted = task === "explain" ? explainAll() : countMatrix();
const taskMs = since(startTask);
const { user, system } = process.cpuUsage(startCpu);

const maxRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
process.stdout.write(
  JSON.stringify({
    task,
    parseMs,
    compileMs,
    taskMs,
    totalMs: Math.round(compileMs + taskMs),
    cpuMs: Math.round((user + system) / 1000),
    maxRssMb,
    ...counted,
    problems: snapshot.problems.length,
  }) + "\n",
);

/** Walks the matrix as a writer of JSON would, and keeps nothing. */
function countMatrix(): { pairs: number; characters: number } {
  let pairs = 0;
  let characters = 0;
  for (const entry of reachability.matrix()) {
    pairs++;
    characters += entry.sourceId.length + entry.destinationId.length + entry.allowed.toString().length;
  }
  return { pairs, characters };
}

/** Every ordered pair of workloads, explained on one port. */
function explainAll(): { pairs: number; characters: number } {
  let pairs = 0;
  let characters = 0;
  for (const source of snapshot.workloads) {
    for (const destination of snapshot.workloads) {
      if (source === destination) continue;
      const explanation = reachability.explain({
        source: { kind: "workload", id: source.id },
        destination: { kind: "workload", id: destination.id },
        protocol: "TCP",
        port: 9090,
      });
      pairs++;
      characters += explanation.egress.reason.length + explanation.ingress.reason.length;
    }
  }
  return { pairs, characters };
}
