/** What a repair does to paths: between what was read, and between the new pods that the policies are about. */
import type { CompiledPolicy, Peer, Reachability } from "../../reachability";
import { diff, kubeDns } from "../../reachability";
import { imaginedPeers, imaginedSubject } from "../imagined-pods";
import { policyObjects, rulesOf } from "../policy-rules";
import { publicPieces } from "../public-addresses";
import { freshPod, namespaceNames } from "../subjects";
import type { ChangedPath } from "./types";

/** Namespaces that no object knows. */
const [home, foreign] = ["a-namespace-that-no-policy-names", "another-namespace-that-no-policy-names"];

/** The paths that differ. New pods stand for those that policies of the changed files are about and that were not read. */
export function* changedPaths(
  before: Reachability,
  after: Reachability,
  files: ReadonlySet<string>,
): Iterable<ChangedPath> {
  yield* diff(before, after);
  for (const [source, destination] of imaginedPairs(before, after, files)) {
    const [was, is] = [before.traffic(source, destination), after.traffic(source, destination)];
    const opens = !is.possible.isSubsetOf(was.possible) || !is.allowed.isSubsetOf(was.allowed);
    const closes = !was.possible.isSubsetOf(is.possible) || !was.allowed.isSubsetOf(is.allowed);
    if (opens || closes) yield { source, destination, opens, closes };
  }
}

function* imaginedPairs(
  before: Reachability,
  after: Reachability,
  files: ReadonlySet<string>,
): Iterable<readonly [Peer, Peer]> {
  const strangers: Peer[] = [
    freshPod(foreign),
    { kind: "freshPod", namespace: "kube-system", labels: kubeDns.labels },
    ...publicPieces(before.snapshot)
      .filter(({ family }) => family === 4)
      .slice(0, 1)
      .map(({ sample }): Peer => ({ kind: "address", address: sample })),
  ];
  const subjects = [...namespaceNames(before.snapshot), home].map(freshPod);
  for (const { snapshot } of [before, after]) {
    for (const part of partsIn(files, snapshot)) {
      const subject = imaginedSubject(part, snapshot, home);
      if (subject === undefined) continue;
      subjects.push(subject);
      for (const peer of rulesOf(part).flatMap((rule) => imaginedPeers(rule, snapshot))) {
        yield [subject, peer];
        yield [peer, subject];
      }
    }
  }
  for (const subject of subjects) {
    for (const stranger of strangers) {
      yield [subject, stranger];
      yield [stranger, subject];
    }
  }
}

function partsIn(files: ReadonlySet<string>, snapshot: Reachability["snapshot"]): CompiledPolicy[] {
  return policyObjects(snapshot)
    .filter(({ origin }) => files.has(origin.source?.file ?? ""))
    .flatMap(({ parts }) => parts);
}
