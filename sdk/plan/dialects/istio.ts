/**
 * Istio: PeerAuthentication and AuthorizationPolicy (`security.istio.io/v1`), beside the policies of the network.
 *
 * Both layers must allow a connection. Mutual TLS is strict; a port that somebody outside the mesh is declared to use
 * stays open for plain connections, and the network's policies say who that is.
 */
import { flowAnnotations } from "../annotations";
import { Protocol } from "../declaration";
import type { DraftDocument } from "../documents";
import { managedByLabel } from "../documents";
import type { Half, Subject } from "../halves";
import { bySubject, halvesOf, namespaceOf, rulesOf } from "../halves";
import type { Model, ModelMesh, ModelPeer, PortRange } from "../model";
import { hbonePort } from "../resolve/mesh";
import type { Shortfalls } from "../unsupported";

type Plain = Readonly<Record<string, unknown>>;

/** Istio names ports one by one; a range of more is not written out. */
const widestRange = 64;

/** Writes the mesh's policies; nothing without a mesh. */
export function istioDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  const { mesh } = model;
  if (mesh === undefined) return [];
  const members = new Set(mesh.namespaces);
  const incoming = halvesOf(model.flows).filter(
    (half) => half.direction === "ingress" && members.has(namespaceOf(half.subject)) && !isProbe(half),
  );
  noteSharedIdentities(model, mesh, shortfalls);
  return [
    ...mesh.namespaces.map((namespace) =>
      document("PeerAuthentication", namespace, "default", {}, { mtls: { mode: "STRICT" } }),
    ),
    ...bySubject(incoming).flatMap(({ subject, halves }) => subjectDocuments(mesh, subject, halves, shortfalls)),
    // allows nothing: what no other policy allows is denied, also for workloads that have none
    ...mesh.namespaces.map((namespace) => document("AuthorizationPolicy", namespace, "default-deny-mesh", {}, {})),
  ];
}

/** The kubelet's probes in ambient mode come past the proxies. */
function isProbe(half: Half): boolean {
  return half.peer.kind === "cidr" && half.flow.group.kind === "service" && half.flow.path.startsWith("mesh.");
}

function subjectDocuments(
  mesh: ModelMesh,
  subject: Subject,
  halves: readonly Half[],
  shortfalls: Shortfalls,
): readonly DraftDocument[] {
  const home = namespaceOf(subject);
  const own = subject.kind === "workload" ? subject.workload.name : "namespace";
  const selector = subject.kind === "workload" ? { selector: { matchLabels: subject.workload.labels } } : {};
  const tcpHalves = halves.filter((half) => half.ports.some((port) => port.protocol === Protocol.TCP));
  if (tcpHalves.length === 0) return [];
  const rules = rulesOf(tcpHalves, (peer) => (inMesh(mesh, peer) ? "mesh" : "outside")).map(({ peers, ports }) => {
    const [first] = peers;
    const outside = first === undefined || !inMesh(mesh, first);
    const sources = outside ? {} : { from: peers.map((peer) => ({ source: sourceOf(mesh, peer) })) };
    return { ...sources, to: [{ operation: { ports: portTexts(ports, shortfalls, tcpHalves) } }] };
  });
  const documents = [
    document("AuthorizationPolicy", home, `allow-to-${own}`, flowAnnotations(tcpHalves), {
      ...selector,
      action: "ALLOW",
      rules,
    }),
  ];
  const plaintext = tcpHalves.filter((half) => !inMesh(mesh, half.peer));
  if (plaintext.length > 0 && subject.kind === "workload") {
    const ports = [...new Set(plaintext.flatMap((half) => portTexts(half.ports, shortfalls, plaintext)))].sort();
    documents.push(
      document("PeerAuthentication", home, `allow-plaintext-to-${own}`, flowAnnotations(plaintext), {
        ...selector,
        mtls: { mode: "STRICT" },
        portLevelMtls: Object.fromEntries(ports.map((port) => [port, { mode: "PERMISSIVE" }])),
      }),
    );
  } else if (plaintext.length > 0) {
    shortfalls.lost(
      "mesh-plaintext-to-namespace",
      plaintext[0]?.flow.path ?? "flows",
      "Somebody outside the mesh is to reach every pod of a mesh namespace, which strict mutual TLS closes.",
      "Name the workloads, or take the source into the mesh.",
    );
  }
  return documents;
}

function inMesh(mesh: ModelMesh, peer: ModelPeer): boolean {
  if (peer.kind === "workload") return mesh.namespaces.includes(peer.workload.namespace) && !peer.workload.hostNetwork;
  return peer.kind === "namespace" && mesh.namespaces.includes(peer.namespace.name);
}

function sourceOf(mesh: ModelMesh, peer: ModelPeer): Plain {
  if (peer.kind === "namespace") return { namespaces: [peer.namespace.name] };
  if (peer.kind !== "workload") throw new RangeError(`no mesh identity for ${peer.kind}`);
  const { namespace, serviceAccount } = peer.workload;
  return { principals: [`${mesh.trustDomain}/ns/${namespace}/sa/${serviceAccount ?? "default"}`] };
}

function portTexts(ports: readonly PortRange[], shortfalls: Shortfalls, halves: readonly Half[]): readonly string[] {
  return (
    ports
      .filter((port) => port.protocol === Protocol.TCP)
      .flatMap((port) => {
        if (port.to - port.from >= widestRange) {
          shortfalls.lost(
            "mesh-range-too-wide",
            halves[0]?.flow.path ?? "flows",
            `Istio names ports one by one; a range of more than ${widestRange} stays closed at the mesh.`,
            "Name the ports that are used.",
          );
          return [];
        }
        return Array.from({ length: port.to - port.from + 1 }, (_, offset) => String(port.from + offset));
      })
      // the tunnel's port is the network's business: the proxy sees the port inside
      .filter((port) => port !== String(hbonePort))
  );
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
      metadata: {
        name,
        namespace,
        labels: managedByLabel,
        ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      },
      spec,
    },
  };
}
