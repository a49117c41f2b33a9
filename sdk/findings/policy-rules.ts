import type { PolicySource, Snapshot, Workload } from "../reachability";
import { describeRef } from "../reachability";
import type { CompiledPolicy, Rule as PolicyRule } from "../reachability/rules";
import type { Condition, Lookup, Test } from "../reachability/selectors/conditions";
import { evaluate } from "../reachability/selectors/conditions";
import { labelOf } from "../reachability/selectors/labels";
import type { Tri } from "../reachability/unknown";
import { withSource } from "./subjects";
import type { Subject } from "./types";

/** Help for rules that look at the policies themselves, in the form that the engine reads every dialect into. */

/** A policy object with the compiled parts that come from it (a Cilium policy may have several `specs`). */
export interface PolicyParts {
  readonly origin: PolicySource;
  readonly parts: readonly CompiledPolicy[];
}

/** The policies of a snapshot in a stable order. */
export function policyObjects(snapshot: Snapshot): PolicyParts[] {
  const byOrigin = new Map<PolicySource, CompiledPolicy[]>();
  for (const part of snapshot.rules.policies) {
    byOrigin.set(part.origin, [...(byOrigin.get(part.origin) ?? []), part]);
  }
  return [...byOrigin]
    .map(([origin, parts]) => ({ origin, parts, key: describeRef(origin) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Every rule of a part, in both directions. */
export function rulesOf(part: CompiledPolicy): PolicyRule[] {
  return [...(part.ingress?.rules ?? []), ...(part.egress?.rules ?? [])];
}

export function policySubject(origin: PolicySource): Subject {
  const { kind, namespace, name, source } = origin;
  return withSource({ kind, name, ...(namespace === undefined ? {} : { namespace }) }, source);
}

/** Every test inside a condition. */
export function testsIn(condition: Condition): Test[] {
  switch (condition.op) {
    case "test":
      return [condition];
    case "not":
      return testsIn(condition.of);
    case "and":
    case "or":
      return condition.of.flatMap(testsIn);
    case "constant":
      return [];
  }
}

/** Whether a policy is for what is no pod of the cluster: Cilium's health and ingress endpoints, nodes. */
export function isForReserved(part: CompiledPolicy): boolean {
  return part.subject.kind === "nodes" || testsIn(part.subject.where).some((test) => test.field === "reserved");
}

/** Whether a part selects a workload. */
export function selectsWorkload(part: CompiledPolicy, workload: Workload, snapshot: Snapshot): Tri {
  const namespace = snapshot.namespaces.get(workload.namespace);
  const lookup: Lookup = (field, key) => {
    switch (field) {
      case "label":
        return labelOf(workload.labelSet, key);
      case "namespaceLabel":
        return labelOf(namespace?.labelSet ?? { values: {}, complete: false }, key);
      case "namespace":
        return workload.namespace;
      case "serviceAccount":
        return workload.serviceAccount;
      case "serviceAccountLabel":
        return undefined;
      case "cluster":
        return snapshot.profile.clusterName;
      case "reserved":
        return undefined;
    }
  };
  return part.subject.kind === "pods" && !workload.hostNetwork ? evaluate(part.subject.where, lookup) : 0;
}
