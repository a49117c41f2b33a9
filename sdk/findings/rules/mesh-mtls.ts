import type { Peer, TrafficSet as Traffic } from "../../reachability";
import { TrafficSet } from "../../reachability";
import { controls } from "../controls";
import type { Mesh } from "../mesh";
import { meshOf } from "../mesh";
import { findingOf } from "../report";
import { describeWorkload, list, namespaceSubject, sampleFlow } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/** Mutual TLS that plaintext gets round is none (requirements S0-16, S1-24). */
export const mtlsNotStrict: Rule = {
  id: "mtls-not-strict",
  title: "The mesh takes no plaintext",
  severity: "high",
  why: "Istio's default, PERMISSIVE, also takes plaintext: whoever has no identity connects all the same, unseen and unencrypted.",
  description:
    "No pod of the service mesh accepts plaintext TCP on all ports from a pod outside the mesh, decided by computed " +
    "reachability with the PeerAuthentications alone, so that the mode is found wherever it is inherited from.",
  remediation:
    "Put a PeerAuthentication with mtls.mode STRICT into the mesh's root namespace, or into each namespace of the mesh.",
  controls: [
    controls.nistTransmission,
    controls.nistCryptographicProtection,
    controls.pciTransmission,
    controls.soc2DataInMotion,
    controls.isoCryptography,
  ],
  check: (context) => checkTransport(context, "all"),
};

/** A hole for one port is a decision; it is shown so that somebody can tell that it still is one. */
export const mtlsPortHole: Rule = {
  id: "mtls-port-hole",
  title: "Ports that take plaintext beside strict mutual TLS are known",
  severity: "medium",
  why: "A hole made for one port stays open for everybody who finds it, long after its reason has gone.",
  description:
    "No pod of the service mesh accepts plaintext on single ports (portLevelMtls) while the others demand mutual TLS; " +
    "decided by computed reachability with the PeerAuthentications alone.",
  remediation: "Take the port out of portLevelMtls once its callers are in the mesh; until then name them in a policy.",
  controls: [controls.nistTransmission, controls.nistCryptographicProtection, controls.pciTransmission],
  check: (context) => checkTransport(context, "some"),
};

const tcp = TrafficSet.protocol("TCP");

interface Group {
  readonly certain: boolean;
  readonly traffic: Traffic;
  readonly who: string[];
  readonly sample: Peer;
}

function* checkTransport(context: RuleContext, ports: "all" | "some"): Iterable<Finding> {
  const mesh = meshOf(context.reachability, context.tiers.exemptNamespaces);
  if (mesh === undefined) return;
  for (const { namespace, fresh, workloads } of mesh.members) {
    const groups = new Map<string, Group>();
    const pods: [Peer, string][] = [
      ...(fresh === undefined ? [] : [[fresh, "every new pod"] as [Peer, string]]),
      ...workloads.map((workload): [Peer, string] => [
        { kind: "workload", id: workload.id },
        describeWorkload(workload, context.standIns),
      ]),
    ];
    for (const [pod, who] of pods) {
      const { allowed, possible } = mesh.transport.traffic(mesh.outsider, pod);
      const certain = !allowed.intersect(tcp).isEmpty();
      const traffic = (certain ? allowed : possible).intersect(tcp);
      if (traffic.isEmpty() || tcp.isSubsetOf(traffic) !== (ports === "all")) continue;
      const key = `${certain} ${traffic.id}`;
      const group = groups.get(key) ?? { certain, traffic, who: [], sample: pod };
      groups.set(key, group);
      group.who.push(who);
    }
    for (const group of groups.values()) yield describe(context, mesh, namespace, group, ports);
  }
}

function describe(context: RuleContext, mesh: Mesh, namespace: string, group: Group, ports: "all" | "some"): Finding {
  const rule = ports === "all" ? mtlsNotStrict : mtlsPortHole;
  const flow = sampleFlow(mesh.outsider, group.sample, group.traffic, [443, 80]);
  const step = mesh.transport
    .explain(flow)
    .mesh?.chain.find((each) => ["decided", "passed", "matched", "maybe-matched"].includes(each.outcome))?.rule;
  const where =
    step === undefined
      ? undefined
      : `${step.policy.kind} ${step.policy.namespace ?? ""}/${step.policy.name}, ${step.path}`;
  const can = group.certain ? "take" : "possibly take";
  return findingOf(rule, {
    subject: namespaceSubject(context.reachability.snapshot, namespace),
    certainty: group.certain ? "definite" : "possible",
    message:
      `Pods of the mesh in namespace ${namespace} (${list(group.who)}) ${can} plaintext` +
      (ports === "all" ? "" : ` on ${group.traffic.toString()}`),
    because: [
      where === undefined
        ? "no PeerAuthentication that is about them demands mutual TLS, and the default is PERMISSIVE"
        : `${where} lets peers without an identity connect`,
    ],
    causes: [step?.source],
  });
}
