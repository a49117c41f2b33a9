import type { DnsPattern, Peer } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { askableNames, mayOverlap, namesIn } from "../../dns-rules";
import { imaginedSubject } from "../../imagined-pods";
import { nameOf } from "../../plain";
import { policyObjects, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Names whose addresses no DNS answer can teach, because the proxy refuses the question. */
export const fqdnNeverLearned: Rule = {
  id: "fqdn-never-learned",
  title: "The DNS rules refuse a name that a toFQDNs rule allows",
  severity: "medium",
  why: "Cilium learns the addresses behind a name from answers that its DNS proxy lets through; a name that the proxy refuses has none, and the rule opens nothing.",
  description:
    "For every name or pattern in toFQDNs, the DNS rules (`rules.dns`) of some policy for the same pods let a name pass that " +
    "fits it. Where a rule beside them lets DNS pass without names, every name can be asked for.",
  remediation: "Add the names of toFQDNs to `rules.dns` of the rule that lets these pods ask DNS.",
  controls: [controls.nistInformationFlow, controls.pciRuleSets],
  check: checkNames,
};

function* checkNames(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const { origin, parts } of policyObjects(snapshot)) {
    if (origin.dialect !== "cilium") continue;
    const because = parts.flatMap((part) => {
      const names = namesIn(part);
      if (names.length === 0) return [];
      const pods = workloadsSelectedBy(part, snapshot).map(({ id }): Peer => ({ kind: "workload", id }));
      const judged = pods.length > 0 ? pods : [imaginedSubject(part, snapshot)].filter((pod) => pod !== undefined);
      const askable = judged.map((pod) => askableNames(pod, snapshot));
      return names
        .filter(({ pattern }) => askable.length > 0 && askable.every((list) => refuses(list, pattern)))
        .map(
          ({ path, pattern }) => `${path} allows ${shown(pattern)}, which no DNS rule of these pods lets them ask for`,
        );
    });
    if (because.length === 0) continue;
    yield aboutPolicy(fqdnNeverLearned, origin, {
      message: `${describeRef(origin)} allows a name whose address Cilium never learns`,
      because: [...new Set(because)],
    });
  }
}

function refuses(askable: readonly DnsPattern[] | undefined, pattern: DnsPattern): boolean {
  return askable !== undefined && !askable.some((each) => mayOverlap(each, pattern));
}

/** A host name may be shown, as an object's name may. */
function shown({ text }: DnsPattern): string {
  return nameOf(text.toLowerCase().replaceAll("*", "x")) === undefined ? "a name" : text;
}
