import type { Peer, Snapshot, TrafficSet as Traffic } from "../reachability";
import { isUnknown, meshModeIn, meshModeOfWorkload } from "../reachability";
import type { Mesh } from "./mesh";
import { judgedTcp, meshOf } from "./mesh";
import { findingOf } from "./report";
import { describeWorkload, list, namespaceSubject, sampleFlow } from "./subjects";
import type { Finding, Rule, RuleContext } from "./types";

interface Group {
  /** Whether the pods are in the mesh is not known. */
  readonly doubtful: boolean;
  readonly certain: boolean;
  readonly traffic: Traffic;
  readonly who: string[];
  readonly sample: Peer;
}

/** Pods of the mesh that take plaintext on all ports, or on some beside strict mutual TLS. */
export function* checkPlaintext(context: RuleContext, rule: Rule, ports: "all" | "some"): Iterable<Finding> {
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
      const judged = judgedTcp(context.reachability.snapshot, pod);
      const { allowed, possible } = mesh.transport.traffic(mesh.outsider, pod);
      const doubtful = isUnknown(modeOf(context.reachability.snapshot, pod, namespace));
      const certain = !allowed.intersect(judged).isEmpty();
      const traffic = (certain ? allowed : possible).intersect(judged);
      if (traffic.isEmpty() || judged.isSubsetOf(traffic) !== (ports === "all")) continue;
      const key = `${doubtful} ${certain} ${traffic.id}`;
      const group = groups.get(key) ?? { doubtful, certain, traffic, who: [], sample: pod };
      groups.set(key, group);
      group.who.push(who);
    }
    for (const group of groups.values()) yield describe({ context, mesh, rule }, namespace, group, ports);
  }
}

function modeOf(snapshot: Snapshot, pod: Peer, namespace: string): ReturnType<typeof meshModeIn> {
  const workload = pod.kind === "workload" ? snapshot.workloads.find(({ id }) => id === pod.id) : undefined;
  return workload === undefined ? meshModeIn(snapshot, namespace) : meshModeOfWorkload(snapshot, workload);
}

interface About {
  readonly context: RuleContext;
  readonly mesh: Mesh;
  readonly rule: Rule;
}

function describe({ context, mesh, rule }: About, namespace: string, group: Group, ports: "all" | "some"): Finding {
  const flow = sampleFlow(mesh.outsider, group.sample, group.traffic, [443, 80]);
  const step = mesh.transport
    .explain(flow)
    .mesh?.chain.find((each) => ["decided", "passed", "matched", "maybe-matched"].includes(each.outcome))?.rule;
  const where =
    step === undefined
      ? undefined
      : `${step.policy.kind} ${step.policy.namespace ?? ""}/${step.policy.name}, ${step.path}`;
  const can = group.certain ? "take" : "possibly take";
  const members = group.doubtful
    ? `Pods that may be in the mesh, in namespace ${namespace}`
    : `Pods of the mesh in namespace ${namespace}`;
  return findingOf(rule, {
    subject: namespaceSubject(context.reachability.snapshot, namespace),
    certainty: group.certain && !group.doubtful ? "definite" : "possible",
    ...(group.doubtful ? { severity: "medium" as const } : {}),
    message:
      `${members} (${list(group.who)}) ${can} plaintext` + (ports === "all" ? "" : ` on ${group.traffic.toString()}`),
    because: [
      where === undefined
        ? "no PeerAuthentication that is about them demands mutual TLS, and the default is PERMISSIVE"
        : `${where} lets peers without an identity connect`,
    ],
    causes: [step?.source],
  });
}
