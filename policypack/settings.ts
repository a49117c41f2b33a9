import type { PolicyConfigSchema } from "@pulumi/policy";
import type { Exemption, Finding } from "../sdk/findings";
import { defaultTiers, exemptionOverdue, rules } from "../sdk/findings";
import { profileFor } from "../sdk/reachability";
import { contentsNotVisible } from "./visibility";

/** What a finding does to the operation: stop it, be shown, or nothing. */
export type GuardLevel = "mandatory" | "advisory" | "disabled";

/** The ids of everything the pack can find. */
export const findingIds: readonly string[] = [
  ...rules.map((rule) => rule.id),
  contentsNotVisible.id,
  exemptionOverdue.id,
];

/** How to treat what cannot be decided because a value is not known or something was not understood. */
export interface UndecidableLevels {
  /** Default: `advisory`. A preview knows less than an update, and an update checks again. */
  readonly preview?: GuardLevel;
  /** Default: `mandatory`. */
  readonly update?: GuardLevel;
}

/**
 * Arguments of `ClusterSecurityGuard`: a level for `all` findings, and one for each finding by its id.
 *
 * Without any, findings of severity critical and high are mandatory, the others advisory. What is exempt is reported as
 * advisory, unless its finding is disabled.
 */
export interface ClusterSecurityGuardArgs {
  readonly all?: GuardLevel;
  readonly "namespace-default-deny"?: GuardLevel;
  readonly "metadata-endpoints-closed"?: GuardLevel;
  readonly "enforcement-off"?: GuardLevel;
  readonly "tier0-restricted"?: GuardLevel;
  readonly "not-understood"?: GuardLevel;
  readonly "internet-exposure"?: GuardLevel;
  readonly "internet-egress"?: GuardLevel;
  readonly "fqdn-too-broad"?: GuardLevel;
  readonly "fqdn-without-dns-proxy"?: GuardLevel;
  readonly "all-ports-rule"?: GuardLevel;
  readonly "spoofable-peer"?: GuardLevel;
  readonly "explicit-default-deny"?: GuardLevel;
  readonly "half-open-flow"?: GuardLevel;
  readonly "dns-cut"?: GuardLevel;
  readonly "host-access"?: GuardLevel;
  readonly "cluster-admin-binding"?: GuardLevel;
  readonly "cross-tenant-path"?: GuardLevel;
  readonly "cross-tier-path"?: GuardLevel;
  readonly "encryption-off"?: GuardLevel;
  readonly "chart-value-ignored"?: GuardLevel;
  readonly "flow-observability-off"?: GuardLevel;
  readonly "staged-only"?: GuardLevel;
  readonly "label-only-identity"?: GuardLevel;
  readonly "dead-rule"?: GuardLevel;
  readonly "default-deny-side-effect"?: GuardLevel;
  readonly "kube-api-cut"?: GuardLevel;
  readonly "probe-cut"?: GuardLevel;
  readonly "webhook-cut"?: GuardLevel;
  readonly "health-endpoint-cut"?: GuardLevel;
  readonly "fqdn-matches-nothing"?: GuardLevel;
  readonly "order-hazard"?: GuardLevel;
  readonly "bypass-undocumented"?: GuardLevel;
  readonly "naming-convention"?: GuardLevel;
  readonly "name-contradicts-effect"?: GuardLevel;
  readonly "review-overdue"?: GuardLevel;
  readonly "annotation-without-effect"?: GuardLevel;
  readonly "replication-cut"?: GuardLevel;
  readonly "admin-port-open"?: GuardLevel;
  readonly "mail-egress"?: GuardLevel;
  readonly "empty-rule"?: GuardLevel;
  readonly "host-network-selected"?: GuardLevel;
  readonly "port-nobody-listens"?: GuardLevel;
  readonly "mtls-not-strict"?: GuardLevel;
  readonly "mtls-port-hole"?: GuardLevel;
  readonly "mesh-authorization-default"?: GuardLevel;
  readonly "mesh-principal-wildcard"?: GuardLevel;
  readonly "contents-not-visible"?: GuardLevel;
  readonly "exemption-overdue"?: GuardLevel;
  readonly undecidable?: UndecidableLevels;
  /** Tier 0. Default: kube-system, flux-system, cilium, cilium-secrets. */
  readonly exemptNamespaces?: readonly string[];
  /** Tier 1. Default: observability, cert-manager, external-secrets. */
  readonly platformNamespaces?: readonly string[];
  /**
   * What enforces policies: `cilium`, `cilium@1.20`, `calico@3.32`, `kubernetes`. Default: inferred from the stack
   * (a Cilium release or any Cilium policy means Cilium), else `kubernetes`, the API's own text.
   */
  readonly enforcer?: string;
  /** Findings that somebody accepts for a time. Each use is reported; an exemption that has ended is a violation. */
  readonly exemptions?: readonly Exemption[];
}

