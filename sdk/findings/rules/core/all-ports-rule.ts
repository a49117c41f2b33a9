import type { PolicyRule, TrafficSet } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import {
  isForReserved,
  opensEverything,
  policyObjects,
  policySubject,
  understoodRulesOf,
  workloadsSelectedBy,
} from "../../policy-rules";
import { isExempt, list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Least privilege names ports: without, every port of the peer is open. */
export const allPortsRule: Rule = {
  id: "all-ports-rule",
  title: "A rule opens every port",
  severity: "medium",
  why: "A rule without ports also opens debug ports, admin interfaces and every port that is added later.",
  description:
    "No allow rule opens every protocol and port, every port of TCP or UDP, or a range of more than 4,096 ports.",
  remediation: "Add the ports that the flow needs (`ports`, `toPorts`).",
  controls: [controls.nistLeastFunctionality, controls.pciServicesApproved],
  check: checkPorts,
};

function* checkPorts(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const { origin, parts } of policyObjects(snapshot)) {
    const rules = parts
      .filter((part) => !isForReserved(part))
      .flatMap((part) => {
        // a rule for everything and everybody is shown with the internet, at the workloads that it is for
        const shown = workloadsSelectedBy(part, snapshot).some(({ namespace }) => !isExempt(context.tiers, namespace));
        return understoodRulesOf(part).filter((rule) => !shown || !opensEverything(rule));
      })
      .filter((rule) => rule.verdict === "allow" && rule.peers.length > 0);
    const all = pathsOf(rules.filter((rule) => rule.l4.must.isAll()));
    const wide = pathsOf(rules.filter((rule) => !rule.l4.must.isAll() && isWide(rule.l4.must)));
    if (all.length + wide.length === 0) continue;
    yield {
      id: allPortsRule.id,
      severity: allPortsRule.severity,
      certainty: "definite",
      subject: policySubject(origin),
      message: `${describeRef(origin)} opens ${all.length > 0 ? "every port" : "a wide range of ports"}: ${list([...all, ...wide])}`,
      because: [
        ...(all.length === 0
          ? []
          : [
              `${list(all)} ${all.length === 1 ? "names" : "name"} no ports, and a rule without ports allows every protocol and port`,
            ]),
        ...(wide.length === 0 ? [] : [`${list(wide)} opens more than ${widest} ports of a protocol`]),
      ],
      fix: allPortsRule.remediation,
      controls: allPortsRule.controls,
      ...(origin.source === undefined ? {} : { causes: [origin.source] }),
    };
  }
}

/** More ports than a passive range of any protocol in use needs. */
const widest = 4096;

function isWide(traffic: TrafficSet): boolean {
  return (["TCP", "UDP", "SCTP"] as const).some((protocol) =>
    traffic.ranges(protocol).some(([from, to]) => to - from + 1 > widest),
  );
}

function pathsOf(rules: readonly PolicyRule[]): string[] {
  return [...new Set(rules.map((rule) => rule.path))];
}
