import type {
  Policies,
  PolicyPackConfig,
  PolicyResource,
  ReportViolation,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import { PolicyPack } from "@pulumi/policy";
import * as pulumi from "@pulumi/pulumi";
import type { Finding } from "../sdk/findings";
import { applyExemptions, notUnderstood } from "../sdk/findings";
import { about, descriptionOf } from "./metadata";
import { afterCreation, consequencesText, exemptText, groupText, violationText } from "./messages";
import { isLeftOut, readResource } from "./kubernetes-objects";
import { outputsOverInputs } from "./merge";
import { ObjectPhase } from "./object-phase";
import { toPlain, toPlainWithoutSecrets } from "./plain-values";
import { repair, repairsOf } from "./remediation";
import type { ClusterSecurityGuardArgs, GuardLevel, GuardSettings } from "./settings";
import { configSchema, configured, levelFor, settingsFrom } from "./settings";
import type { ObservedResource } from "./snapshot-from-resources";
import type { StackCircumstances } from "./stack-phase";
import { judgeStack } from "./stack-phase";

export type { AnnotationPlaces, ClusterSecurityGuardArgs, GuardLevel, UndecidableLevels } from "./settings";
export { findingIds } from "./settings";

/** Names of the policies that the pack registers. */
export const policyNames = {
  /** Judges each object at its own registration. Its configuration holds for the two others. */
  objects: "cluster-security",
  /** Judges the whole stack; findings that stop the operation. */
  stack: "cluster-security-stack",
  /** Findings about the whole stack that are only shown. */
  stackAdvisory: "cluster-security-stack-advisory",
} as const;

/**
 * The policies of the pack, for embedding into a pack of one's own:
 * `new PolicyPack("mine", { policies: [...clusterSecurityPolicies({ all: "mandatory" }), ...others] })`.
 *
 * One resource policy records and judges each object; at most one stack policy for each level in use judges the whole.
 * The snapshot is built and evaluated once for both. Each call returns policies with a memory of their own.
 *
 * @throws RangeError for a finding or a level that does not exist.
 */
export function clusterSecurityPolicies(args: ClusterSecurityGuardArgs = {}): Policies {
  const guard = new Guard(settingsFrom(args));
  const mandatory = guard.canBe("mandatory");
  return [guard.objectPolicy(), ...(mandatory ? [guard.stackPolicy("mandatory")] : []), guard.stackPolicy("advisory")];
}

/**
 * The pack as a class: `new ClusterSecurityGuard({ all: "mandatory", "not-understood": "advisory" })` in the index file
 * of a policy pack. Creating it starts serving policies to the Pulumi engine; importing this module does nothing.
 */
export class ClusterSecurityGuard extends PolicyPack {
  /**
   * @param args levels for `all` findings and for single ones, tiers, enforcer.
   * @param name of the pack; default `cluster-security`.
   * @param initialConfig configuration by policy name, as `--policy-pack-config` would give it.
   * @throws RangeError for a finding or a level that does not exist.
   */
  constructor(args: ClusterSecurityGuardArgs = {}, name = "cluster-security", initialConfig?: PolicyPackConfig) {
    super(
      name,
      {
        displayName: "Cluster security",
        description:
          "Blocks Kubernetes stacks whose namespaces lack a default deny or whose pods reach cloud metadata.",
        provider: "kubernetes",
        tags: ["kubernetes", "network-policy", "zero-trust"],
        policies: clusterSecurityPolicies(args),
        enforcementLevel: "mandatory",
      },
      initialConfig,
    );
  }
}

/** The memory that the policies of one pack share. */
class Guard {
  readonly #settings: GuardSettings;
  readonly #objects = new ObjectPhase();
  readonly #inputs = new Map<string, unknown>();
  readonly #leftOut = new Map<string, ObservedResource>();
  /** What was accepted at an object's registration; each use of an exemption is shown. */
  readonly #accepted: Finding[] = [];
  /** Configuration of the resource policy, as far as it has been seen. */
  #config: unknown;
  /** What the stack policy that ran first found for the one that runs next. */
  #pending: { readonly signature: string; readonly forLevel: GuardLevel; readonly findings: Finding[] } | undefined;

  constructor(settings: GuardSettings) {
    this.#settings = settings;
  }

  /** Whether any finding can have this level, in a preview or in an update. */
  canBe(level: GuardLevel): boolean {
    return Object.values(this.#settings.levels).includes(level);
  }

  /** With remediations on, the level is `remediate`; to the engine that is mandatory once repairs are made. */
  objectPolicy(): ResourceValidationPolicy {
    const blocking = this.canBe("mandatory") ? "mandatory" : "advisory";
    const enforcementLevel = this.#settings.remediate ? "remediate" : blocking;
    return {
      ...about("critical"),
      name: policyNames.objects,
      displayName: "Cluster security, object by object",
      description: "An object opens nothing that has to stay closed, judged with everything registered before it.",
      enforcementLevel,
      configSchema,
      remediateResource: (args) => {
        const settings = configured(
          this.#settings,
          safely(() => args.getConfig(), undefined),
        );
        if (!settings.remediate) return undefined;
        const found = safely(() => repairsFor(args, settings), []);
        if (found.length === 0) return undefined;
        repair(args.props, found);
        return args.props;
      },
      validateResource: (args, report) => {
        this.#config = safely(() => args.getConfig(), undefined);
        const settings = configured(this.#settings, this.#config);
        const resource: ObservedResource = { ...identity(args), props: toPlain(args.props), provider: args.provider };
        // not part of the operation: nothing of it is there to be judged
        if (isLeftOut(resource)) return void this.#leftOut.set(resource.urn, resource);
        this.#inputs.set(resource.urn, resource.props);
        const judged = attempt(resource.urn, () => this.#objects.judge(resource, settings, today()));
        const found = applyExemptions(judged, settings.exemptions, today()).findings;
        this.#accepted.push(...found.filter((finding) => finding.exempt === true));
        // What is only shown is left to the stack's policies: they know more, and say it once. A preview goes on
        // after a violation; then a workload behind a policy that was shown is not shown again here.
        const stopping = found.filter(
          (finding) =>
            levelFor(finding, settings, operation()) === "mandatory" &&
            !(operation() === "preview" && this.#objects.hasReported(finding)),
        );
        for (const finding of stopping) {
          this.#objects.markReported(finding);
          reportFinding(report, finding, resource.urn, violationText(finding));
        }
      },
    };
  }

  stackPolicy(level: "mandatory" | "advisory"): StackValidationPolicy {
    const mandatory = level === "mandatory";
    return {
      ...about(mandatory ? "critical" : "medium"),
      name: mandatory ? policyNames.stack : policyNames.stackAdvisory,
      displayName: mandatory ? "Cluster security of the stack" : "Cluster security of the stack, to be known",
      description: mandatory
        ? "Every namespace has a default deny and no pod reaches cloud metadata, decided by computed reachability."
        : "Exempt namespaces and pods, contents that are not visible, and what cannot be decided yet.",
      enforcementLevel: level,
      configSchema,
      validateStack: (args, report) => {
        const config = { ...objectOf(this.#config), ...objectOf(safely(() => args.getConfig(), undefined)) };
        const settings = configured(this.#settings, config);
        const all = args.resources.map((resource) => this.#observe(resource));
        // the engine lists what an operation leaves out, without properties
        const resources = all.filter(({ urn, props }) => !this.#leftOut.has(urn) || !isNothing(props));
        const urns = new Set(resources.map((resource) => resource.urn));
        const fallback = rootUrn(resources);
        const current = operation();
        const found = this.#findings(level, resources, settings).filter(
          (finding) => levelFor(finding, settings, current) === level,
        );
        // said once: it holds for the whole operation
        let consequence = mandatory && current === "update" ? `\n${afterCreation}` : "";
        const violations = found.filter((finding) => finding.exempt !== true);
        const [single, groups] = mandatory ? [violations, []] : alike(violations);
        const consequences = new Set(single.filter((finding) => this.#objects.hasReported(finding)));
        for (const finding of single) {
          if (consequences.has(finding)) continue;
          reportFinding(report, finding, urnOf(finding, urns) ?? fallback, violationText(finding) + consequence);
          consequence = "";
        }
        const further = [...consequences].filter((finding) => !this.#objects.hasShown(finding));
        const [worst] = further;
        if (worst !== undefined) reportFinding(report, worst, fallback, consequencesText(further) + consequence);
        for (const group of groups) reportFinding(report, group[0], fallback, groupText(group));
        for (const group of bySubject(found.filter((finding) => finding.exempt === true))) {
          const first = group[0] as Finding;
          reportFinding(report, first, urnOf(first, urns) ?? fallback, exemptText(group));
        }
      },
    };
  }

  /** Evaluates once for the stack policies of both levels, which run one after the other on the same resources. */
  #findings(level: GuardLevel, resources: readonly ObservedResource[], settings: GuardSettings): Finding[] {
    const signature = JSON.stringify([settings, resources.map((resource) => resource.urn)]);
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending?.signature === signature && pending.forLevel === level) return pending.findings;
    const judged = attempt(rootUrn(resources), () => judgeStack(resources, settings, this.#circumstances(resources)));
    const applied = applyExemptions(judged, settings.exemptions, today());
    const known = new Set(applied.findings.map(subjectAndId));
    const accepted = this.#accepted.filter((finding) => !known.has(subjectAndId(finding)));
    const findings = [...applied.overdue, ...applied.findings, ...accepted];
    this.#pending = { signature, forLevel: level === "mandatory" ? "advisory" : "mandatory", findings };
    return findings;
  }

  #circumstances(resources: readonly ObservedResource[]): StackCircumstances {
    const present = new Set(resources.map(({ urn }) => urn));
    const leftOut = [...this.#leftOut.values()].filter(({ urn }) => !present.has(urn));
    return { today: today(), operation: operation(), rootUrn: rootUrn(resources), leftOut };
  }

  #observe(resource: PolicyResource): ObservedResource {
    const known = identity(resource);
    const inputs = this.#inputs.get(known.urn);
    return {
      ...known,
      props: outputsOverInputs(toPlain(resource.props), inputs),
      inputs,
      provider: resource.provider,
      parentUrn: resource.parent?.urn,
      waitsFor: waitsFor(resource),
      takes: takes(resource),
    };
  }
}

/** What the engine registers before a resource. Children wait for their parents, and those for what they depend on. */
function waitsFor({ dependencies, propertyDependencies, parent, provider }: PolicyResource): string[] {
  const resources = safely(
    () => [...dependencies, ...Object.values(propertyDependencies).flat(), ...(parent === undefined ? [] : [parent])],
    [],
  );
  return [...resources, ...(provider === undefined ? [] : [provider])].map(({ urn }) => String(urn));
}

/** Whose values the properties of a resource take. */
function takes({ propertyDependencies }: PolicyResource): Record<string, readonly string[]> {
  const entries = safely(() => Object.entries(propertyDependencies), []);
  return Object.fromEntries(entries.map(([key, resources]) => [key, resources.map(({ urn }) => String(urn))]));
}

/** Repairs of an object outside tier 0, which is exempt. */
function repairsFor(resource: { type: string; name: string; urn: string; props: unknown }, settings: GuardSettings) {
  const plain = toPlainWithoutSecrets(resource.props);
  const reading = readResource({ ...identity(resource), props: plain });
  const object = reading.is === "objects" && reading.objects.length === 1 ? reading.objects[0] : undefined;
  const home = object?.metadata?.namespace;
  if (object === undefined || (typeof home === "string" && settings.exemptNamespaces.includes(home))) return [];
  // paths are those of the properties themselves
  return repairsOf({ ...(plain as Record<string, unknown>), apiVersion: object.apiVersion, kind: object.kind });
}

function identity(resource: { type: string; name: string; urn: string }): { type: string; name: string; urn: string } {
  return { type: String(resource.type), name: String(resource.name), urn: String(resource.urn) };
}

/**
 * A fault of this pack's own must neither pass for a clean stack nor end the preview in an exception: it is a finding.
 * The error's text is left out, since it may quote a value.
 */
function attempt(urn: string, judge: () => Finding[]): Finding[] {
  try {
    return judge();
  } catch (error) {
    const what = error instanceof Error ? error.constructor.name : "an error";
    return [
      {
        id: notUnderstood.id,
        severity: notUnderstood.severity,
        certainty: "possible",
        subject: { kind: "Cluster", name: "cluster", source: { urn } },
        message: `The check failed by a fault of its own (${what}), so nothing is known`,
        because: ["the policy pack could not finish"],
        fix: "Report it with the object that it happened at, and judge that object by hand until it is repaired.",
        controls: notUnderstood.controls,
      },
    ];
  }
}

/** The date in UTC, `YYYY-MM-DD`. */
function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function subjectAndId({ id, subject: { kind, namespace, name } }: Finding): string {
  return JSON.stringify([id, kind, namespace, name]);
}

/** As many findings of one rule, with the same fix, are shown in one text. */
const fewestAlike = 4;

/** Findings to be shown one by one, and those of which there are many that ask for the same. */
function alike(findings: readonly Finding[]): [Finding[], [Finding, ...Finding[]][]] {
  const groups = new Map<string, [Finding, ...Finding[]]>();
  for (const finding of findings) {
    const { id, fix, severity, certainty } = finding;
    const key = JSON.stringify([id, fix, severity, certainty]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [finding]);
    else group.push(finding);
  }
  // what is only worth knowing is about each object
  const isMany = (group: readonly [Finding, ...Finding[]]): boolean =>
    group.length >= fewestAlike && group[0].severity !== "info";
  const all = [...groups.values()];
  const many = all.filter(isMany);
  const together = new Set(many.flat());
  return [findings.filter((finding) => !together.has(finding)), many];
}

/** Findings about the same subject, together. */
function bySubject(findings: readonly Finding[]): Finding[][] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const { kind, namespace, name, source } = finding.subject;
    const key = JSON.stringify([kind, namespace, name, source?.urn]);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()];
}

/** Whether this is a preview. Launchers that do not say count as an update, which is the stricter of the two. */
function operation(): "preview" | "update" {
  return safely(() => pulumi.runtime.isDryRun(), false) ? "preview" : "update";
}

/** The resource to repair: what causes the finding, else what it is about. */
function urnOf(finding: Finding, urns: ReadonlySet<string>): string | undefined {
  const candidates = [...(finding.causes ?? []).map((cause) => cause.urn), finding.subject.source?.urn];
  return candidates.find((urn): urn is string => urn !== undefined && urns.has(urn));
}

/** The stack itself. A violation without a URN makes some versions of the engine panic (pulumi/pulumi#23692). */
function rootUrn(resources: readonly ObservedResource[]): string {
  return (resources.find((resource) => resource.type === "pulumi:pulumi:Stack") ?? resources[0])?.urn ?? "";
}

/**
 * Reports with the finding's own severity and the description of its rule. `reportViolation` takes an object for that
 * (pulumi-policy#424, #427), which its declaration does not show; a version that does not know it prints the object, so it
 * can be read as text too. The name stays that of the policy: the engine counts policies without a violation as passed.
 */
function reportFinding(report: ReportViolation, finding: Finding, urn: string, message: string): void {
  const severity = finding.severity === "info" ? "low" : finding.severity;
  const description = descriptionOf(finding.id);
  const violation = {
    message,
    urn,
    severity,
    ...(description === undefined ? {} : { description }),
    toString: () => message,
  };
  (report as (message: unknown, urn?: string) => void)(violation, urn);
}

function isNothing(props: unknown): boolean {
  return props === undefined || (typeof props === "object" && props !== null && Object.keys(props).length === 0);
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...(value as Record<string, unknown>) } : {};
}

function safely<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