/** {@link ClusterSecurityGuardArgs} with every default filled in. */
export interface GuardSettings {
  readonly levels: Readonly<Record<string, GuardLevel>>;
  readonly undecidable: Required<UndecidableLevels>;
  readonly exemptNamespaces: readonly string[];
  readonly platformNamespaces: readonly string[];
  readonly enforcer?: string;
  readonly exemptions: readonly Exemption[];
}

const levelNames: readonly GuardLevel[] = ["mandatory", "advisory", "disabled"];

/**
 * The settings that arguments mean.
 *
 * @throws RangeError for a level, a finding or an enforcer that does not exist: a typing error must not switch a check off.
 */
export function settingsFrom(args: ClusterSecurityGuardArgs = {}): GuardSettings {
  if (args.enforcer !== undefined) profileFor(args.enforcer);
  const levels: Record<string, GuardLevel> = {};
  for (const id of findingIds) {
    levels[id] = levelOf(args as Readonly<Record<string, unknown>>, id) ?? args.all ?? defaultLevel(id);
  }
  const notFindings = ["all", "undecidable", "exemptNamespaces", "platformNamespaces", "enforcer", "exemptions"];
  for (const key of Object.keys(args)) {
    if (!findingIds.includes(key) && !notFindings.includes(key)) {
      throw new RangeError(`"${key}" is no finding of this pack; there are ${findingIds.join(", ")}`);
    }
  }
  levelOf(args as Readonly<Record<string, unknown>>, "all");
  const undecidable = (args.undecidable ?? {}) as Readonly<Record<string, unknown>>;
  return {
    levels,
    undecidable: {
      preview: levelOf(undecidable, "preview") ?? "advisory",
      update: levelOf(undecidable, "update") ?? "mandatory",
    },
    exemptNamespaces: args.exemptNamespaces ?? defaultTiers.exemptNamespaces,
    platformNamespaces: args.platformNamespaces ?? defaultTiers.platformNamespaces,
    ...(args.enforcer === undefined ? {} : { enforcer: args.enforcer }),
    exemptions: args.exemptions ?? [],
  };
}

function levelOf(args: Readonly<Record<string, unknown>>, key: string): GuardLevel | undefined {
  const level = args[key];
  if (level === undefined) return undefined;
  if (!levelNames.includes(level as GuardLevel)) {
    throw new RangeError(`"${key}" has a level that does not exist; use ${levelNames.join(", ")}`);
  }
  return level as GuardLevel;
}

function defaultLevel(id: string): GuardLevel {
  const rule = [...rules, exemptionOverdue].find((each) => each.id === id);
  return rule !== undefined && (rule.severity === "critical" || rule.severity === "high") ? "mandatory" : "advisory";
}

