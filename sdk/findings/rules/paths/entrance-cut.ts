import type { ClosedEntrance, ObjectRef, PeerTerm } from "../../../reachability";
import { closedEntrances, describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { isolators, policyOf, policySubject, selectsPod } from "../../policy-rules";
import { findingOf } from "../../report";
import { describeWorkload, list, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";
import { egressIsolatorsOfProxy, proxyIsolators } from "./ingress-proxy-cut";

/** What comes through a proxy carries the proxy's identity, not the client's. */
export const entranceCut: Rule = {
  id: "entrance-cut",
  title: "Policies keep the proxy of an Ingress or Gateway from the pods behind it",
  severity: "medium",
  why: "Traffic through a proxy arrives with the proxy's identity, so a rule for external clients does not match it.",
  description:
    "For every Ingress and every route of a Gateway whose proxy is known (pods of the snapshot, or Cilium's Envoy with the " +
    "identity ingress), the proxy reaches some port of every workload behind it; decided by computed reachability.",
  remediation: "Allow ingress from the proxy: its pods, or for Cilium's own `fromEntities: [ingress]`.",
  controls: [controls.pciServicesApproved, controls.nistInformationFlow],
  check: checkEntrances,
};

function* checkEntrances(context: RuleContext): Iterable<Finding> {
  const { reachability } = context;
  const { snapshot } = reachability;
  const groups = new Map<string, ClosedEntrance[]>();
  const proxyIsCut = proxyIsolators(snapshot).some(({ closed }) => closed.includes("egress"));
  for (const entrance of closedEntrances(reachability)) {
    // what cuts Cilium's proxy from everybody is the finding ingress-proxy-cut
    if (entrance.proxy === "cilium" && entrance.closedFor !== "ingress" && proxyIsCut) continue;
    const key = JSON.stringify([entrance.workloadId, entrance.proxy, entrance.closedFor]);
    groups.set(key, [...(groups.get(key) ?? []), entrance]);
  }
  for (const entrances of groups.values()) {
    const [{ workloadId, proxy, closedFor, ports }] = entrances as [ClosedEntrance];
    const workload = snapshot.workloads.find(({ id }) => id === workloadId);
    if (workload === undefined) continue;
    const who = describeWorkload(workload, context.standIns);
    const carriers = proxy === "cilium" ? "Cilium's ingress proxy" : list(proxy, 3);
    const closing = closingPolicies(context, entrances[0] as ClosedEntrance);
    const origins = closing.flatMap((ref) => policyOf(ref, snapshot)?.origin ?? []);
    const [only] = origins.length === 1 ? origins : [];
    yield findingOf(entranceCut, {
      subject: only === undefined ? workloadSubject(workload) : policySubject(only),
      message:
        `${only === undefined ? (closedFor === "mesh" ? "The mesh's policies keep" : "Policies keep") : `${describeRef(only)} keeps`} ` +
        `${carriers} from ${who}, which ${list([...new Set(entrances.map(({ via }) => describeRef(via)))], 3)} ${entrances.length > 1 ? "lead" : "leads"} to`,
      because: [
        proxy === "cilium"
          ? "what passes Cilium's Envoy reaches the pod with the identity ingress: neither the client's address nor world"
          : `what they carry reaches the pod from ${carriers}, not from the client`,
        ...closing.flatMap((ref) => reasons(context, ref, workload.id, closedFor)),
      ],
      fix: fixFor(proxy, closedFor, ports.toString(), closing),
      causes: origins.map(({ source }) => source),
    });
  }
}

/** The policies that isolate the side which is closed. */
function closingPolicies({ reachability }: RuleContext, { workloadId, proxy, closedFor }: ClosedEntrance): ObjectRef[] {
  const { snapshot } = reachability;
  if (closedFor === "ingress") return isolators(snapshot, { kind: "workload", id: workloadId }, "ingress");
  if (closedFor === "mesh") return [];
  if (proxy === "cilium") return egressIsolatorsOfProxy(snapshot);
  const proxies = snapshot.workloads.filter(({ id }) => proxy.includes(id));
  const all = proxies.flatMap(({ id }) => isolators(snapshot, { kind: "workload", id }, "egress"));
  return [...new Map(all.map((ref) => [describeRef(ref), ref])).values()];
}

function reasons(
  context: RuleContext,
  ref: ObjectRef,
  workloadId: string,
  closedFor: ClosedEntrance["closedFor"],
): string[] {
  const { snapshot } = context.reachability;
  if (closedFor !== "ingress") return [`${describeRef(ref)} isolates the proxy for ${closedFor}`];
  const rules = (policyOf(ref, snapshot)?.parts ?? [])
    .filter((part) => selectsPod(part, { kind: "workload", id: workloadId }, snapshot))
    .flatMap((part) => part.ingress?.rules ?? [])
    .filter((rule) => rule.verdict === "allow" && rule.peers.some(isOutside));
  return rules.length === 0
    ? [`${describeRef(ref)} isolates it for ingress, and no rule names the proxy`]
    : rules.map((rule) => `${describeRef(ref)}, ${rule.path}, lets clients outside in and not the proxy`);
}

function isOutside(peer: PeerTerm): boolean {
  return peer.kind === "cidr" || (peer.kind === "entity" && peer.entity.startsWith("world"));
}

function fixFor(
  proxy: ClosedEntrance["proxy"],
  closedFor: ClosedEntrance["closedFor"],
  ports: string,
  closing: readonly ObjectRef[],
): string {
  if (closedFor === "egress" && proxy === "cilium")
    return `Allow it egress to the pods behind it on ${ports}, in a policy whose endpointSelector is \`reserved:ingress\`.`;
  if (closedFor === "egress") return `Allow the proxy egress to the pods behind it on ${ports}.`;
  if (closedFor === "mesh") return "Allow the proxy's service account in the AuthorizationPolicy of these pods.";
  if (proxy !== "cilium") return `Allow ingress from the proxy's pods on ${ports}.`;
  const byCilium = closing.length === 0 || closing.some(({ kind }) => kind.startsWith("Cilium"));
  return byCilium
    ? `Allow the entity: fromEntities: [ingress] with ${ports}.`
    : `Add a CiliumNetworkPolicy with fromEntities: [ingress] and ${ports}: a NetworkPolicy cannot name the entity ingress.`;
}
