import type { PolicyConfigSchema } from "@pulumi/policy";
import type { AnnotationOptions, ExceptionPlaces, Exemption, Finding, RuleId, RuleText } from "../sdk/findings";
import { defaultTiers, exemptionOverdue, rules } from "../sdk/findings";
import { profileFor } from "../sdk/reachability";
import { notInOperation } from "./left-out";
import { liveDrift } from "./live-drift";
import { reachabilityChange } from "./reachability-change";
import { contentsNotVisible } from "./visibility";

/** What a finding does to the operation: stop it, be shown, or nothing. */
export type GuardLevel = "mandatory" | "advisory" | "disabled";

/** What the pack finds beside the rules, by id. */
const beside = {
  "contents-not-visible": contentsNotVisible,
  "live-drift": liveDrift,
  "not-in-operation": notInOperation,
  "reachability-change": reachabilityChange,
  "exemption-overdue": exemptionOverdue,
} satisfies Readonly<Record<string, RuleText>>;

/** The id of something that the pack can find. */
export type FindingId = RuleId | keyof typeof beside;

/** The ids of everything the pack can find. */
export const findingIds: readonly string[] = [...rules.map((rule) => rule.id), ...Object.keys(beside)];

/** How to treat what cannot be decided because a value is not known or something was not understood. */
export interface UndecidableLevels {
  /** Default: `advisory`. A preview knows less than an update, and an update checks again. */
  readonly preview?: GuardLevel;
  /** Default: `mandatory`. */
  readonly update?: GuardLevel;
}

/** Where exemptions are taken from annotations of the objects themselves. */
export type AnnotationPlaces = NonNullable<AnnotationOptions["permitted"]>;

/**
 * Arguments of `ClusterSecurityGuard`: a level for `all` findings, and one for each finding by its id.
 *
 * Without any, findings of severity critical and high are mandatory, the others advisory. What is exempt or only worth
 * knowing (severity info) is advisory at most, and so is what a rule itself grades down to low.
 */
export interface ClusterSecurityGuardArgs extends Readonly<Partial<Record<FindingId, GuardLevel>>> {
  /** The level of every finding that has none of its own. */
  readonly all?: GuardLevel;
  /** Levels for what cannot be decided. Default: see {@link UndecidableLevels}. */
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
  /**
   * Where annotations `exempt.pulumi-cluster-security/<finding>` count: in the namespaces of the `platform` (tiers 0 and 1)
   * and on objects of the whole cluster, in those of `applications` too (tenants excepted), `everywhere`, `nowhere`.
   * `nowhere` also means that no exception between tenants counts; otherwise both sides have to document it.
   * Default: `platform`.
   */
  readonly exemptionAnnotations?: AnnotationPlaces;
  /**
   * A file with what the cluster holds already, as `kubectl get ... -o json` or `-o yaml` writes it. The stack is judged
   * together with it, findings are about what the stack holds or changes, and a preview says which paths it opens and
   * closes. A relative path starts at the pack's folder. Default: the stack is judged alone.
   */
  readonly clusterSnapshot?: string;
  /**
   * The logical name of the provider whose cluster `clusterSnapshot` and `previousState` describe. Default: the stack's
   * only cluster; with more than one the pack refuses to guess.
   */
  readonly clusterSnapshotProvider?: string;
  /** A file with the stack's previous state (`pulumi stack export`), for the paths that a preview opens and closes. */
  readonly previousState?: string;
  /**
   * Repairs that are local and certain, made to an object before it is registered: metadata addresses are added to the
   * exceptions of an `ipBlock` or `toCIDRSet`, and `enableDefaultDeny` says what it means already. Default: false.
   */
  readonly remediate?: boolean;
  /**
   * Render the charts of Helm releases with `helm template`, where Helm is on the PATH and the release needs no
   * credentials, so that the objects inside are judged. Charts by name are fetched. Default: false.
   */
  readonly renderReleases?: boolean;
}

/** {@link ClusterSecurityGuardArgs} with every default filled in. */
export interface GuardSettings {
  readonly levels: Readonly<Record<string, GuardLevel>>;
  readonly undecidable: Required<UndecidableLevels>;
  readonly exemptNamespaces: readonly string[];
  readonly platformNamespaces: readonly string[];
  readonly enforcer?: string;
  readonly exemptions: readonly Exemption[];
  readonly exemptionAnnotations: AnnotationPlaces;
  readonly clusterSnapshot?: string;
  readonly clusterSnapshotProvider?: string;
  readonly previousState?: string;
  readonly remediate: boolean;
  readonly renderReleases: boolean;
}

