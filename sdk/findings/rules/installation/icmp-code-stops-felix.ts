import { controls } from "../../controls";
import type { FelixFault } from "../../felix-faults";
import { felixFaults, isSet } from "../../felix-faults";
import { mapOf } from "../../plain";
import type { Rule } from "../../types";

/**
 * Felix writes `icmp type 8 code 0`, which nft refuses; after some tries it deletes its table and panics, at each start again.
 * Measured with 3.31.0, read in 3.30 to 3.32 (felix/nftables/match_builder.go).
 */
export const icmpCode: FelixFault = {
  dataplane: "nftables",
  since: 29,
  fieldsOf: (rule) =>
    (["icmp", "notICMP"] as const).flatMap((field) => (isSet(mapOf(rule)[field], "code") ? [`${field}.code`] : [])),
  effect: "ends the enforcement of every policy on the nodes",
  reason: "is a code, which nft refuses in the form in which Felix writes it",
  instead: (paths) =>
    `Leave out ${paths.join(" and ")}, or set nftablesMode: Disabled in FelixConfiguration default; then start Felix again.`,
};

export const icmpCodeStopsFelix: Rule = {
  id: "icmp-code-stops-felix",
  title: "A rule with an ICMP code stops Felix",
  severity: "critical",
  why:
    "In nftables mode Felix cannot write a rule with an ICMP code: it empties its table and ends, so that no policy of the " +
    "node is enforced, of any namespace, until the rule is gone.",
  description:
    "Where Calico enforces, no NetworkPolicy and no GlobalNetworkPolicy of Calico's has icmp.code or notICMP.code, unless " +
    "the cluster is known to use another dataplane (nftablesMode: Disabled in FelixConfiguration default, or " +
    "linuxDataplane Iptables or BPF in the operator's Installation).",
  remediation:
    "Leave out code, so that the rule is about every code of its type; or keep nftablesMode: Disabled. After the rule is " +
    "gone, start Felix again on each node.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow, controls.nistChangeControl],
  check: (context) => felixFaults(context, icmpCodeStopsFelix, icmpCode),
};
