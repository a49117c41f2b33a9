import { controls } from "../../controls";
import { checkInternet } from "../../internet-paths";
import type { Rule } from "../../types";

export const internetEgress: Rule = {
  id: "internet-egress",
  title: "A workload can reach the internet",
  severity: "medium",
  why: "Open egress lets an attacker take data out and bring instructions in.",
  description: "A rule lets a workload outside tier 0 reach more than 1/256 of the public IPv4 or IPv6 addresses.",
  remediation: "Name the hosts (toFQDNs) or the address ranges instead of the whole internet.",
  controls: [controls.nistExternalServices, controls.pciOutbound, controls.mitreExfiltration],
  check: (context) => checkInternet(context, internetEgress, "egress"),
};
