/**
 * What a declaration means, computed from the declaration alone: the oracle for the planner. Shares no code with it.
 */
import ipaddr from "ipaddr.js";
import type { ClusterSecurityDeclaration, FlowDeclaration, PeerDeclaration } from "../../sdk/plan/index";
import { Entity, Protocol, Tier } from "../../sdk/plan/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import { literal } from "./literal";

/** A connection's protocol and port, such as `TCP 80`. */
export interface Attempt {
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}

/** A pod (`namespace/name`) or an address outside. */
export type End = { readonly pod: string } | { readonly address: string };

const alwaysExempt = ["kube-system", "flux-system", "cilium", "cilium-secrets"];

/** Whether the declaration lets one end open a connection to the other. */
export function isDeclared(declaration: ClusterSecurityDeclaration, from: End, to: End, attempt: Attempt): boolean {
  const held = (end: End): boolean => "pod" in end && !isExempt(declaration, end.pod);
  if (!held(from) && !held(to)) return true;
  if (held(from) && "address" in to && isMetadata(to.address)) return false;
  if (held(from) && "pod" in to && to.pod === "kube-system/kube-dns" && isDns(attempt)) return true;
  return (declaration.flows ?? []).some(
    (flow) => isEnd(flow.from, from) && isEnd(flow.to, to) && hasPort(flow, attempt),
  );
}

function isDns(attempt: Attempt): boolean {
  return attempt.port === 53 && attempt.protocol !== "SCTP";
}

function isExempt(declaration: ClusterSecurityDeclaration, id: string): boolean {
  const namespace = id.slice(0, id.indexOf("/"));
  const declared = (declaration.namespaces ?? []).find(({ name }) => name === namespace);
  return alwaysExempt.includes(namespace) || declared?.tier === Tier.Platform;
}

function hasPort(flow: FlowDeclaration, attempt: Attempt): boolean {
  return literal(flow.ports ?? []).some(({ port = 0, endPort = port, protocol = Protocol.TCP }) => {
    return (protocol as string) === attempt.protocol && port <= attempt.port && attempt.port <= endPort;
  });
}

function isEnd(declared: PeerDeclaration, end: End): boolean {
  const peer = literal(declared);
  if ("pod" in end) {
    return peer.workload === end.pod || (peer.namespace !== undefined && end.pod.startsWith(`${peer.namespace}/`));
  }
  if (isMetadata(end.address)) return false;
  if (peer.entity === Entity.Internet) return isPublic(end.address);
  return (
    peer.cidr !== undefined &&
    inRange(end.address, peer.cidr) &&
    !(peer.except ?? []).some((range) => inRange(end.address, range))
  );
}

/** The same few addresses and ranges are asked about at every port of every pair. */
function remembered(answer: (address: string, range: string) => boolean): (address: string, range?: string) => boolean {
  const known = new Map<string, boolean>();
  return (address, range = "") => {
    const key = `${address} ${range}`;
    const found = known.get(key) ?? answer(address, range);
    known.set(key, found);
    return found;
  };
}

const inRange = remembered((address, range) => {
  const [network, bits] = ipaddr.parseCIDR(range);
  const parsed = ipaddr.parse(address);
  return parsed.kind() === network.kind() && parsed.match(network, bits);
});

const isPublic = remembered((address) => ipaddr.parse(address).range() === "unicast");

const isMetadata = remembered((address) => metadataEndpoints.some((endpoint) => endpoint.address === address));