const places: readonly AnnotationPlaces[] = ["platform", "applications", "everywhere", "nowhere"];
/** Settings that are texts and have no default. */
const texts = ["enforcer", "clusterSnapshot", "clusterSnapshotProvider", "previousState"] as const;

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
  const notFindings: readonly string[] = [
    ...[
      "all",
      "undecidable",
      "exemptNamespaces",
      "platformNamespaces",
      "exemptions",
      "exemptionAnnotations",
      "remediate",
      "renderReleases",
    ],
    ...texts,
  ];
  for (const key of Object.keys(args)) {
    if (!findingIds.includes(key) && !notFindings.includes(key)) {
      throw new RangeError(`"${key}" is no finding of this pack; there are ${findingIds.join(", ")}`);
    }
  }
  levelOf(args as Readonly<Record<string, unknown>>, "all");
  if (args.exemptionAnnotations !== undefined && !places.includes(args.exemptionAnnotations)) {
    throw new RangeError(`"exemptionAnnotations" is none of ${places.join(", ")}`);
  }
  const undecidable = (args.undecidable ?? {}) as Readonly<Record<string, unknown>>;
  return {
    levels,
    undecidable: {
      preview: levelOf(undecidable, "preview") ?? "advisory",
      update: levelOf(undecidable, "update") ?? "mandatory",
    },
    exemptNamespaces: args.exemptNamespaces ?? defaultTiers.exemptNamespaces,
    platformNamespaces: args.platformNamespaces ?? defaultTiers.platformNamespaces,
    ...textsIn(args as Readonly<Record<string, unknown>>),
    exemptions: args.exemptions ?? [],
    exemptionAnnotations: args.exemptionAnnotations ?? "platform",
    remediate: args.remediate ?? false,
    renderReleases: args.renderReleases ?? false,
  };
}

/** The settings that are texts, as far as they are given. */
function textsIn(given: Readonly<Partial<Record<string, unknown>>>): Partial<Record<(typeof texts)[number], string>> {
  return Object.fromEntries(texts.flatMap((key) => (typeof given[key] === "string" ? [[key, given[key]]] : [])));
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
  return ["critical", "high"].includes(severityOf(id) ?? "") ? "mandatory" : "advisory";
}

const severityById = new Map([...rules, exemptionOverdue, liveDrift].map((rule) => [rule.id, rule.severity]));

function severityOf(id: string): Finding["severity"] | undefined {
  return severityById.get(id);
}

/** Where exceptions between tenants count: both sides have to document one, unless annotations count nowhere. */
export function tenantExceptionsOf({ exemptionAnnotations }: GuardSettings): ExceptionPlaces {
  return exemptionAnnotations === "nowhere" ? "nowhere" : "each-side";
}

/** The level a finding has in this operation. */
export function levelFor(finding: Finding, settings: GuardSettings, operation: "preview" | "update"): GuardLevel {
  const level = settings.levels[finding.id] ?? "mandatory";
  if (level === "disabled") return "disabled";
  if (finding.exempt === true || finding.severity === "info") return "advisory";
  // a rule that grades a finding down says that it stops nobody
  if (finding.severity === "low" && severityOf(finding.id) !== "low") return "advisory";
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
    exemptNamespaces: { ...namespaceList, description: "Tier 0: namespaces that are exempt" },
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
    exemptionAnnotations: {
      type: "string",
      enum: [...places],
      description: "Where annotations exempt.pulumi-cluster-security/<finding> count; default: platform",
    },
    clusterSnapshot: {
      type: "string",
      minLength: 1,
      description: "File with what the cluster holds already (kubectl get -o json)",
    },
    clusterSnapshotProvider: {
      type: "string",
      minLength: 1,
      description: "Logical name of the provider whose cluster the snapshot and the previous state describe",
    },
    previousState: { type: "string", minLength: 1, description: "File with the stack's state (pulumi stack export)" },
    remediate: {
      type: "boolean",
      description: "Repair what is local and certain; needs the enforcement level `remediate` of this policy",
    },
    renderReleases: {
      type: "boolean",
      description: "Render the charts of Helm releases with helm template, where helm is on the PATH",
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
    ...textsIn(settings as unknown as Readonly<Record<string, unknown>>),
    ...textsIn(given),
    exemptions: [...settings.exemptions, ...exemptionsIn(given.exemptions)],
    exemptionAnnotations: places.find((each) => each === given.exemptionAnnotations) ?? settings.exemptionAnnotations,
    remediate: typeof given.remediate === "boolean" ? given.remediate : settings.remediate,
    renderReleases: typeof given.renderReleases === "boolean" ? given.renderReleases : settings.renderReleases,
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
