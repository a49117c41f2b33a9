import type { Finding } from "../findings";
import { defaultTiers, evaluate, isViolation, metadataEndpointsClosed, namespaceDefaultDeny } from "../findings";
import type { FindingOptions } from "../findings";
import type { Peer, Reachability, TrafficSet, Workload } from "../reachability";
import { metadataEndpoints, unknownNamespace } from "../reachability";

/** How a question about a namespace was answered. */
export type Status = "closed" | "open" | "unknown" | "exempt";

/** One namespace in a summary. */
interface NamespaceSummary {
  readonly name: string;
  readonly workloads: number;
  /** Whether a new pod is closed to strangers in both directions (rule `namespace-default-deny`). */
  readonly defaultDeny: Status;
  /** Whether cloud metadata is closed to its pods (rule `metadata-endpoints-closed`). */
  readonly metadata: Status;
}

/** What passes from one group to another. A group is a namespace or {@link outside}. */
interface GroupPair {
  readonly source: string;
  readonly destination: string;
  /** Pairs of workloads between which something certainly passes; for the outside: workloads that reach it. */
  readonly allowed: number;
  /** Pairs between which something passes only if a value that is not known turns out so. */
  readonly possible: number;
  /** Pairs there are. */
  readonly total: number;
  /** Everything that passes between any two of them: `TCP 80,443`. */
  readonly traffic: string;
}

/** What is reachable in a cluster, by namespace. */
export interface ReachabilitySummary {
  readonly workloads: number;
  readonly policies: number;
  /** Pairs of different workloads, and how many of them can talk. */
  readonly pairs: { readonly total: number; readonly allowed: number; readonly possible: number };
  readonly namespaces: readonly NamespaceSummary[];
  readonly groupPairs: readonly GroupPair[];
  /** Addresses that were asked for every pod. */
  readonly metadataAddresses: number;
  /** What is exempt from the rules and why, one sentence each. */
  readonly exempt: readonly string[];
  readonly enforcer: string;
}

/** The group of everything that is no pod of the snapshot. */
export const outside = "outside the cluster";

/** Summarises a cluster. `findings` saves evaluating the rules again if that was done already. */
export function summarise(
  reachability: Reachability,
  options: FindingOptions & { readonly findings?: readonly Finding[] } = {},
): ReachabilitySummary {
  const { snapshot } = reachability;
  const findings = options.findings ?? evaluate(reachability, options);
  const workloads = new Map(snapshot.workloads.map((workload) => [workload.id, workload]));
  const exempt = options.exemptNamespaces ?? defaultTiers.exemptNamespaces;
  const members = countBy(snapshot.workloads, (workload) => workload.namespace);
  const pairs = collectPairs(reachability, workloads);
  const { cni, version } = snapshot.profile;
  return {
    workloads: snapshot.workloads.length,
    policies: snapshot.policies.length,
    pairs: {
      total: snapshot.workloads.length ** 2 - snapshot.workloads.length,
      allowed: pairs.allowed,
      possible: pairs.possible,
    },
    namespaces: [...snapshot.namespaces.keys()].sort().map((name) => ({
      name,
      workloads: members.get(name) ?? 0,
      defaultDeny: exempt.includes(name) ? "exempt" : statusOf(findings, namespaceDefaultDeny.id, name),
      metadata: exempt.includes(name) ? "exempt" : statusOf(findings, metadataEndpointsClosed.id, name),
    })),
    groupPairs: [...pairs.groups.values()]
      .map((group) => ({ ...group, traffic: group.traffic.toString(), total: totalOf(group, members) }))
      .sort((a, b) => compare(a.source, b.source) || compare(a.destination, b.destination)),
    metadataAddresses: metadataEndpoints.length,
    exempt: [...new Set(findings.filter((finding) => finding.exempt).map((finding) => finding.message))].sort(),
    enforcer: version === undefined ? cni : `${cni} ${version}`,
  };
}

interface Group {
  readonly source: string;
  readonly destination: string;
  allowed: number;
  possible: number;
  traffic: TrafficSet;
}

function collectPairs(reachability: Reachability, workloads: ReadonlyMap<string, Workload>) {
  const groups = new Map<string, Group>();
  /** A workload reaches the outside once, however many ranges the outside is cut into. */
  const counted = new Set<string>();
  let allowed = 0;
  let possible = 0;
  for (const entry of reachability.matrix()) {
    const source = groupOf(entry.source, workloads);
    const destination = groupOf(entry.destination, workloads);
    if (source === outside && destination === outside) continue;
    const certain = !entry.allowed.isEmpty();
    const passes = certain ? entry.allowed : entry.possible;
    if (passes.isEmpty()) continue;
    const key = JSON.stringify([source, destination]);
    const group = groups.get(key) ?? { source, destination, allowed: 0, possible: 0, traffic: passes };
    groups.set(key, group);
    group.traffic = group.traffic.union(passes);
    const ends = [
      source === outside ? outside : entry.sourceId,
      destination === outside ? outside : entry.destinationId,
    ];
    const pairKey = JSON.stringify([...ends, certain]);
    if (ends.includes(outside) && counted.has(pairKey)) continue;
    counted.add(pairKey);
    if (certain) group.allowed++;
    else group.possible++;
    if (!ends.includes(outside)) {
      if (certain) allowed++;
      else possible++;
    }
  }
  return { groups, allowed, possible };
}

function groupOf(peer: Peer, workloads: ReadonlyMap<string, Workload>): string {
  if (peer.kind === "workload") return workloads.get(peer.id)?.namespace ?? outside;
  return peer.kind === "freshPod" ? peer.namespace : outside;
}

function totalOf(group: Group, members: ReadonlyMap<string, number>): number {
  const size = (name: string): number => (name === outside ? 1 : (members.get(name) ?? 0));
  const self = group.source === group.destination ? size(group.source) : 0;
  return size(group.source) * size(group.destination) - self;
}

/** A namespace's status is that of the worst finding about it or about one of its workloads. */
function statusOf(findings: readonly Finding[], rule: string, namespace: string): Status {
  // no rule says anything about a namespace that nobody can name
  if (namespace === unknownNamespace) return "unknown";
  const about = findings.filter(
    ({ id, subject }) =>
      id === rule && (subject.namespace === namespace || (subject.kind === "Namespace" && subject.name === namespace)),
  );
  const violations = about.filter(isViolation);
  if (violations.some((finding) => finding.certainty === "definite")) return "open";
  return violations.length > 0 ? "unknown" : "closed";
}

function countBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
