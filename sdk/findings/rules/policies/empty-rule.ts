import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf, textOf } from "../../plain";
import { policyObjects } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** `- {}` is everything to a NetworkPolicy and nothing to Cilium. */
export const emptyRule: Rule = {
  id: "empty-rule",
  title: "An empty rule in a Cilium policy allows nothing",
  severity: "medium",
  why: "In Cilium the rule `{}` closes and allows nothing; written as `full egress` it cuts the pods off.",
  description:
    "No Cilium policy holds a rule `{}` beside rules that allow in the same direction, or in a policy whose name says that it " +
    "allows or that names no deny.",
  remediation: "Name the peers (toEntities: [cluster, kube-apiserver], named hosts), or drop the rule.",
  controls: [controls.pciRuleSets],
  check: checkRules,
};

const closesByName = /deny|isolat|lockdown|quarantine|baseline/;

function* checkRules(context: RuleContext): Iterable<Finding> {
  for (const { origin } of policyObjects(context.reachability.snapshot)) {
    if (origin.dialect !== "cilium") continue;
    const specs = [origin.object.spec, ...listOf(origin.object["specs"])];
    const paths = specs.flatMap((spec, which) =>
      ["ingress", "egress"].flatMap((direction) => {
        const rules = listOf(mapOf(spec)[direction]);
        const closes = closesByName.test(origin.name) && !rules.some((rule) => !isEmpty(rule));
        const base = which === 0 ? "spec" : `specs[${which - 1}]`;
        return rules.flatMap((rule, index) => (isEmpty(rule) && !closes ? [`${base}.${direction}[${index}]`] : []));
      }),
    );
    if (paths.length === 0) continue;
    const described = textOf(mapOf(origin.object.spec)["description"]) !== undefined;
    yield aboutPolicy(emptyRule, origin, {
      message: `${describeRef(origin)} holds an empty rule, which allows nothing: ${list(paths)}`,
      because: [
        `in Cilium a rule without peers and ports closes the direction and matches nobody${described ? ", whatever the description says" : ""}`,
      ],
    });
  }
}

function isEmpty(rule: unknown): boolean {
  return typeof rule === "object" && rule !== null && !Array.isArray(rule) && Object.keys(rule).length === 0;
}
