/**
 * Istio: PeerAuthentication and AuthorizationPolicy (`security.istio.io/v1`), beside the policies of the network.
 *
 * Both layers must allow a connection. Mutual TLS is strict; a port that somebody outside the mesh is declared to use
 * stays open for plain connections, and the network's policies say who that is. Everything written is about connections
 * (identity, namespace, port), which sidecars and ztunnel decide alike: an ambient mesh needs no waypoint for it.
 *
 * The first ALLOW policy that selects a workload denies it everything else; so a workload's policy holds all that is
 * declared for it, and what selects every workload of a namespace comes after.
 */
import type { PropertyPath } from "../../../property-path";
import { managedMetadata } from "../metadata";
import type { Plain } from "../writer";
import { flowAnnotations } from "../../annotations";
import { MeshMode, PolicyMode, Protocol } from "../../declaration";
import type { DraftDocument } from "../../documents";
import { logicalNameOf } from "../../documents";
import type { Half, Subject } from "../../halves";
import { byNamespace, bySubject, halvesOf, modeOf, namespaceOf, rulesOf } from "../../halves";
import type { Model, ModelMesh, ModelPeer, ModelWorkload, PortRange } from "../../model";
import { hbonePort, meshPath } from "../../resolve/mesh";
import type { Shortfalls } from "../../unsupported";

/** Istio names ports one by one; a range of more is not written out, unless it is every port. */
const widestRange = 64;
const highestPort = 65535;

/** Writes the mesh's policies; nothing without a mesh. */
export function istioDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  const { mesh } = model;
  if (mesh === undefined) return [];
  const members = new Set(mesh.namespaces);
  const incoming = halvesOf(model.flows)
    .filter((half) => half.direction === "ingress" && members.has(namespaceOf(half.subject)) && !isProbe(half))
    .map((half) => ({ ...half, ports: portsInMesh(half, shortfalls) }))
    .filter(({ ports }) => ports.length > 0);
  noteSharedIdentities(model, mesh, shortfalls);
  noteRunningPods(model, mesh, shortfalls);
  const homes = byNamespace(incoming);
  const workloads = new Map<string, ModelWorkload[]>();
  for (const workload of model.workloads.values()) {
    if (workload.hostNetwork) continue;
    const own = workloads.get(workload.namespace);
    if (own === undefined) workloads.set(workload.namespace, [workload]);
    else own.push(workload);
  }
  return mesh.namespaces.flatMap((name) => {
    const isAudit = modeOf(model, name) !== PolicyMode.Enforce;
    const namespace = { name, isAudit, workloads: workloads.get(name) ?? [] };
    return namespaceDocuments(mesh, namespace, homes.get(name) ?? [], shortfalls);
  });
}

/** The kubelet's probes in ambient mode come past the proxies. */
function isProbe(half: Half): boolean {
  return half.peer.kind === "cidr" && half.flow.group.kind === "service" && half.flow.preset === meshPath;
}

/** A namespace of the mesh. */
interface MeshNamespace {
  readonly name: string;
  readonly isAudit: boolean;
  /** Its workloads that are not on the host network. */
  readonly workloads: readonly ModelWorkload[];
}

function namespaceDocuments(
  mesh: ModelMesh,
  namespace: MeshNamespace,
  halves: readonly Half[],
  shortfalls: Shortfalls,
): readonly DraftDocument[] {
  const shared = halves.filter((half) => half.subject.kind === "namespace");
  const workloads = bySubject(halves.filter((half) => half.subject.kind === "workload"));
  const allows = workloads.flatMap(({ subject, halves: own }) => allowDocuments(mesh, subject, [...own, ...shared]));
  const wide: Subject | undefined = shared[0]?.subject;
  const shares = wide === undefined ? [] : allowDocuments(mesh, wide, shared).map(after(allows));
  // allows nothing: what no other policy allows is denied, also for workloads that have none
  const deny = after([...allows, ...shares])({
    ...document("AuthorizationPolicy", namespace.name, "default-deny-mesh", {}, {}),
    step: 2,
  });
  const authorization = [...allows, ...shares, deny];
  if (namespace.isAudit) {
    return [
      after([])(document("PeerAuthentication", namespace.name, "default", {}, { mtls: { mode: "PERMISSIVE" } })),
      ...authorization.map(asDryRun),
    ];
  }
  const plain = plaintextDocuments(mesh, namespace, halves, shortfalls);
  const strict = document("PeerAuthentication", namespace.name, "default", {}, { mtls: { mode: "STRICT" } });
  return [...plain, after(plain)(strict), ...authorization];
}

