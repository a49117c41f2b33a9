import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf } from "../../plain";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Measured on Cilium 1.20.2 (tests/enforcement/cases.enforcement.test.ts, "what a Pass rule does to who comes later"): an
 * identity that comes into being while a Pass rule names it is dropped; where a rule of a later tier names it, at times. The
 * computed verdict is that of the text, which the agent gets to as soon as it computes the subject's policies anew.
 */
export const passDropsNewcomers: Rule = {
  id: "pass-drops-newcomers",
  title: "A Pass rule drops pods that are added later",
  severity: "low",
  why: "Cilium 1.20 drops identities that it first sees while a Pass rule names them, until it recomputes its policies: what works today fails after the next roll-out.",
  description:
    "Under Cilium no ClusterNetworkPolicy has a Pass rule. A pod with labels that none had before, or an address range that " +
    "no policy named before, is dropped by a Pass rule that was there first, at times even where a later tier names them; nothing is opened.",
  remediation:
    "Write rules that accept and deny instead of Pass; or change any policy of the subject after each roll-out, which has the agents compute its policies anew.",
  controls: [controls.nistInformationFlow, controls.pciRuleSets],
  check: checkPasses,
};

function* checkPasses(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  if (!snapshot.profile.passDropsNewcomers) return;
  for (const origin of snapshot.policies) {
    if (origin.dialect !== "cluster-network-policy") continue;
    const spec = mapOf(origin.object.spec);
    const paths = ["ingress", "egress"].flatMap((direction) =>
      listOf(spec[direction]).flatMap((rule, index) =>
        // what is not known is said by not-understood
        mapOf(rule)["action"] === "Pass" ? [`spec.${direction}[${index}]`] : [],
      ),
    );
    if (paths.length === 0) continue;
    yield aboutPolicy(passDropsNewcomers, origin, {
      message: `${describeRef(origin)} may drop pods and addresses that are added later, although it passes them on`,
      because: [`Cilium 1.20 denies identities that it first sees while a Pass rule names them: ${list(paths)}`],
    });
  }
}
