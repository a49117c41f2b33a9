import type { Finding, RuleText } from "../sdk/findings";
import { controls } from "../sdk/findings";
import type { ChangedObject, PathDifference, Reachability } from "../sdk/reachability";
import { countPaths, describeRef, diff } from "../sdk/reachability";
import { describeCounts, describeDifference } from "../sdk/reports";

/** What a change lets pass that did not pass before, and the other way round: for whoever approves it. */
export const reachabilityChange: RuleText = {
  id: "reachability-change",
  title: "A preview opens or closes paths",
  severity: "info",
  why: "Whoever approves a change has to see what it does to the network, and not only which objects it touches.",
  description:
    "Where the cluster's state before the change is given (clusterSnapshot, previousState), a preview computes both " +
    "reachabilities and names the paths that open and close, each with the object that does it.",
  remediation: "Nothing to repair; compare with what the change is meant to do.",
  controls: [controls.pciChanges, controls.nistChangeControl, controls.soc2Change, controls.isoChange],
};

/** Paths shown of one object, and of all together. */
const shown = 5;

interface Effect {
  readonly object: ChangedObject;
  readonly differences: { readonly change: PathDifference["change"] }[];
  readonly samples: string[];
}

/**
 * What changes between two states of a cluster: one finding for the whole, and one for each object of the stack that
 * opens or closes a path. Nothing where no path changes.
 *
 * @param versus what the stack is compared with, in words.
 */
export function describeChange(before: Reachability, after: Reachability, versus: string, rootUrn: string): Finding[] {
  const all: { change: PathDifference["change"] }[] = [];
  const samples: string[] = [];
  const effects = new Map<string, Effect>();
  for (const difference of diff(before, after)) {
    const { change } = difference;
    all.push({ change });
    if (samples.length < shown) samples.push(describeDifference(difference));
    for (const object of difference.causes) {
      const key = `${object.source?.urn ?? ""} ${describeRef(object)}`;
      const effect = effects.get(key) ?? { object, differences: [], samples: [] };
      effects.set(key, effect);
      effect.differences.push({ change });
      if (effect.samples.length < shown) effect.samples.push(describeDifference({ ...difference, causes: [] }));
    }
  }
  if (all.length === 0) return [];
  const whole = finding({
    subject: { kind: "Cluster", name: "cluster", source: { urn: rootUrn } },
    message: `Compared with ${versus}: ${describeCounts(countPaths(all))}`,
    because: withRest(samples, all.length),
  });
  return [
    whole,
    ...[...effects.values()].map(({ object, differences, samples: own }) => {
      const { kind, name, namespace, source } = object;
      return finding({
        subject: { kind, name, ...(namespace === undefined ? {} : { namespace }), ...(source ? { source } : {}) },
        message: `${describeRef(object)} (${object.change}) has a part in ${describeCounts(countPaths(differences))}`,
        because: withRest(own, differences.length),
        ...(source === undefined ? {} : { causes: [source] }),
      });
    }),
  ];
}

function withRest(samples: readonly string[], count: number): string[] {
  return count > samples.length ? [...samples, `and ${count - samples.length} more`] : [...samples];
}

function finding(details: Pick<Finding, "subject" | "message" | "because" | "causes">): Finding {
  const { id, severity, remediation, controls: refs } = reachabilityChange;
  return { id, severity, certainty: "definite", fix: remediation, controls: refs, ...details };
}
