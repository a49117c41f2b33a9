import type { PolicySource, Snapshot, Workload } from "../reachability";
import { describeRef } from "../reachability";
import type { CompiledPolicy, PeerTerm, Rule as PolicyRule } from "../reachability/rules";
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

/**
 * Whether all that a part allows is allowed to pods of namespaces that it names (or to the API server). Such a part opens
 * nothing to addresses, nodes or pods of namespaces that nobody named, whatever stands beside it. False says nothing.
 */
export function namesItsPeers(part: CompiledPolicy): boolean {
  return rulesOf(part).every((rule) => rule.verdict !== "allow" || rule.peers.every(isNamed));
}

function isNamed(peer: PeerTerm): boolean {
  if (peer.kind === "entity") return peer.entity === "kube-apiserver" || peer.entity === "none";
  if (peer.kind !== "pods" && peer.kind !== "identities") return false;
  const conditions = peer.where.op === "and" ? peer.where.of : [peer.where];
  return conditions.some(
    (condition) =>
      condition.op === "test" &&
      condition.operator === "in" &&
      condition.values.every((value) => typeof value === "string") &&
      (condition.field === "namespace" ||
        (condition.field === "namespaceLabel" && condition.key === "kubernetes.io/metadata.name")),
  );
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
