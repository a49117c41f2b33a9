import type { Peer, Workload } from "../../../reachability";
import { controls } from "../../controls";
import { publicPieces } from "../../public-addresses";
import { findingOf } from "../../report";
import { causeOf, describeWorkload, isExempt, list, namespaceSubject, sortedWorkloads } from "../../subjects";
import type { Cause } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Applications hand mail to a relay; a workload that reaches every mail server sends spam once it is taken over. */
export const mailEgress: Rule = {
  id: "mail-egress",
  title: "A workload can send mail directly to the internet",
  severity: "low",
  why: "Spam needs TCP 25 to any address; applications submit to a relay on 587 or 465.",
  description:
    "No rule lets a workload outside tier 0 reach the internet on TCP 25, in the largest pieces of the public address space " +
    "that the policies tell apart. What is open because nothing closes it is left to namespace-default-deny.",
  remediation: "Submit to a named relay on 587 or 465 and take 25 out of the rule.",
  controls: [controls.pciOutbound, controls.nistLeastFunctionality, controls.mitreExfiltration],
  check: checkMail,
};

/** The largest pieces hold nearly all addresses. */
const piecesAsked = 4;

function* checkMail(context: RuleContext): Iterable<Finding> {
  const { reachability } = context;
  const pieces = publicPieces(reachability.snapshot)
    .filter(({ family }) => family === 4)
    .slice(0, piecesAsked);
  const groups = new Map<string, { namespace: string; cause: Cause; workloads: Workload[] }>();
  for (const workload of sortedWorkloads(reachability.snapshot)) {
    if (workload.hostNetwork || isExempt(context.tiers, workload.namespace)) continue;
    const source: Peer = { kind: "workload", id: workload.id };
    for (const { sample } of pieces) {
      const destination: Peer = { kind: "address", address: sample };
      const { allowed } = reachability.traffic(source, destination);
      if (allowed.isAll() || !allowed.contains("TCP", 25)) continue;
      const flow = { source, destination, protocol: "TCP", port: 25 } as const;
      const cause = causeOf(reachability, flow, "egress", describeWorkload(workload, context.standIns));
      if (!cause.isolated) continue;
      const key = JSON.stringify([workload.namespace, cause.key]);
      const group = groups.get(key) ?? { namespace: workload.namespace, cause, workloads: [] };
      groups.set(key, group);
      if (!group.workloads.includes(workload)) group.workloads.push(workload);
      break;
    }
  }
  for (const { namespace, cause, workloads } of groups.values()) {
    yield findingOf(mailEgress, {
      subject: namespaceSubject(reachability.snapshot, namespace),
      message: `${list(workloads.map((workload) => describeWorkload(workload, context.standIns)))} can send mail to anybody (TCP 25)`,
      because: [cause.text],
      causes: [cause.source],
    });
  }
}
