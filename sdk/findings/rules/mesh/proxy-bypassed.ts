import { meshBypassesOf } from "../../../reachability";
import { controls } from "../../controls";
import { findingOf } from "../../report";
import { describeWorkload, isExempt, sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** What never reaches the proxy no policy of the mesh can stop. */
export const proxyBypassed: Rule = {
  id: "proxy-bypassed",
  title: "Inbound traffic bypasses the proxy of the mesh",
  severity: "medium",
  why: "TCP that is not redirected to the proxy reaches the pod in plaintext from anyone, whatever STRICT and AuthorizationPolicies specify.",
  description:
    "No pod of the mesh has an annotation that keeps inbound TCP away from its proxy (excludeInboundPorts, " +
    "includeInboundPorts, interceptionMode NONE, excludeInterfaces, ambient.istio.io/bypass-inbound-capture), where the " +
    "snapshot holds policies of the mesh.",
  remediation:
    "Remove the annotation, or close these ports to everyone but their callers with a NetworkPolicy, and say so there.",
  controls: [controls.nistTransmission, controls.nistInformationFlow, controls.pciTransmission],
  check: checkBypasses,
};

function* checkBypasses(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  if (snapshot.rules.mesh.length === 0) return;
  for (const workload of sortedWorkloads(snapshot)) {
    if (workload.hostNetwork || isExempt(context.tiers, workload.namespace)) continue;
    const bypasses = meshBypassesOf(snapshot, workload).filter(({ ports }) => !ports.isEmpty());
    if (bypasses.length === 0) continue;
    const ports = bypasses.map((each) => each.ports).reduce((a, b) => a.union(b));
    yield findingOf(proxyBypassed, {
      subject: workloadSubject(workload),
      message: `${describeWorkload(workload, context.standIns)} keeps ${ports.toString()} away from the proxy of the mesh`,
      because: bypasses.map(
        (each) =>
          `the annotation ${each.annotation} leaves ${each.ports.toString()} out: neither mutual TLS nor an AuthorizationPolicy applies there`,
      ),
    });
  }
}
