import { TrafficSet } from "../../../reachability";
import type { Workload } from "../../../reachability";
import { controls } from "../../controls";
import { mapOf } from "../../plain";
import { findingOf } from "../../report";
import { describeWorkload, isExempt, sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Replicas that cannot speak to each other do not fail over. */
export const replicationCut: Rule = {
  id: "replication-cut",
  title: "Replicas of a stateful workload cannot reach each other",
  severity: "low",
  why: "Databases, queues and sentinels talk to their own replicas; a default deny cuts these connections unless a policy allows them.",
  description:
    "Between the replicas of a StatefulSet with two or more, some container port is open; decided by computed " +
    "reachability. A workload whose replicas have nothing to say to each other may be exempted.",
  remediation: "Declare a flow from the workload to itself on its replication ports.",
  controls: [controls.pciServicesApproved],
  check: checkReplicas,
};

function* checkReplicas(context: RuleContext): Iterable<Finding> {
  for (const workload of sortedWorkloads(context.reachability.snapshot)) {
    if (workload.hostNetwork || isExempt(context.tiers, workload.namespace) || replicasOf(workload) < 2) continue;
    const pod = { kind: "workload", id: workload.id } as const;
    const { possible } = context.reachability.traffic(pod, pod);
    const own = workload.ports.reduce(
      (sum, { protocol, port }) => sum.union(TrafficSet.ports(protocol, port)),
      TrafficSet.none(),
    );
    const wanted = own.isEmpty() || workload.portsUnknown ? TrafficSet.all() : own;
    if (!possible.intersect(wanted).isEmpty()) continue;
    yield findingOf(replicationCut, {
      subject: workloadSubject(workload),
      message: `Replicas of ${describeWorkload(workload, context.standIns)} cannot reach each other`,
      because: ["no rule lets any of its container ports pass from the workload to itself"],
    });
  }
}

function replicasOf({ kind, object }: Workload): number {
  const replicas = mapOf(object.spec)["replicas"];
  return kind === "StatefulSet" && typeof replicas === "number" ? replicas : 1;
}
