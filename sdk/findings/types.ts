import type { Reachability, Source } from "../reachability";
import type { ControlRef } from "./controls";
import type { ExceptionPlaces } from "./exception-places";

/** How bad it is when the finding is true. `info` is worth knowing and nothing to repair. */
export type Severity = "critical" | "high" | "medium" | "low" | "info";

/** From bad to harmless. */
export const severities: readonly Severity[] = ["critical", "high", "medium", "low", "info"];

/**
 * `definite`: the objects show it. `possible`: some value is not known yet, or something was not understood, and one of
 * the ways to fill it in makes the finding true.
 */
export type Certainty = "definite" | "possible";

/** What a finding is about. */
export interface Subject {
  /** A Kubernetes kind (`Namespace`, `Deployment`, `CiliumNetworkPolicy`) or `Cluster`. */
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly source?: Source;
}

/**
 * One thing that is wrong, or possibly wrong, or right only because it is exempt.
 *
 * `message`, `because` and `fix` hold object names, field paths, addresses and ports, and no other value of any field:
 * they may go into a log that must not hold secrets. `detail` may quote values; print it only where the reader may see
 * the objects themselves.
 */
export interface Finding {
  /** The id of the rule that found it. */
  readonly id: string;
  readonly severity: Severity;
  readonly certainty: Certainty;
  readonly subject: Subject;
  /** What is wrong, in one sentence. */
  readonly message: string;
  /** The objects and fields that make it so, one sentence each, most important first. */
  readonly because: readonly string[];
  /** What to do about it. */
  readonly fix: string;
  readonly controls: readonly ControlRef[];
  /** True when the subject is exempt (tier 0, host network): reported, never a violation. */
  readonly exempt?: boolean;
  readonly detail?: readonly string[];
  /** The objects that cause it, where some object does (nothing causes an absence). */
  readonly causes?: readonly Source[];
}

/** The tiers of the cluster. */
export interface Tiers {
  /** Tier 0: namespaces that are exempt from all rules; each is reported as exempt. */
  readonly exemptNamespaces: readonly string[];
  /**
   * Tier 1: shared services. A rule of theirs may name other pods of the cluster and the nodes for the whole namespace
   * (metrics are scraped everywhere); it must not name the world.
   */
  readonly platformNamespaces: readonly string[];
}

/** What every rule sees. */
export interface RuleContext {
  readonly reachability: Reachability;
  readonly tiers: Tiers;
  /**
   * Workloads that stand for pods which do not exist yet, by workload id, and what to call them ("pods that
   * CiliumNetworkPolicy shop/x selects").
   */
  readonly standIns: ReadonlyMap<string, string>;
  /** The tenant of each namespace that belongs to one. */
  readonly tenants: ReadonlyMap<string, string>;
  /** See {@link FindingOptions.tenantExceptions}. */
  readonly tenantExceptions: ExceptionPlaces;
  /** What names of policies look like. */
  readonly policyNames: RegExp;
  /** `YYYY-MM-DD` (UTC). Without it no date is overdue; a date that is none is a finding nevertheless. */
  readonly today?: string;
  /** See {@link FindingOptions.dependencies}. */
  readonly dependencies?: ReadonlyMap<string, readonly string[]>;
}

/** One rule over a snapshot. Rules are pure and total: malformed input is a finding or a problem, never an exception. */
export interface Rule {
  /** Kebab-case, stable: configuration, reports and exemptions name it. */
  readonly id: string;
  readonly title: string;
  /** The severity of its definite violations. */
  readonly severity: Severity;
  /** Why it matters, in a sentence or two. */
  readonly why: string;
  /** What is checked and how it is decided. */
  readonly description: string;
  /** The general way to repair it; each finding carries the specific one. */
  readonly remediation: string;
  readonly controls: readonly ControlRef[];
  check(context: RuleContext): Iterable<Finding>;
}

/** A rule without its check: what documentation and reports list. */
export type RuleText = Omit<Rule, "check">;

/** Options of {@link evaluate}. */
export interface FindingOptions {
  /** Tier 0. Default: {@link defaultTiers}. */
  readonly exemptNamespaces?: readonly string[];
  /** Tier 1. Default: {@link defaultTiers}. */
  readonly platformNamespaces?: readonly string[];
  /** See {@link RuleContext.standIns}. Default: none. */
  readonly standIns?: ReadonlyMap<string, string>;
  /** The tenant of each namespace that belongs to one. Default: what the namespaces' labels say (`tenantLabels`). */
  readonly tenants?: Readonly<Record<string, string>>;
  /** Labels of namespaces that name a tenant, first one first. Default: {@link defaultTenantLabels}. */
  readonly tenantLabels?: readonly string[];
  /**
   * Where exceptions between tenants may be documented (annotation `pulumi-cluster-security/exception`):
   *
   * - `each-side` (the default): on any policy; one in a tenant's namespace speaks for that side alone, and the other side
   *   has to document the same exception.
   * - `platform`: on policies of the whole cluster and of the namespaces of tiers 0 and 1 only.
   * - `nowhere`.
   */
  readonly tenantExceptions?: ExceptionPlaces;
  /** What names of policies look like. Default: {@link defaultPolicyNames}. */
  readonly policyNames?: RegExp;
  /**
   * The date, `YYYY-MM-DD` (UTC), for rules about expiry and review; given by the caller because this room has no clock.
   * Default: no date is overdue.
   */
  readonly today?: string;
  /**
   * Which resource waits for which when a stack is registered: URN → URNs that it depends on (its `dependsOn`, its
   * provider's and its parents' included). Needed by `order-hazard`; without it, order is not judged. Objects are found
   * by `source.urn`.
   */
  readonly dependencies?: ReadonlyMap<string, readonly string[]>;
  /** Only these rules. Default: all. */
  readonly rules?: readonly Rule[];
}

/** What usually runs the cluster itself (tier 0), and what usually serves every application (tier 1). */
export const defaultTiers: Tiers = Object.freeze({
  exemptNamespaces: Object.freeze(["kube-system", "flux-system", "cilium", "cilium-secrets"]),
  platformNamespaces: Object.freeze(["observability", "cert-manager", "external-secrets"]),
});

/** Labels that name the tenant of a namespace: this package's own, and those of Capsule and of plain convention. */
export const defaultTenantLabels: readonly string[] = Object.freeze([
  "pulumi-cluster-security/tenant",
  "capsule.clastix.io/tenant",
  "tenant",
]);

/**
 * Names as the users' documents have them: `default-deny-all`, `deny-external-to-postgresql`,
 * `allow-dns`, `allow-<from>-to-<to>`, `tier1-cert-manager-egress`.
 */
export const defaultPolicyNames = /^(default-deny|deny|allow|tier[0-9]+)(-[a-z0-9.]+)*$/;
