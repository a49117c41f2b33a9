import { controls } from "../../controls";
import { checkInternet } from "../../internet-paths";
import type { Rule } from "../../types";

export const internetExposure: Rule = {
  id: "internet-exposure",
  title: "The internet can reach a workload",
  severity: "medium",
  why: "What the internet reaches will be tried; somebody has to have decided that it is open.",
  description: "A rule lets more than 1/256 of the public IPv4 or IPv6 addresses reach a workload outside tier 0.",
  remediation: "Name the ingress controller or the address ranges instead of the world.",
  controls: [controls.nistRestrictIncoming, controls.pciInbound, controls.pciTrustedUntrusted, controls.soc2Boundary],
  check: (context) => checkInternet(context, internetExposure, "ingress"),
};
