import { controls } from "../../controls";
import { checkInternet } from "../../internet-paths";
import type { Rule } from "../../types";

export const internetExposure: Rule = {
  id: "internet-exposure",
  title: "The internet can reach a workload",
  severity: "medium",
  why: "Attackers scan whatever the internet can reach, so each opening needs a decision.",
  description: "A rule lets more than 1/256 of the public IPv4 or IPv6 addresses reach a workload outside tier 0.",
  remediation: "Name the ingress controller or the address ranges instead of the whole internet.",
  controls: [controls.nistRestrictIncoming, controls.pciInbound, controls.pciTrustedUntrusted, controls.soc2Boundary],
  check: (context) => checkInternet(context, internetExposure, "ingress"),
};