/** The level a finding has in this operation. */
export function levelFor(finding: Finding, settings: GuardSettings, operation: "preview" | "update"): GuardLevel {
  const level = settings.levels[finding.id] ?? "mandatory";
  if (level === "disabled") return "disabled";
  if (finding.exempt === true || finding.severity === "info" || finding.severity === "low") return "advisory";
  return finding.certainty === "possible" ? weaker(level, settings.undecidable[operation]) : level;
}

function weaker(a: GuardLevel, b: GuardLevel): GuardLevel {
  return levelNames[Math.max(levelNames.indexOf(a), levelNames.indexOf(b))] as GuardLevel;
}

const namespaceList = { type: "array" as const, items: { type: "string" as const }, uniqueItems: true };
const level = { type: "string" as const, enum: [...levelNames] };

/** The configuration of the policy `cluster-security`; it holds for the stack's policies too. */
export const configSchema: PolicyConfigSchema = {
  properties: {
    findings: {
      type: "object",
      description: "A level for each finding by its id",
      properties: Object.fromEntries(findingIds.map((id) => [id, level])),
      additionalProperties: false,
    },
    undecidable: {
      type: "object",
      description: "Levels for what cannot be decided",
      properties: { preview: level, update: level },
      additionalProperties: false,
    },
    exemptNamespaces: { ...namespaceList, description: "Tier 0: namespaces that are not held to account" },
    platformNamespaces: { ...namespaceList, description: "Tier 1: namespaces with controlled access" },
    enforcer: {
      type: "string",
      pattern: "^(kubernetes|cilium|calico)(@v?[0-9]+([.][0-9]+){0,2})?$",
      description: "What enforces policies; inferred from the stack if left out",
    },
    exemptions: {
      type: "array",
      description: "Findings that somebody accepts for a time",
      items: {
        type: "object",
        properties: {
          finding: { type: "string", enum: [...findingIds] },
          namespace: { type: "string" },
          kind: { type: "string" },
          name: { type: "string" },
          owner: { type: "string", minLength: 1 },
          reason: { type: "string", minLength: 1 },
          expires: { type: "string", pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" },
        },
        required: ["finding", "owner", "reason", "expires"],
        additionalProperties: false,
      },
    },
  },
};

/**
 * Settings with the configuration of the running operation laid over them. Configuration was checked against the schema
 * by the engine; what is still of the wrong shape is ignored, and the stricter built-in value stays.
 */
export function configured(settings: GuardSettings, config: unknown): GuardSettings {
  if (typeof config !== "object" || config === null) return settings;
  const given = config as Readonly<Record<string, unknown>>;
  return {
    levels: { ...settings.levels, ...levelsIn(given.findings, findingIds) },
    undecidable: { ...settings.undecidable, ...levelsIn(given.undecidable, ["preview", "update"]) },
    exemptNamespaces: stringsIn(given.exemptNamespaces) ?? settings.exemptNamespaces,
    platformNamespaces: stringsIn(given.platformNamespaces) ?? settings.platformNamespaces,
    ...enforcerIn(given.enforcer, settings.enforcer),
    exemptions: [...settings.exemptions, ...exemptionsIn(given.exemptions)],
  };
}

function levelsIn(value: unknown, keys: readonly string[]): Record<string, GuardLevel> {
  if (typeof value !== "object" || value === null) return {};
  const given = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    keys
      .filter((key) => levelNames.includes(given[key] as GuardLevel))
      .map((key) => [key, given[key] as GuardLevel] as const),
  );
}

/** Shapes are checked where exemptions are applied: one that is incomplete is reported, not passed over. */
function exemptionsIn(value: unknown): Exemption[] {
  return Array.isArray(value)
    ? value.filter((item): item is Exemption => typeof item === "object" && item !== null)
    : [];
}

function stringsIn(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? (value as string[]) : undefined;
}

function enforcerIn(value: unknown, otherwise: string | undefined): { enforcer?: string } {
  const enforcer = typeof value === "string" ? value : otherwise;
  return enforcer === undefined ? {} : { enforcer };
}