function after(earlier: readonly DraftDocument[]): (draft: DraftDocument) => DraftDocument {
  return (draft) => ({ ...draft, after: earlier.map(logicalNameOf) });
}

/** Evaluated and reported by sidecars, enforced by nobody (ztunnel before 1.29 passes over it). */
function asDryRun(draft: DraftDocument): DraftDocument {
  const { metadata } = draft.object;
  const annotations = { ...metadata.annotations, "istio.io/dry-run": "true" };
  return { ...draft, object: { ...draft.object, metadata: { ...metadata, annotations } } };
}

function selectorOf(subject: Subject): Plain {
  return subject.kind === "workload" ? { selector: { matchLabels: subject.workload.labels } } : {};
}

/** What a subject accepts; nothing where none of it can be said. */
function allowDocuments(mesh: ModelMesh, subject: Subject, halves: readonly Half[]): readonly DraftDocument[] {
  const own = subject.kind === "workload" ? subject.workload.name : "namespace";
  const rules = rulesOf(halves, () => "any").map(({ peers, ports }): Plain => {
    const from = peers.flatMap((peer) => sourcesOf(mesh, peer)).map((source) => ({ source }));
    return { from, ...operationOf(ports) };
  });
  if (rules.length === 0) return [];
  const spec = { ...selectorOf(subject), action: "ALLOW", rules };
  return [document("AuthorizationPolicy", namespaceOf(subject), `allow-to-${own}`, flowAnnotations(halves), spec)];
}

/** Ports that sources outside the mesh use stay open to connections without mutual TLS; only a workload can say so. */
function plaintextDocuments(
  mesh: ModelMesh,
  namespace: MeshNamespace,
  halves: readonly Half[],
  shortfalls: Shortfalls,
): readonly DraftDocument[] {
  const plaintext = halves.filter((half) => !inMesh(mesh, half.peer));
  const shared = plaintext.filter((half) => half.subject.kind === "namespace");
  const [first] = shared;
  if (first !== undefined) {
    shortfalls.lost(
      "mesh-plaintext-to-namespace",
      first.flow.path,
      "A client outside the mesh is to reach every pod of a mesh namespace; strict mutual TLS can be relaxed for declared workloads only.",
      "Name the workloads, or take the source into the mesh.",
    );
  }
  return namespace.workloads.flatMap((workload): DraftDocument[] => {
    const own = plaintext.filter(({ subject }) => subject.kind === "workload" && subject.workload === workload);
    const all = [...own, ...shared];
    const ports = [...new Set(all.flatMap((half) => portTexts(portsByName(half, shortfalls))))].sort();
    if (ports.length === 0) return [];
    const spec = {
      ...selectorOf({ kind: "workload", workload }),
      mtls: { mode: "STRICT" },
      portLevelMtls: Object.fromEntries(ports.map((port) => [port, { mode: "PERMISSIVE" }])),
    };
    const name = `allow-plaintext-to-${workload.name}`;
    return [document("PeerAuthentication", namespace.name, name, flowAnnotations(all), spec)];
  });
}

function inMesh(mesh: ModelMesh, peer: ModelPeer): boolean {
  if (peer.kind === "workload") return mesh.namespaces.includes(peer.workload.namespace) && !peer.workload.hostNetwork;
  return peer.kind === "namespace" && mesh.namespaces.includes(peer.namespace.name);
}

/**
 * Who a peer is to the proxies. Somebody outside the mesh has no identity, which `notPrincipals: ["*"]` says: a member of
 * the mesh does not pass for it. A workload outside may be a gateway, which has one; then it is its service account.
 */
