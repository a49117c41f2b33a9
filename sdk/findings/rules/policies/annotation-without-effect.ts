import type { KubeObject, ObjectRef, Snapshot, Source } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import type { Fields } from "../../plain";
import { mapOf, nameOf, textOf } from "../../plain";
import { aboutObject } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Annotations that runbooks pass on and that nobody reads. */
export const annotationWithoutEffect: Rule = {
  id: "annotation-without-effect",
  title: "An annotation is one that no enforcer reads",
  severity: "medium",
  why: "Kubernetes stores any annotation; one that no enforcer reads is believed to log, exempt or protect, and does nothing.",
  description:
    "No object carries an annotation that is passed on for Cilium, Calico or Kubernetes and that none of them reads " +
    "(policy.cilium.io/enforce, projectcalico.org/policy-action and others).",
  remediation: "Take it away, and use what the finding names instead.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkAnnotations,
};

/** Key, and what does what it promises. */
const unread: Readonly<Record<string, string>> = {
  "policy.cilium.io/enforce":
    "label the pod with policy-bypass.pulumi-cluster-security/until and leave that label out of the deny's selector",
  "policy.cilium.io/enforcement": "policyEnforcementMode of the agent, for all endpoints",
  "policy.cilium.io/audit-mode": "policyAuditMode of the agent, or of one endpoint with cilium-dbg",
  "projectcalico.org/policy-action": "a rule with action Log before the one that denies, or Goldmane's flow logs",
  "projectcalico.org/log": "a rule with action Log before the one that denies",
  "net.beta.kubernetes.io/network-policy": "a NetworkPolicy that isolates all pods of the namespace (default deny)",
};

function* checkAnnotations(context: RuleContext): Iterable<Finding> {
  for (const { ref, annotations } of annotated(context.reachability.snapshot)) {
    const found = Object.keys(unread).filter((key) => Object.hasOwn(annotations, key));
    if (found.length === 0) continue;
    yield aboutObject(annotationWithoutEffect, ref, {
      message: `${describeRef(ref)} carries ${found.length === 1 ? "an annotation" : "annotations"} that no enforcer reads`,
      because: found.map((key) => `${key} has no effect; instead: ${String(unread[key])}`),
    });
  }
}

interface Annotated {
  readonly ref: ObjectRef & { readonly source?: Source };
  readonly annotations: Fields;
}

/** Everything with annotations: policies, namespaces, workloads with their templates, and what else is there. */
function* annotated(snapshot: Snapshot): Iterable<Annotated> {
  for (const policy of snapshot.policies) yield { ref: policy, annotations: annotationsOf(policy.object) };
  for (const { name, annotations, source } of snapshot.namespaces.values()) {
    yield {
      ref: { apiVersion: "v1", kind: "Namespace", name, ...(source === undefined ? {} : { source }) },
      annotations,
    };
  }
  for (const workload of snapshot.workloads) {
    const annotations = { ...annotationsOf(workload.object), ...workload.annotations };
    yield { ref: { ...workload, apiVersion: workload.object.apiVersion }, annotations };
  }
  for (const { object, source } of snapshot.others) {
    const namespace = textOf(object.metadata?.namespace);
    yield {
      ref: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name: nameOf(object.metadata?.name) ?? "(unnamed)",
        ...(namespace === undefined ? {} : { namespace }),
        ...(source === undefined ? {} : { source }),
      },
      annotations: annotationsOf(object),
    };
  }
}

function annotationsOf(object: KubeObject): Fields {
  return mapOf(mapOf(object.metadata)["annotations"]);
}
