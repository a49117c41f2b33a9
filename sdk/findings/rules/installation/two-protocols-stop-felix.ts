import { controls } from "../../controls";
import type { FelixFault } from "../../felix-faults";
import { felixFaults, isSet } from "../../felix-faults";
import type { Rule } from "../../types";

/**
 * Felix writes `-p tcp ! -p udp`, and iptables-restore takes one `-p`; after some tries Felix panics, at each start again.
 * Measured with 3.31.0; felix/rules/policy.go and felix/iptables/match_builder.go write it so since Calico 3.
 */
export const twoProtocols: FelixFault = {
  dataplane: "iptables",
  fieldsOf: (rule) => (isSet(rule, "protocol") && isSet(rule, "notProtocol") ? ["notProtocol"] : []),
  effect: "ends the programming of policies on the nodes",
  reason: "is beside protocol: Felix writes one -p for each, and iptables-restore takes one",
  instead: (paths) =>
    `Leave out ${paths.join(" and ")}: protocol says the same by itself, unless it is the very protocol that is excluded; then the rule matches nothing and can go. Then start Felix again.`,
};

export const twoProtocolsStopFelix: Rule = {
  id: "two-protocols-stop-felix",
  title: "A rule with protocol and notProtocol stops Felix",
  severity: "critical",
  why:
    "In iptables mode Felix cannot write a rule that has both: it ends, and ends again at each start. What it had programmed " +
    "stays, so that no later policy is enforced and no removal takes effect; a node that starts anew has no rules at all.",
  description:
    "Where Calico enforces, no rule of its NetworkPolicies and GlobalNetworkPolicies has protocol and notProtocol, unless " +
    "the cluster is known to use another dataplane (nftablesMode: Enabled or bpfEnabled: true in FelixConfiguration " +
    "default, or linuxDataplane Nftables or BPF in the operator's Installation).",
  remediation:
    "Leave out notProtocol: a rule about one protocol is about no other. After the rule is gone, start Felix again on each node.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow, controls.nistChangeControl],
  check: (context) => felixFaults(context, twoProtocolsStopFelix, twoProtocols),
};
