import type { Explanation, Flow, Peer, Reachability, RuleRef, Snapshot, Source, Workload } from "../reachability";
import { describeRef, unknownNamespace } from "../reachability";
import { isClosedByDefault } from "./policy-rules";
import type { Subject, Tiers } from "./types";

/** A new pod: one that anyone with the right to create pods in the namespace can start, with no label to be selected by. */
export function freshPod(namespace: string): Peer {
  return { kind: "freshPod", namespace };
}

export function isExempt(tiers: Tiers, namespace: string): boolean {
  return tiers.exemptNamespaces.includes(namespace);
}

/** A namespace as the subject of a finding, with the object to point at. */
export function namespaceSubject(snapshot: Snapshot, namespace: string): Subject {
  return withSource({ kind: "Namespace", name: namespace }, sourceOfNamespace(snapshot, namespace));
}

/** A workload as the subject of a finding. */
export function workloadSubject(workload: Workload): Subject {
  const { kind, namespace, name } = workload;
  return withSource({ kind, namespace, name }, workload.source);
}

export function withSource(subject: Omit<Subject, "source">, source: Source | undefined): Subject {
  return source === undefined ? subject : { ...subject, source };
}

/**
 * Names of the namespaces of which a finding may say what their pods reach, sorted. Of files, a policy alone makes none (other
 * files may run something there, and close it), nor does a name that is a placeholder.
 */
export function namespaceNames(snapshot: Snapshot): string[] {
  const running = new Set(snapshot.workloads.map(({ namespace }) => namespace));
  return [...snapshot.namespaces.values()]
    .filter(({ name, implied }) => {
      const isCertain = name !== unknownNamespace && (!implied || running.has(name));
      return isCertain || !isOfFile(sourceOfNamespace(snapshot, name));
    })
    .map(({ name }) => name)
    .sort();
}

/** A workload of a file, in a namespace that a tool was to fill in. */
export function isUnplaced({ namespace, source }: Workload): boolean {
  return namespace === unknownNamespace && isOfFile(source);
}

/** What a file names is there as it stands; what a Pulumi program leaves open is known once it runs. */
function isOfFile(source: Source | undefined): boolean {
  return source?.file !== undefined && source.urn === undefined;
}

/** Workloads in a stable order. */
export function sortedWorkloads(snapshot: Snapshot): Workload[] {
  return [...snapshot.workloads].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** Where a namespace comes from: its object, else the first workload, else the first policy that lies in it. */
function sourceOfNamespace(snapshot: Snapshot, namespace: string): Source | undefined {
  return (
    snapshot.namespaces.get(namespace)?.source ??
    sortedWorkloads(snapshot).find((workload) => workload.namespace === namespace)?.source ??
    snapshot.policies.find((policy) => policy.namespace === namespace)?.source
  );
}

/** `Deployment shop/api`; what a stand-in stands for. */
export function describeWorkload(workload: Workload, standIns: ReadonlyMap<string, string>): string {
  return standIns.get(workload.id) ?? `${workload.kind} ${workload.namespace}/${workload.name}`;
}

/** `CiliumNetworkPolicy shop/allow-world, spec.egress[0]`. */
function describeRule(rule: RuleRef): string {
  return `${describeRef(rule.policy)}, ${rule.path}`;
}

/** "a", "a and b", "a, b and c", "a, b, c and 7 more". */
export function list(items: readonly string[], limit = 5): string {
  const shown = items.length > limit ? items.slice(0, limit) : items;
  const rest = items.length - shown.length;
  const all = rest > 0 ? [...shown, `${rest} more`] : shown;
  return all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} and ${all[all.length - 1]}`;
}

/** One of the flows of a traffic set, preferably the usual one, so that it can be explained. */
export function sampleFlow(source: Peer, destination: Peer, traffic: TrafficLike, usualPorts: readonly number[]): Flow {
  for (const port of usualPorts) {
    if (traffic.contains("TCP", port)) return { source, destination, protocol: "TCP", port };
  }
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    const range = traffic.ranges(protocol)[0];
    if (range !== undefined) return { source, destination, protocol, port: range[0] };
  }
  const isIpv6 = traffic.ranges("ICMP").length === 0 && traffic.ranges("ICMPv6").length > 0;
  return { source, destination, protocol: isIpv6 ? "ICMPv6" : "ICMP" };
}

interface TrafficLike {
  contains(protocol: "TCP", port: number): boolean;
  ranges(protocol: "TCP" | "UDP" | "SCTP" | "ICMP" | "ICMPv6"): readonly (readonly [number, number])[];
}

/** Why one direction of a flow passes: the rule that lets it through, or that nothing closes it. */
export interface Cause {
  readonly text: string;
  readonly source?: Source;
  /** Equal for the same cause. */
  readonly key: string;
  /** The pods are isolated in the direction and a rule opens it. */
  readonly isolated: boolean;
  /** The rule that lets it through, where one does. */
  readonly rule?: RuleRef;
}

/** The cause on one side of a flow. */
export function causeOf(reachability: Reachability, flow: Flow, direction: "ingress" | "egress", who: string): Cause {
  const explanation: Explanation = reachability.explain(flow);
  const side = explanation[direction];
  const pod = direction === "ingress" ? flow.destination : flow.source;
  const isolated =
    side.isolatedBy.length > 0 ||
    reachability.snapshot.profile.enforcementMode === "always" ||
    isClosedByDefault(reachability.snapshot, pod, direction);
  const rule = side.deciding ?? side.chain.find((step) => step.outcome === "maybe-matched")?.rule;
  if (rule !== undefined && rule.verdict === "allow") {
    const verb = side.verdict === "allowed" ? "allows it" : "may allow it";
    return {
      text: `${describeRule(rule)} ${verb}`,
      key: `${describeRule(rule)} ${verb}`,
      isolated,
      rule,
      ...(rule.source === undefined ? {} : { source: rule.source }),
    };
  }
  if (!isolated && side.verdict === "allowed") {
    const text = `no policy that is enforced closes ${direction} of ${who} by default`;
    return { text, key: `open ${direction}`, isolated };
  }
  const text = `whether ${direction} of ${who} is closed depends on what is not known or not understood`;
  return { text, key: `unknown ${direction}`, isolated };
}
