import type { Direction, Workload } from "../../../reachability";
import { controls } from "../../controls";
import { opensEverything, ruleOf } from "../../policy-rules";
import { findingOf } from "../../report";
import type { Cause } from "../../subjects";
import { causeOf, describeWorkload, freshPod, isExempt, list, namespaceSubject, sortedWorkloads } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";
import { ask } from "../../world";

/** A rule that names nobody lets in whoever runs a pod anywhere in the cluster. */
export const clusterExposure: Rule = {
  id: "cluster-exposure",
  title: "A rule opens more of the cluster than the pods that it is for",
  severity: "medium",
  why: "A rule without peers, or for the whole cluster, allows every pod, including the next one that an attacker controls.",
  description:
    "No rule lets a new pod of a namespace that no policy names reach a workload outside tier 0, or be reached by one " +
    "outside tiers 0 and 1; decided by computed reachability. What is open because nothing closes it is left to " +
    "namespace-default-deny.",
  remediation: "Name the peers of the rule: the workload, or its namespace.",
  controls: [controls.nistInformationFlow, controls.nistLeastPrivilege, controls.isoSegregation],
  check: checkExposure,
};

const foreignNamespace = "a-namespace-that-no-policy-names";

interface Group {
  readonly namespace: string;
  readonly direction: Direction;
  readonly certain: boolean;
  readonly traffic: string;
  readonly cause: Cause;
  readonly workloads: Workload[];
}

function* checkExposure(context: RuleContext): Iterable<Finding> {
  const { reachability, tiers, standIns } = context;
  const groups = new Map<string, Group>();
  for (const workload of sortedWorkloads(reachability.snapshot)) {
    if (workload.hostNetwork || isExempt(tiers, workload.namespace)) continue;
    for (const direction of ["ingress", "egress"] as const) {
      // shared services scrape and call everywhere
      if (direction === "egress" && tiers.platformNamespaces.includes(workload.namespace)) continue;
      const answer = ask(reachability, { kind: "workload", id: workload.id }, freshPod(foreignNamespace), direction);
      if (answer.openness === "closed") continue;
      const cause = causeOf(reachability, answer.sample, direction, describeWorkload(workload, standIns));
      if (!cause.isolated) continue;
      // a rule for everything and everybody is shown with the internet
      const rule = cause.rule === undefined ? undefined : ruleOf(cause.rule, reachability.snapshot);
      if (rule !== undefined && opensEverything(rule)) continue;
      const certain = answer.openness === "open";
      const traffic = answer.traffic.isAll() ? "every protocol and port" : answer.traffic.toString();
      const key = JSON.stringify([workload.namespace, direction, certain, traffic, cause.key]);
      const group = groups.get(key) ?? {
        namespace: workload.namespace,
        direction,
        certain,
        traffic,
        cause,
        workloads: [],
      };
      groups.set(key, group);
      group.workloads.push(workload);
    }
  }
  for (const { namespace, direction, certain, traffic, cause, workloads } of groups.values()) {
    const who = list(workloads.map((workload) => describeWorkload(workload, standIns)));
    const can = certain ? "can" : "can possibly";
    yield findingOf(clusterExposure, {
      subject: namespaceSubject(reachability.snapshot, namespace),
      certainty: certain ? "definite" : "possible",
      message:
        direction === "ingress"
          ? `Any pod of the cluster ${can} reach ${who} on ${traffic}`
          : `${who} ${can} reach any pod of the cluster on ${traffic}`,
      because: [cause.text],
      causes: [cause.source],
    });
  }
}
