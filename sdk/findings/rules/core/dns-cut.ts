import type { Peer, Workload } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { imaginedSubject } from "../../imagined-pods";
import { policyObjects, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy, findingOf } from "../../report";
import { resolverOf, type Resolver } from "../../resolvers";
import { describeWorkload, isExempt, list, namespaceSubject, sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Closing egress without allowing DNS breaks every name lookup. A
 * workload may do without DNS, so this is shown and does not block by default.
 */
export const dnsCut: Rule = {
  id: "dns-cut",
  title: "A workload cannot resolve names",
  severity: "medium",
  why: "A default deny without DNS breaks every lookup, and answers that do not fit into UDP need TCP.",
  description:
    "Every workload outside tier 0 reaches the cluster's DNS pods (k8s-app: kube-dns in kube-system; on OpenShift those " +
    "of openshift-dns, which listen on 5353; it is OpenShift where the input has these pods, or an object of an API group of " +
    "openshift.io and no DNS pods) on UDP and TCP 53, or NodeLocal DNSCache at 169.254.20.10. Where the snapshot has NodeLocal DNSCache, " +
    "or a CiliumLocalRedirectPolicy for the DNS Service, the questions go to the cache on the pod's own node, and a pod with " +
    "dnsPolicy None asks its own nameservers: these count then. Pods with dnsPolicy Default are left out.",
  remediation:
    "Allow egress to the pods of kube-dns in kube-system on UDP and TCP 53 for all pods (on OpenShift: to those of " +
    "openshift-dns on 5353).",
  controls: [controls.pciServicesApproved],
  check: checkDns,
};

function* checkDns(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  yield* checkRules(context);
  const cut = new Map<
    string,
    { readonly workloads: Workload[]; readonly resolver: Resolver; readonly missing: string }
  >();
  for (const workload of sortedWorkloads(snapshot)) {
    if (workload.hostNetwork || isExempt(context.tiers, workload.namespace)) continue;
    const resolver = resolverOf(workload, snapshot);
    if (resolver === undefined) continue;
    const missing = missingProtocols(context, { kind: "workload", id: workload.id }, resolver).join(" and ");
    if (missing === "") continue;
    const key = JSON.stringify([workload.namespace, missing, resolver.name, resolver.because]);
    const known = cut.get(key);
    if (known === undefined) cut.set(key, { workloads: [workload], resolver, missing });
    else known.workloads.push(workload);
  }
  for (const { workloads, resolver, missing } of cut.values()) {
    const [first] = workloads as [Workload];
    const { namespace } = first;
    yield findingOf(dnsCut, {
      subject: workloads.length > 1 ? namespaceSubject(snapshot, namespace) : workloadSubject(first),
      certainty: resolver.certainty,
      message:
        `${list(workloads.map((workload) => describeWorkload(workload, context.standIns)))} cannot ask ` +
        `${resolver.because === undefined ? "the cluster's DNS" : resolver.name} over ${missing}`,
      because: [
        ...(resolver.because === undefined ? [] : [resolver.because]),
        `no rule lets ${missing} ${resolver.port} pass to ${resolver.name}`,
      ],
      fix: resolver.fix.replace(/^Allow egress to/, `Allow egress from namespace ${namespace} to`),
    });
  }
}

/** Policies that allow DNS over UDP for pods that no workload stands for yet, which cannot ask over TCP. */
function* checkRules(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const resolver = resolverOf(undefined, snapshot);
  if (resolver === undefined) return;
  for (const { origin, parts } of policyObjects(snapshot)) {
    const udpOnly = parts.some((part) => {
      const rules = (part.egress?.rules ?? []).filter(
        (rule) => rule.verdict === "allow" && rule.l4.must.contains("UDP", resolver.port),
      );
      if (rules.length === 0 || workloadsSelectedBy(part, snapshot).length > 0) return false;
      const pod = imaginedSubject(part, snapshot, "a-namespace-that-no-policy-names");
      return pod !== undefined && missingProtocols(context, pod, resolver).join() === "TCP";
    });
    if (!udpOnly) continue;
    yield aboutPolicy(dnsCut, origin, {
      severity: "low",
      message: `Pods that ${describeRef(origin)} selects can ask the cluster's DNS over UDP and not over TCP`,
      because: ["answers that do not fit into UDP are asked for again over TCP, which no policy allows"],
      fix: `Allow TCP ${resolver.port} beside UDP ${resolver.port}.`,
    });
  }
}

function missingProtocols(context: RuleContext, source: Peer, { servers }: Resolver): ("UDP" | "TCP")[] {
  return (["UDP", "TCP"] as const).filter((protocol) =>
    servers.every(({ peer: destination, ports }) =>
      ports.every((port) => context.reachability.verdict({ source, destination, protocol, port }) === "denied"),
    ),
  );
}
