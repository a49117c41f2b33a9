import type { PolicySource } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Names that say what a policy does are read in every log line. */
export const namingConvention: Rule = {
  id: "naming-convention",
  title: "A policy's name does not follow the convention",
  severity: "low",
  why: "In an incident the log shows the policy's name; a name that states the effect saves looking the policy up.",
  description:
    "The name of every network policy and AuthorizationPolicy follows the convention (default: default-deny…, deny-…, " +
    "allow-<from>-to-<to>, tier<n>-…; configurable). A prefix that ends with a dot, such as a Calico tier or a namespace, does not count.",
  remediation:
    "Name it allow-<from>-to-<to>, default-deny-<what> or deny-<what> (metadata.name; keep the name of the resource). A rename creates the new one first.",
  controls: [controls.pciRuleSets],
  check: checkNames,
};

function* checkNames(context: RuleContext): Iterable<Finding> {
  for (const policy of context.reachability.snapshot.policies) {
    if (policy.kind === "PeerAuthentication" || fits(policy, context.policyNames)) continue;
    yield aboutPolicy(namingConvention, policy, {
      message: `${describeRef(policy)} does not follow the naming convention`,
      because: ["its name does not begin with what it does"],
    });
  }
}

/** A copy without state is used: a pattern with the flag `g` remembers where it stopped. */
function fits({ name, dialect }: PolicySource, convention: RegExp): boolean {
  const pattern = new RegExp(convention.source, convention.flags.replace(/[gy]/g, ""));
  // after the name of its tier a Calico policy has no dot: the planner writes two hyphens there
  const dotted = dialect === "calico" ? name.replaceAll("--", ".") : name;
  return dotted.split(".").some((_, index, parts) => pattern.test(parts.slice(index).join(".")));
}
