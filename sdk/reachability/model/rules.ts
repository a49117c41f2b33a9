/** Normalized rules: what policies of every policy API are read into. */
import type { PolicySource } from "./policy-source";
import type { AddressSet } from "./sets/addresses";
import type { PortProtocol, TrafficSet } from "./sets/ports";
import type { Condition } from "./selectors/conditions";
import type { Tri } from "./unknown";
import type { Direction } from "./direction";

/** Cilium's names for groups of peers (pkg/policy/api/entity.go). */
export type Entity =
  | "all"
  | "world"
  | "world-ipv4"
  | "world-ipv6"
  | "cluster"
  | "host"
  | "remote-node"
  | "kube-apiserver"
  | "ingress"
  | "health"
  | "init"
  | "unmanaged"
  | "none";

/** What a rule says about the peer. */
export type PeerTerm =
  /** Everything, inside the cluster and outside. */
  | { readonly kind: "any" }
  /** Pods of the cluster that are not on the host network. */
  | { readonly kind: "pods"; readonly where: Condition }
  /** Whatever carries labels to Cilium: pods and the reserved identities (world, host, …). */
  | { readonly kind: "identities"; readonly where: Condition }
  | { readonly kind: "entity"; readonly entity: Entity }
  | CidrTerm
  /** Nodes by their labels. */
  | { readonly kind: "nodes"; readonly where: Condition }
  /** Names outside the cluster, in the form of {@link DnsPattern}. */
  | {
      readonly kind: "fqdn";
      readonly pattern: DnsPattern;
      /** By the name that the client asks for, whatever addresses the enforcer knows of it (Istio). */
      readonly asked?: true;
    }
  | { readonly kind: "and"; readonly of: readonly PeerTerm[] }
  | { readonly kind: "or"; readonly of: readonly PeerTerm[] }
  | { readonly kind: "not"; readonly of: PeerTerm }
  /** Not known or not understood: it may be anybody. */
  | { readonly kind: "uncertain" };

/** Addresses outside the cluster; pods and nodes too where the enforcer's profile says so. */
export interface CidrTerm {
  readonly kind: "cidr";
  /** The CIDRs without their exceptions. */
  readonly set: AddressSet;
  /** The exceptions, where there are any. */
  readonly except?: AddressSet;
  /** Matches any address that fits, whoever has it and whatever the enforcer's profile says (Istio). */
  readonly literal?: boolean;
}

/** A DNS name or pattern; `expression` is anchored and matches lower-case names without the final dot. */
export interface DnsPattern {
  readonly text: string;
  readonly expression: RegExp;
  /** Strangers can register a name that fits, and point it anywhere. */
  readonly broad: boolean;
  /** Which names are meant is not known: it may be those that fit. */
  readonly perhaps?: true;
}

/** A container port by name. Without a protocol: of any. */
export interface NamedPort {
  readonly name: string;
  readonly protocol?: PortProtocol;
}

/** What a rule says about protocols and ports. Named ports are resolved on the destination. */
export interface L4Spec {
  readonly must: TrafficSet;
  readonly may: TrafficSet;
  readonly named: readonly NamedPort[];
  /** The items of a list of ports one by one, where there is more than one: enforcers may enter each by itself. */
  readonly items?: readonly TrafficSet[];
  /** Named ports that the rule leaves out (Calico's notPorts). */
  readonly notNamed?: readonly NamedPort[];
}

export type RuleVerdict = "allow" | "deny" | "pass";

/** One rule of a policy in one direction. */
export interface Rule {
  readonly direction: Direction;
  readonly verdict: RuleVerdict;
  /** The peer has to fit one of these; none fits where the list is empty. */
  readonly peers: readonly PeerTerm[];
  readonly l4: L4Spec;
  /** What the rule says about the policy's own side, besides the subject (Calico). */
  readonly own?: PeerTerm;
  /** Path inside the object: `spec.ingress[0]`. */
  readonly path: string;
  /** The rule also looks at layer 7 (HTTP, DNS, TLS): to the engine an opaque allow. */
  readonly l7?: boolean;
  /** What the rule asks of HTTP requests: it is about those that fit, and on ports that carry none about nothing. */
  readonly http?: HttpCondition;
  /** The policy does not say so: it stands for what its enforcer does not look at. */
  readonly implied?: true;
  /** Clients of the mesh send plaintext here (PeerAuthentication DISABLE). */
  readonly plaintext?: boolean;
  /** The rule lets a DNS proxy see answers, which names in rules depend on. */
  readonly dnsProxy?: boolean;
  /** The names whose answers the proxy lets through, and learns addresses from. */
  readonly dnsNames?: readonly DnsPattern[];
}

