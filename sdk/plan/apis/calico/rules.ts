/** Selectors and rules of Calico's policies. */
import type { Coverage, Half, Subject } from "../../halves";
import { namespaceOf, rulesOf } from "../../halves";
import type { Model, ModelPeer, ModelWorkload, PortRange } from "../../model";
import { addressPeer } from "../address-peers";
import type { Plain } from "../writer";

export const namespaceLabel = "projectcalico.org/namespace";

const serviceAccountLabel = "projectcalico.org/serviceaccount";

/** Everything that is no pod: nets alone would match pods by address too. */
export const noPods = `has(${namespaceLabel})`;

/** Pods of namespaces, and nothing that is no pod: host endpoints have no namespace. */
export function covered({ kind, names }: Coverage): string {
  const list = `{${names.map(quoted).join(", ")}}`;
  return kind === "only"
    ? `${namespaceLabel} in ${list}`
    : `has(${namespaceLabel}) && ${namespaceLabel} not in ${list}`;
}

export function allowRules(model: Model, halves: readonly Half[]): Plain {
  const rules = (direction: "ingress" | "egress"): readonly Plain[] =>
    rulesOf(
      halves.filter((half) => half.direction === direction),
      (peer) => peer.kind,
    ).flatMap(({ peers, ports }) => peers.flatMap((peer) => peerRules(model, peer, ports, direction)));
  const [ingress, egress] = [rules("ingress"), rules("egress")];
  return {
    types: [...(ingress.length > 0 ? ["Ingress"] : []), ...(egress.length > 0 ? ["Egress"] : [])],
    ...(ingress.length > 0 ? { ingress } : {}),
    ...(egress.length > 0 ? { egress } : {}),
  };
}

/** One rule for each protocol: a Calico rule has one. */
function peerRules(
  model: Model,
  peer: ModelPeer,
  ports: readonly PortRange[],
  direction: "ingress" | "egress",
): readonly Plain[] {
  const protocols = [...new Set(ports.map((port) => port.protocol))];
  return peerEntities(model, peer, direction).flatMap((entity) =>
    protocols.map((protocol) => {
      const numbers = ports.filter((port) => port.protocol === protocol).map(portItem);
      const sides =
        direction === "ingress"
          ? { source: entity, destination: { ports: numbers } }
          : { destination: { ...entity, ports: numbers } };
      return { action: "Allow", protocol: protocol as string, ...sides };
    }),
  );
}

function peerEntities(model: Model, peer: ModelPeer, direction: Half["direction"]): readonly Plain[] {
  const addresses = addressPeer(model, peer, direction);
  if (addresses !== undefined) {
    return addresses.ranges.map(({ cidr, except }) => ({
      nets: [cidr],
      ...(except.length === 0 ? {} : { notNets: except }),
      notSelector: noPods,
    }));
  }
  if (peer.kind === "namespace") return [{ namespaceSelector: nameIs(peer.namespace.name) }];
  if (peer.kind !== "workload") throw new RangeError(`no Calico peer for ${peer.kind}`);
  return [{ namespaceSelector: nameIs(peer.workload.namespace), selector: workloadSelector(peer.workload) }];
}

function nameIs(namespace: string): string {
  return `projectcalico.org/name == ${quoted(namespace)}`;
}

/** Labels and, where it is declared, the service account, which Calico sets as a label that nobody else can set. */
function workloadSelector(workload: ModelWorkload): string {
  const account: [string, string][] =
    workload.serviceAccount === undefined ? [] : [[serviceAccountLabel, workload.serviceAccount]];
  return allOf([...Object.entries(workload.labels), ...account]);
}

/** Selects the pods of a subject. */
export function subjectSelector(subject: Subject, isGlobal: boolean): string {
  const home: [string, string][] = [[namespaceLabel, namespaceOf(subject)]];
  const own = subject.kind === "workload" ? workloadSelector(subject.workload) : "all()";
  if (!isGlobal) return own;
  return subject.kind === "workload" ? `${allOf(home)} && ${own}` : allOf(home);
}

export function allOf(labels: readonly (readonly [string, string])[]): string {
  return labels.map(([key, value]) => `${key} == ${quoted(value)}`).join(" && ");
}

/** Label values hold no quotes. */
export function quoted(value: string): string {
  return `'${value}'`;
}

export function portItem(port: PortRange): number | string {
  return port.from === port.to ? port.from : `${port.from}:${port.to}`;
}
