import { namespaceNameLabel } from "../reachability/model/namespace-labels";
import type { Namespace, Peer, Reachability, Snapshot, Workload } from "../reachability";
import {
  compile,
  meshBypassesOf,
  meshModeIn,
  meshModeOfWorkload,
  proxyPorts,
  TrafficSet,
  unknownNamespace,
} from "../reachability";
import { freshPod, sortedWorkloads } from "./subjects";

/** Asking the service mesh alone: what the network lets pass is left out, so that the mesh's own doors are seen. */
export interface Mesh {
  /** Only PeerAuthentication counts. */
  readonly transport: Reachability;
  /** Only AuthorizationPolicy counts. */
  readonly authorization: Reachability;
  /** A pod outside the mesh, in a namespace that no policy names. */
  readonly outsider: Peer;
  /** A pod with an identity in the mesh, in a namespace that no policy names. */
  readonly stranger: Peer;
  /** Pods of the mesh outside tier 0, those of one namespace together; a new pod of a namespace first. */
  readonly members: readonly MeshNamespace[];
}

interface MeshNamespace {
  readonly namespace: string;
  /** A new pod of the namespace, where the namespace as a whole is in the mesh. */
  readonly fresh?: Peer;
  readonly workloads: readonly Workload[];
}

const outsideNamespace = "a-namespace-that-no-policy-names";
const strangerNamespace = "a-mesh-namespace-that-no-policy-names";

const known = new WeakMap<Snapshot, Mesh | null>();

/** The mesh of a snapshot; nothing where no pod takes part in one. */
export function meshOf(reachability: Reachability, exemptNamespaces: readonly string[]): Mesh | undefined {
  const { snapshot } = reachability;
  let mesh = known.get(snapshot);
  if (mesh === undefined) known.set(snapshot, (mesh = readMesh(snapshot) ?? null));
  if (mesh === null) return undefined;
  return { ...mesh, members: mesh.members.filter(({ namespace }) => !exemptNamespaces.includes(namespace)) };
}

function readMesh(snapshot: Snapshot): Mesh | undefined {
  const byNamespace = new Map<string, Workload[]>();
  let isMentioned = snapshot.rules.mesh.length > 0 || snapshot.policies.some(isMeshPolicy);
  for (const workload of sortedWorkloads(snapshot)) {
    const mode = meshModeOfWorkload(snapshot, workload);
    isMentioned ||= typeof mode === "string";
    // in a namespace that is not known, neither a label of it nor a policy is
    if (workload.namespace === unknownNamespace) continue;
    // what a gateway takes in, and from whom, its Gateway objects say
    if (workload.hostNetwork || mode === undefined || mode === "gateway" || mode === "waypoint") continue;
    byNamespace.set(workload.namespace, [...(byNamespace.get(workload.namespace) ?? []), workload]);
  }
  const whole = [...snapshot.namespaces.keys()].filter(
    (name) => name !== unknownNamespace && meshModeIn(snapshot, name) !== undefined,
  );
  const names = [...new Set([...byNamespace.keys(), ...whole])].sort();
  isMentioned ||= whole.some((name) => typeof meshModeIn(snapshot, name) === "string");
  // labels that are not known, of a namespace or a pod, make nobody a member of a mesh that nothing mentions
  if (names.length === 0 || !isMentioned) return undefined;
  return {
    transport: alone(snapshot, "PeerAuthentication"),
    authorization: alone(snapshot, "AuthorizationPolicy"),
    outsider: freshPod(outsideNamespace),
    stranger: freshPod(strangerNamespace),
    members: names.map((namespace) => ({
      namespace,
      ...(whole.includes(namespace) ? { fresh: freshPod(namespace) } : {}),
      workloads: byNamespace.get(namespace) ?? [],
    })),
  };
}

/**
 * TCP of a pod that its proxy judges: without its own ports, and without what annotations keep away from it, which is a
 * finding of its own. For a new pod all but the proxy's own.
 */
export function judgedTcp(snapshot: Snapshot, pod: Peer): TrafficSet {
  const workload = pod.kind === "workload" ? snapshot.workloads.find(({ id }) => id === pod.id) : undefined;
  const tcp = TrafficSet.protocol("TCP").subtract(proxyPorts);
  if (workload === undefined) return tcp;
  return meshBypassesOf(snapshot, workload).reduce((set, { ports }) => set.subtract(ports), tcp);
}

function isMeshPolicy({ dialect }: { readonly dialect: string }): boolean {
  return dialect === "istio";
}

/** The snapshot with one kind of mesh policy and no other policy, and a stranger's namespace. */
function alone(snapshot: Snapshot, tier: string): Reachability {
  const labels = {
    [namespaceNameLabel]: strangerNamespace,
    "istio-injection": "enabled",
    // where no webhook of the injector takes the label above
    "istio.io/dataplane-mode": "ambient",
  };
  const stranger: Namespace = {
    name: strangerNamespace,
    labels,
    labelSet: { values: labels, complete: true },
    annotations: {},
    implied: false,
  };
  return compile({
    ...snapshot,
    namespaces: new Map([...snapshot.namespaces, [strangerNamespace, stranger]]),
    profile: { ...snapshot.profile, enforcementMode: "default", auditMode: false },
    rules: { policies: [], mesh: snapshot.rules.mesh.filter((part) => part.tier.id === tier) },
  });
}