/** What a rule asks of an HTTP request. */
export interface HttpCondition {
  /** As a person would say it: `GET /api/*`. */
  readonly text: string;
  /** Every HTTP request fits. */
  readonly always: boolean;
  /** No HTTP request fits: all that is asked for is left out too. */
  readonly never?: true;
}

/** How the rules of a tier are combined. */
type Combinator =
  /** Deny rules first, then allow rules, in no order. */
  | "additive"
  /** The first rule that matches decides. */
  | "firstMatch";

/** A stage of evaluation. Tiers are consulted in `order`; what no tier decides is allowed. */
export interface Tier {
  readonly id: string;
  readonly order: number;
  readonly combinator: Combinator;
  /**
   * The tier is no stage on the way to the pod's own policies: it judges traffic where it enters or leaves the node, if it
   * passes there at all, and what it lets pass goes on to the others (Calico's policies of host endpoints).
   */
  readonly onTheWay?: true;
}

/** Whom a policy protects. */
export interface Subject {
  readonly kind: "pods" | "nodes";
  readonly where: Condition;
}

/** What a policy says in one direction. */
export interface DirectionRules {
  /** Whether traffic that the tier's rules do not decide is denied for the subjects. */
  readonly isolates: Tri;
  readonly rules: readonly Rule[];
}

/** A policy (or one `specs` entry of a Cilium policy) as normalized rules. */
export interface CompiledPolicy {
  readonly origin: PolicySource;
  readonly tier: Tier;
  /** Place inside the tier: smaller first; ties by kind, namespace and name. */
  readonly order: number;
  readonly subject: Subject;
  readonly ingress?: DirectionRules;
  readonly egress?: DirectionRules;
}

/** Policies of a snapshot as normalized rules. */
export interface RuleBook {
  /** What the network enforces. */
  readonly policies: readonly CompiledPolicy[];
  /** What the service mesh enforces on ingress besides. */
  readonly mesh: readonly CompiledPolicy[];
  /** What sidecars of the mesh let out of pods, before the network sees it. */
  readonly meshEgress?: readonly CompiledPolicy[];
  /** What Istio's waypoints enforce on traffic that passes them on its way to the subjects. */
  readonly waypoint?: readonly CompiledPolicy[];
  /** Names on the way to which a waypoint decides by policies of its own. */
  readonly waypointHosts?: readonly DnsPattern[];
}

/** Tiers of Kubernetes and Cilium; Calico's own are made from its Tier objects. */
export const tiers = {
  /** Policies that were not understood at all: they may allow or deny anything. */
  unread: { id: "unread", order: -Infinity, combinator: "firstMatch" },
  admin: { id: "Admin", order: 0, combinator: "firstMatch" },
  normal: { id: "NetworkPolicy", order: 1, combinator: "additive" },
  baseline: { id: "Baseline", order: 2, combinator: "firstMatch" },
  /** What a client's sidecar lets out (outboundTrafficPolicy). */
  meshEgress: { id: "outboundTrafficPolicy", order: -1, combinator: "firstMatch" },
  /** PeerAuthentication: who may connect without mutual TLS. */
  meshTransport: { id: "PeerAuthentication", order: 0, combinator: "firstMatch" },
  /** AuthorizationPolicy with targetRefs, at a waypoint. */
  waypoint: { id: "waypoint", order: 2, combinator: "additive" },
  /** AuthorizationPolicy. */
  meshAuthorization: { id: "AuthorizationPolicy", order: 1, combinator: "additive" },
} as const satisfies Record<string, Tier>;