function sourcesOf(mesh: ModelMesh, peer: ModelPeer): readonly Plain[] {
  const withoutIdentity = { notPrincipals: ["*"] };
  if (peer.kind === "workload" && !peer.workload.hostNetwork) {
    const principal = principalOf(mesh, peer.workload);
    if (inMesh(mesh, peer)) return [{ principals: [principal] }];
    return peer.workload.serviceAccount === undefined
      ? [withoutIdentity]
      : [{ principals: [principal] }, withoutIdentity];
  }
  if (peer.kind === "namespace" && inMesh(mesh, peer)) return [{ namespaces: [peer.namespace.name] }];
  return [withoutIdentity];
}

function principalOf(mesh: ModelMesh, { namespace, serviceAccount }: ModelWorkload): string {
  return `${mesh.trustDomain}/ns/${namespace}/sa/${serviceAccount ?? "default"}`;
}

/**
 * What a mesh can say of a flow's ports: those of TCP that are named one by one, or every port. Decided for each flow by
 * itself: what another flow between the same two adds neither makes a range too wide nor goes with one that is.
 */
function portsInMesh({ ports, flow }: Half, shortfalls: Shortfalls): readonly PortRange[] {
  const isTunnel = ({ from, to }: PortRange): boolean => from === hbonePort && to === hbonePort;
  return ports
    .filter((port) => port.protocol === Protocol.TCP && !isTunnel(port))
    .filter((port) => isEveryPort(port) || isNarrow(port, flow.path, shortfalls));
}

/** Modes of mutual TLS are set port by port: what is open on every port cannot be said. */
function portsByName({ ports, flow }: Half, shortfalls: Shortfalls): readonly PortRange[] {
  return ports.filter((port) => isNarrow(port, flow.path, shortfalls));
}

function isNarrow({ from, to }: PortRange, path: PropertyPath, shortfalls: Shortfalls): boolean {
  if (to - from < widestRange) return true;
  shortfalls.lost(
    "mesh-range-too-wide",
    path,
    `Istio names ports one by one; a range of more than ${widestRange} stays closed at the mesh.`,
    "Name the ports that are used.",
  );
  return false;
}

function isEveryPort({ from, to }: PortRange): boolean {
  return from === 1 && to === highestPort;
}

/** The operation of a rule; a rule without ports is about all of them. */
function operationOf(ports: readonly PortRange[]): Plain {
  return ports.some(isEveryPort) ? {} : { to: [{ operation: { ports: portTexts(ports) } }] };
}

/** Without the tunnel's port, which is the network's business: the proxy sees the port inside. */
function portTexts(ports: readonly PortRange[]): readonly string[] {
  return ports
    .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, offset) => String(from + offset)))
    .filter((port) => port !== String(hbonePort));
}

/** Proxies come to pods when they start; until then strict mutual TLS shuts out those that run without one. */
function noteRunningPods(model: Model, mesh: ModelMesh, shortfalls: Shortfalls): void {
  if (mesh.mode !== MeshMode.Sidecar) return;
  for (const name of mesh.namespaces) {
    const namespace = model.namespaces.get(name);
    if (namespace?.existing !== true || namespace.mode !== PolicyMode.Enforce) continue;
    shortfalls.note(
      "mesh-needs-restart",
      ["namespaces", name],
      "Pods that already run there have no proxy until they are restarted, and strict mutual TLS rejects them.",
      "Put the namespace into mode audit, restart its workloads, then enforce; or use the ambient mode.",
    );
  }
}

/** A workload without a service account of its own has the identity of every other pod without one. */
function noteSharedIdentities(model: Model, mesh: ModelMesh, shortfalls: Shortfalls): void {
  for (const flow of model.flows) {
    if (flow.from.kind !== "workload" || !inMesh(mesh, flow.from) || flow.from.workload.serviceAccount !== undefined)
      continue;
    shortfalls.note(
      "mesh-identity-shared",
      flow.path,
      "A source has no service account of its own: to the mesh it is every pod that runs under the account default.",
      "Give every workload its service account.",
    );
  }
}

function document(
  kind: string,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  return {
    stage: "mesh",
    object: {
      apiVersion: "security.istio.io/v1",
      kind,
      metadata: managedMetadata({ name, namespace }, annotations),
      spec,
    },
  };
}
