/** What the enforcer says of a policy that it was given: conditions in its status. */
import { listOf, mapOf, textOf } from "../findings/plain";
import type { KubeObject } from "../reachability";
import { isPolicy } from "../reachability";

/**
 * Conditions by which an enforcer says that it takes a policy, of status `False` where it does not: `Valid` (Cilium 1.16),
 * `Accepted` and `Ready-In-Zone-…` (OVN-Kubernetes), `WaypointAccepted` and `ZtunnelAccepted` (Istio).
 */
const takes = /^(Valid|Accepted|Ready|Ready-In-Zone-.+|WaypointAccepted|ZtunnelAccepted|Reconciled)$/;

/** Why a stored policy is not enforced; undefined where nothing says so. */
export function refusalOf(object: KubeObject): string | undefined {
  if (!isPolicy(object.apiVersion, object.kind)) return undefined;
  const status = mapOf(object["status"]);
  for (const item of listOf(status["conditions"])) {
    const { type, status: state, message, reason } = mapOf(item);
    if (typeof type !== "string" || !takes.test(type) || state !== "False") continue;
    return `${type} is False, ${textOf(message) ?? textOf(reason) ?? "for no stated reason"}`;
  }
  return refusalByNode(mapOf(status["nodes"]));
}

/** Before 1.16 each of Cilium's agents wrote its own state. */
function refusalByNode(nodes: Readonly<Record<string, unknown>>): string | undefined {
  for (const [node, state] of Object.entries(nodes)) {
    const { ok, error } = mapOf(state);
    if (ok === false && textOf(error) !== undefined)
      return `the agent of node ${node} refuses it, ${textOf(error) ?? ""}`;
  }
  return undefined;
}
