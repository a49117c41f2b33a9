/** Functions that write a declaration as sentences. Each returns plain data; nothing is checked before `plan`. */
import type { Input } from "./inputs";
import type {
  BypassDeclaration,
  FlowDeclaration,
  MetadataAccessDeclaration,
  NamespaceDeclaration,
  PeerDeclaration,
  PortDeclaration,
  WorkloadDeclaration,
} from "./declaration";
import { Entity, Protocol, Tier } from "./declaration";

/** Who can open a connection: the name of a workload (`frontend`, `shop/frontend`), or any peer but a DNS name. */
export type SourceLike = string | (PeerDeclaration & { fqdn?: never });

/** Who can accept one: the name of a workload, or any peer but the ingress proxies, which only open connections. */
export type DestinationLike = string | (PeerDeclaration & { entity?: Exclude<Entity, Entity.Ingress> });

/** `flow("frontend")`: the source is known, next comes `to`. */
export interface FlowFrom {
  /** The destination: a workload's name or a peer such as `fqdn("api.example.com")`. */
  to(destination: DestinationLike): FlowTo;
}

/** Source and destination are known, next come the ports. */
export interface FlowTo {
  /** The ports at the destination: `tcp(3000)`, `udp(53)`, `port("http")`. */
  on(...ports: PortDeclaration[]): FlowOn;
}

/** The ports are known, next comes the reason. */
export interface FlowOn {
  /** Why the flow exists; it is written into the policy. */
  because(reason: Input<string>): FlowBecause;
}

/** The reason is known, the owner completes the flow. */
export interface FlowBecause {
  /** The team that answers for the flow. Completes the declaration. */
  ownedBy(owner: Input<string>, details?: FlowDetails): FlowDeclaration;
}

/** Optional settings of a flow. */
export type FlowDetails = Pick<FlowDeclaration, "critical" | "reviewBy">;

function toPeer(peer: string | PeerDeclaration): PeerDeclaration {
  return typeof peer === "string" ? { workload: peer } : peer;
}

/**
 * Declares a flow as a sentence that is complete when it names its owner:
 * `flow("frontend").to("backend-api").on(tcp(3000)).because("pages need data").ownedBy("web")`.
 */
export function flow(source: SourceLike): FlowFrom {
  const from = toPeer(source);
  return {
    to: (destination) => ({
      on: (...ports) => ({
        because: (reason) => ({
          ownedBy: (owner, details = {}) => ({ from, to: toPeer(destination), ports, reason, owner, ...details }),
        }),
      }),
    }),
  };
}

/** `bypass("api")`: whose pods may be labelled is known, next comes the reason. */
export interface BypassOf {
  /** Why it is needed; it is written into the policy. */
  because(reason: Input<string>): BypassBecause;
}

/** The reason is known, next comes the owner. */
export interface BypassBecause {
  /** The team that answers for the bypass. */
  ownedBy(owner: Input<string>): BypassOwned;
}

/** The owner is known, next comes the end. */
export interface BypassOwned {
  /** Its last day, `2027-03-31`. */
  until(expires: string): BypassUntil;
}

/** The end is known, who may use it completes the bypass. */
export interface BypassUntil {
  /** Groups whose members may put the label on a pod; at least one. Completes the declaration. */
  grantedTo(group: string, ...groups: string[]): BypassDeclaration;
}

/**
 * Declares a bypass for pods of a workload (`api`, `shop/api`) or of a namespace (`allOf("shop")`) as a sentence:
 * `bypass("api").because("incident 7").ownedBy("platform").until("2026-12-01").grantedTo("sre")`.
 */
export function bypass(subject: string | { namespace: string }): BypassOf {
  const of = typeof subject === "string" ? { workload: subject } : subject;
  return {
    because: (reason) => ({
      ownedBy: (owner) => ({
        until: (expires) => ({
          grantedTo: (...grantedTo) => ({ ...of, reason, owner, expires, grantedTo }),
        }),
      }),
    }),
  };
}

/** A TCP port, with its name on the workload if it has one. */
export function tcp(number: Input<number>, name?: string): PortDeclaration {
  return transport(Protocol.TCP, number, name);
}

/** A UDP port. */
export function udp(number: Input<number>, name?: string): PortDeclaration {
  return transport(Protocol.UDP, number, name);
}

/** An SCTP port. */
export function sctp(number: Input<number>, name?: string): PortDeclaration {
  return transport(Protocol.SCTP, number, name);
}

function transport(protocol: Protocol, number: Input<number>, name?: string): PortDeclaration {
  return name === undefined ? { port: number, protocol } : { port: number, protocol, name };
}

/** A range of TCP ports, both ends included. */
export function tcpRange(first: Input<number>, last: Input<number>): PortDeclaration {
  return { port: first, endPort: last, protocol: Protocol.TCP };
}

/** In a flow: the destination's port of this name. */
export function port(name: string): PortDeclaration {
  return { name };
}

/** On a workload: a TCP port that serves Prometheus metrics. */
export function metrics(number: Input<number>, name?: string): PortDeclaration {
  return { ...tcp(number, name), metrics: true };
}

/**
 * A workload: `workload("shop/frontend", { ports: [tcp(3000, "http")] })`.
 *
 * @param path `namespace/name`.
 * @param details What differs from the defaults; labels default to `app: <name>`.
 */
export function workload(path: string, details: WorkloadDetails = {}): WorkloadDeclaration {
  const slash = path.indexOf("/");
  // a path without a namespace is refused by `plan`, together with everything else that is wrong
  return { namespace: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1), ...details };
}

/** The parts of a workload beside its name. */
export interface WorkloadDetails {
  labels?: Input<{ [key: string]: Input<string> }>;
  serviceAccount?: Input<string>;
  ports?: PortDeclaration[];
  hostNetwork?: boolean;
  denyExternal?: boolean;
  metadataAccess?: MetadataAccessDeclaration[];
}

/** A namespace of applications (tier 2), created by the stack unless `existing`. */
export function namespace(name: string, details: Omit<NamespaceDeclaration, "name"> = {}): NamespaceDeclaration {
  return { name, tier: Tier.Applications, ...details };
}

/** Every pod of a namespace, as a peer. */
export function allOf(namespaceName: string): { namespace: string } {
  return { namespace: namespaceName };
}

/** An address range outside the cluster, as a peer. */
export function cidr(
  range: Input<string>,
  except: Input<Input<string>[]> = [],
): { cidr: Input<string>; except?: Input<Input<string>[]> } {
  return Array.isArray(except) && except.length === 0 ? { cidr: range } : { cidr: range, except };
}

/** A DNS name or a pattern of one, as a destination. */
export function fqdn(name: Input<string>): { fqdn: Input<string> } {
  return { fqdn: name };
}

/** The public internet, as a peer. */
export function internet(): { entity: Entity.Internet } {
  return { entity: Entity.Internet };
}

/** The Kubernetes API server, as a peer. */
export function kubeApiserver(): { entity: Entity.KubeApiserver } {
  return { entity: Entity.KubeApiserver };
}

/** The cluster's nodes and everything on their host network, as a peer. */
export function nodes(): { entity: Entity.Nodes } {
  return { entity: Entity.Nodes };
}
