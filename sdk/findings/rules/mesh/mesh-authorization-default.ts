import type { Peer } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { judgedTcp, meshOf } from "../../mesh";
import { findingOf } from "../../report";
import { describeWorkload, list, namespaceSubject, sampleFlow } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Encryption shows who calls, not who may: without an AuthorizationPolicy every workload of the mesh may. */
export const meshAuthorizationDefault: Rule = {
  id: "mesh-authorization-default",
  title: "The mesh admits callers that no policy names",
  severity: "medium",
  why: "Where no AuthorizationPolicy names a caller, Istio allows every caller; an ALLOW with an empty rule does the same.",
  description:
    "A pod with an identity in the mesh that no policy names is refused by every pod of the mesh, over TCP; decided by " +
    "computed reachability with the AuthorizationPolicies alone.",
  remediation:
    "Put an AuthorizationPolicy without rules (`spec: {}`) into the root namespace or the namespace, and name each " +
    "caller's service account in an ALLOW.",
  controls: [controls.nistInformationFlow, controls.nistLeastPrivilege, controls.nistInternalConnections],
  check: checkDefault,
};

function* checkDefault(context: RuleContext): Iterable<Finding> {
  const mesh = meshOf(context.reachability, context.tiers.exemptNamespaces);
  if (mesh === undefined) return;
  for (const { namespace, fresh, workloads } of mesh.members) {
    const pods: [Peer, string][] = [
      ...(fresh === undefined ? [] : [[fresh, "every new pod"] as [Peer, string]]),
      ...workloads.map((workload): [Peer, string] => [
        { kind: "workload", id: workload.id },
        describeWorkload(workload, context.standIns),
      ]),
    ];
    for (const certain of [true, false]) {
      const open = pods.filter(([pod]) => {
        const judged = judgedTcp(context.reachability.snapshot, pod);
        const { allowed, possible } = mesh.authorization.traffic(mesh.stranger, pod);
        const isCertain = !allowed.intersect(judged).isEmpty();
        return certain ? isCertain : !isCertain && !possible.intersect(judged).isEmpty();
      });
      const first = open[0];
      if (first === undefined) continue;
      const traffic = mesh.authorization.traffic(mesh.stranger, first[0]);
      const flow = sampleFlow(
        mesh.stranger,
        first[0],
        (certain ? traffic.allowed : traffic.possible).intersect(judgedTcp(context.reachability.snapshot, first[0])),
        [443, 80],
      );
      const rule = mesh.authorization.explain(flow).mesh?.deciding;
      yield findingOf(meshAuthorizationDefault, {
        subject: namespaceSubject(context.reachability.snapshot, namespace),
        certainty: certain ? "definite" : "possible",
        message: `Any caller in the mesh ${certain ? "may" : "possibly may"} call pods of namespace ${namespace} (${list(open.map(([, who]) => who))})`,
        because: [
          rule === undefined
            ? "no AuthorizationPolicy that selects them names callers, so all callers are admitted"
            : `${describeRef(rule.policy)}, ${rule.path} admits every caller`,
        ],
        causes: [rule?.source],
      });
    }
  }
}
