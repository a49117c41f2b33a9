/** Whether two sets of policies come to the same. */
import type { Engine } from "../compile/engine";
import type { Peer, Traffic } from "../verdicts";
import { diffOf } from "./diff";

/** A pair for which two sets of policies differ. */
export interface Difference {
  readonly source: string;
  readonly destination: string;
  readonly a: Traffic;
  readonly b: Traffic;
}

export interface Equivalence {
  readonly equivalent: boolean;
  /** The first differences, at most {@link mostDifferences}. */
  readonly differences: readonly Difference[];
}

/** As many differences as are listed. */
export const mostDifferences = 100;

export function equivalenceOf(a: Engine, b: Engine): Equivalence {
  const differences: Difference[] = [];
  const add = (difference: Difference): boolean => differences.push(difference) >= mostDifferences;
  for (const { sourceId, destinationId, before, after } of diffOf(a, b)) {
    if (add({ source: sourceId, destination: destinationId, a: before, b: after })) break;
  }
  for (const [source, destination] of differences.length < mostDifferences ? otherPairs(a, b) : []) {
    const [was, is] = [a.traffic(source, destination), b.traffic(source, destination)];
    if (was.must === is.must && was.may === is.may) continue;
    const difference = {
      source: nameOf(source),
      destination: nameOf(destination),
      a: { allowed: was.must, possible: was.may },
      b: { allowed: is.must, possible: is.may },
    };
    if (add(difference)) break;
  }
  return { equivalent: differences.length === 0, differences };
}

/** Pairs beside those of the matrix: with fresh pods, nodes and the API server. */
function* otherPairs(a: Engine, b: Engine): Iterable<readonly [Peer, Peer]> {
  const ids = new Set(a.snapshot.workloads.map((each) => each.id));
  const workloads = b.snapshot.workloads
    .filter((each) => ids.has(each.id))
    .map(({ id }): Peer => ({ kind: "workload", id }));
  const namespaces = new Set([...a.snapshot.namespaces.keys(), ...b.snapshot.namespaces.keys()]);
  const fresh = [...namespaces].map((namespace): Peer => ({ kind: "freshPod", namespace }));
  const fixed: Peer[] = [
    { kind: "node", where: "local" },
    { kind: "node", where: "remote" },
    { kind: "kubeApiserver" },
  ];
  for (const pod of [...workloads, ...fresh]) {
    for (const other of [...fresh, ...fixed]) {
      yield [pod, other];
      yield [other, pod];
    }
  }
}

function nameOf(peer: Peer): string {
  switch (peer.kind) {
    case "workload":
      return peer.id;
    case "freshPod":
      return `fresh pod in ${peer.namespace}`;
    case "node":
      return `${peer.where} node`;
    case "kubeApiserver":
      return "kube-apiserver";
    case "address":
      return peer.address;
    case "fqdn":
      return peer.name;
  }
}
