import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Plan, PlannedNamespace, PlannedObject } from "../plan/index";
import { durationText, grantsLabel, grantsLabelValue, namespaceLabels, Tier } from "../plan/index";
import type { BreakGlassTrialArgs, GuardResource } from "./break-glass-trial";
import { tryEndOfBypasses } from "./break-glass-trial";
import { isRealEngine } from "./engine";
import { declaredByAnnotation } from "./declared-by";
import type { ExceptionRecord } from "./exceptions";
import { exceptionsOf } from "./exceptions";
import type { OthersCovered } from "./others";
import type { RegisteredObject, TakenOver } from "./live-check";
import { LiveCheck, noteTakenOver } from "./live-check";
import type { Late } from "./late-values";
import { finalPlan, isLate, lateFields, refuseWrongValues } from "./late-values";
import { isClusterwideDeny } from "./others";
import { typeToken } from "./type-tokens";

/** Summary of what a component deployed; stack policies and other programs read it. */
export interface SecurityPosture {
  /** The dialect the policies are written in. */
  dialect: string;
  /** `enforce`, or `audit` where policies only prepare; single namespaces may differ. */
  mode: string;
  /** Namespaces of tiers 1 and 2 that are declared. */
  heldNamespaces: string[];
  /** Tier 0: no default deny applies there. */
  exemptNamespaces: string[];
  /** Registered policies, as `name` or `namespace/name`. */
  policies: string[];
  /** Declared flows, presets included. */
  flowCount: number;
  /** What the policy API could not express. */
  warnings: string[];
  /** The register of exceptions between tenants. */
  exceptions: ExceptionRecord[];
  /** Who may reach a credential service of the cloud: `shop/api: eks-pod-identity, until 2027-03-31, reason (owner)`. */
  metadataAccess: string[];
  /** Pods whose policies are lifted while they carry a label: `shop/api: <label>, open, reason (owner)`. */
  bypasses: string[];
  /** Who may open bypasses in an emergency: `oncall: shop/api, at most 8h, for sre, reason (owner)`. */
  breakGlass: string[];
  /**
   * Workloads in namespaces that are not declared, which the clusterwide default deny covers all the same, as
   * `namespace/name[Kind]`. Absent unless `defaultDeny.context` names a cluster that could be read.
   */
  othersCovered?: string[];
}

/** The posture that a plan amounts to. */
export function postureOf(plan: Plan): SecurityPosture {
  return {
    dialect: plan.dialect,
    mode: plan.mode,
    heldNamespaces: plan.namespaces.filter(({ tier }) => tier !== Tier.Platform).map(({ name }) => name),
    exemptNamespaces: [...plan.exemptNamespaces],
    policies: plan.documents.map((document) => document.logicalName),
    flowCount: plan.flows.length,
    warnings: plan.warnings.map((warning) => warning.message),
    exceptions: exceptionsOf(plan),
    metadataAccess: plan.metadataAccess.map(({ workload, service, expires, reason, owner }) => {
      const end = expires === undefined ? "" : `until ${expires}, `;
      return `${workload}: ${service}, ${end}${reason} (${owner})`;
    }),
    bypasses: plan.bypasses.map(
      ({ of, label, state, reason, owner }) => `${of}: ${label}, ${state}, ${reason} (${owner})`,
    ),
    breakGlass: plan.breakGlass.map(
      ({ name, of, grantedTo, maxSeconds, reason, owner }) =>
        `${name}: ${of.join(", ")}, at most ${durationText(maxSeconds)}, for ${grantedTo.join(", ")}, ${reason} (${owner})`,
    ),
  };
}

/** What a component registers as its outputs. */
export interface SecurityOutputs {
  readonly policies: pulumi.Output<string[]>;
  readonly namespaces: pulumi.Output<string[]>;
  readonly exemptNamespaces: pulumi.Output<string[]>;
  readonly exceptions: pulumi.Output<ExceptionRecord[]>;
  readonly warnings: pulumi.Output<string[]>;
  readonly posture: pulumi.Output<SecurityPosture>;
}

/** The named outputs of a posture, beside the posture as a whole. */
export function outputsOf(posture: Late<SecurityPosture>, check: PlanCheck | undefined): SecurityOutputs {
  const whole = afterCheck(posture, check);
  // lifted: what is known of it is known, whatever else is not
  return {
    policies: whole.policies,
    namespaces: whole.heldNamespaces,
    exemptNamespaces: whole.exemptNamespaces,
    exceptions: whole.exceptions,
    warnings: whole.warnings,
    posture: whole.apply(withoutMissing),
  };
}

/** Workloads of others that could not be read are no field of the posture. */
function withoutMissing({ othersCovered, ...posture }: SecurityPosture): SecurityPosture {
  const found: string[] | null | undefined = othersCovered;
  return found === undefined || found === null ? posture : { ...posture, othersCovered: found };
}

/** A value that is there once the live check has passed, so that an update in another language fails with it. */
export function afterCheck<T extends object>(value: Late<T>, check: PlanCheck | undefined): pulumi.Output<T> {
  const whole = pulumi.output(value) as unknown as pulumi.Output<T>;
  // a preview checks nothing, and may know a part of the value only
  if (check === undefined || pulumi.runtime.isDryRun()) return whole;
  return pulumi.all([whole, check.passed]).apply(([known]) => known as T);
}

/** The posture together with what the cluster says about workloads of others. */
export function withOthers(posture: Late<SecurityPosture>, { workloads }: OthersCovered): Late<SecurityPosture> {
  return { ...posture, othersCovered: workloads as Promise<string[]> };
}

/** What a component has to say about the registration of its plan. */
export interface RegistrationSettings {
  /** Installs the mesh, once everything that it needs is allowed; its policies and the default deny come later. */
  readonly mesh?: (dependsOn: pulumi.Resource[]) => pulumi.Resource;
  /** Further options of the clusterwide default deny: what keeps it from being removed or narrowed. */
  readonly denyOptions?: OthersCovered["denyOptions"];
  /** Parents of what lies in a namespace of theirs, such as a tenant's; everything else is the parent's. */
  readonly scopes?: ReadonlyMap<string, pulumi.Resource>;
  /** Options of the component, as its user gave them: their aliases say what it was called. */
  readonly component?: pulumi.ComponentResourceOptions | undefined;
  /** Whether the update ends with a look at what is in the cluster. Defaults to true. */
  readonly liveCheck?: boolean | undefined;
  /** How the update tries whether the cluster ends bypasses, where any are granted. */
  readonly breakGlassTrial?: BreakGlassTrialArgs | undefined;
}

/** What an update looks at after it has registered a plan. */
export interface PlanCheck {
  /** There once everything is as it has to be. */
  readonly passed: pulumi.Output<unknown>;
}

/**
 * Registers a plan: a loop, and nothing else. Order is the plan's dependencies, so that destroying runs backwards.
 *
 * Namespaces are literal strings with an explicit dependency, which keeps every input known in a preview that runs
 * before the cluster exists; nothing is made inside `apply`, which `dependsOn: [component]` would not wait for.
 *
 * @param after Resources that come before the first policy, such as the CNI.
 * @returns The checks of what is in the cluster, unless the settings switch them off.
 */
export function registerPlan(
  name: string,
  plan: Plan,
  parent: pulumi.Resource,
  after: pulumi.Resource[],
  settings: RegistrationSettings = {},
): PlanCheck | undefined {
  const { mesh, denyOptions = {}, liveCheck = true } = settings;
  refuseWrongValues(name, plan, parent);
  logWarnings(name, plan, parent);
  const policies = new Map<string, pulumi.CustomResource>();
  const namespaces = new Map<string, pulumi.Resource>();
  const takenOver: TakenOver[] = [];
  const isChecked = liveCheck && isRealEngine();
  const afterCreate = isChecked ? [noteTakenOver(name, takenOver)] : [];
  const optionsOf = childOptions(parent, settings);

  // the explicit metadata deny isolates nothing and covers pods of namespaces that do not exist yet: it comes first
  const beforeNamespaces = plan.documents.filter((document) => document.stage === "metadata-deny");
  const rest = plan.documents.filter((document) => document.stage !== "metadata-deny");
  const register = (document: Plan["documents"][number], before: pulumi.Resource[]): void => {
    const { namespace } = document.object.metadata;
    const home = namespace === undefined ? undefined : namespaces.get(namespace);
    const dependsOn = [
      ...document.dependsOn.map((earlier) => policies.get(earlier)),
      home,
      ...(document.dependsOn.length === 0 ? after : []),
      ...before,
    ].filter((resource) => resource !== undefined);
    const options = optionsOf(document.logicalName, namespace, dependsOn);
    const further = isClusterwideDeny(document) ? denyOptions : {};
    const hooks = withHooks(further.hooks, afterCreate);
    const resource = registerObject(`${name}-${document.logicalName}`, plan, document, {
      ...options,
      ...further,
      ...hooks,
    });
    policies.set(document.logicalName, resource);
  };
  beforeNamespaces.forEach((document) => register(document, []));
  for (const namespace of plan.namespaces) {
    const options = optionsOf(namespace.name, namespace.name, [...after, ...policies.values()]);
    const hooks = namespace.existing ? {} : withHooks(undefined, afterCreate);
    const { labels } = lateFields(plan, (one) => ({ labels: labelsOf(one, namespace) }), true);
    const resource = registerNamespace(`${name}-${namespace.name}`, namespace, labels, { ...options, ...hooks });
    if (resource !== undefined) namespaces.set(namespace.name, resource);
  }
  for (const document of rest) if (!needsMesh(document)) register(document, []);
  const installed = mesh?.([...after, ...namespaces.values(), ...policies.values()]);
  for (const document of rest) if (needsMesh(document)) register(document, installed === undefined ? [] : [installed]);
  return checksOf(
    name,
    plan,
    parent,
    { policies, namespaces: [...namespaces.values()], takenOver, isChecked },
    settings,
  );
}

/** What was registered of a plan. */
interface Registered {
  /** By their logical names. */
  readonly policies: ReadonlyMap<string, pulumi.CustomResource>;
  readonly namespaces: readonly pulumi.Resource[];
  readonly takenOver: readonly TakenOver[];
  /** Whether the live objects are looked at. */
  readonly isChecked: boolean;
}

function checksOf(
  name: string,
  plan: Plan,
  parent: pulumi.Resource,
  { policies, namespaces, takenOver, isChecked }: Registered,
  { breakGlassTrial }: RegistrationSettings,
): PlanCheck | undefined {
  const guards = plan.documents.filter(isGuardOfGrants).flatMap(({ logicalName, object }): GuardResource[] => {
    const resource = policies.get(logicalName);
    return resource === undefined ? [] : [{ name: object.metadata.name, resource }];
  });
  const tried = isRealEngine()
    ? tryEndOfBypasses(name, parent, guards, [...policies.values()], breakGlassTrial)
    : undefined;
  if (!isChecked) return tried === undefined ? undefined : { passed: tried };
  const registered = plan.documents.flatMap(({ logicalName, object }): RegisteredObject[] => {
    const resource = policies.get(logicalName);
    const final = finalPlan(plan).then((one) => objectOf(one, logicalName) ?? object);
    return resource === undefined ? [] : [{ logicalName, object, final, resource }];
  });
  const live = new LiveCheck(`${name}-live`, parent, registered, namespaces, takenOver);
  return tried === undefined ? live : { passed: pulumi.all([live.passed, tried]) };
}

/** The admission policy that holds what is granted in a namespace. */
function isGuardOfGrants({ object: { kind, metadata } }: Plan["documents"][number]): boolean {
  return kind === "ValidatingAdmissionPolicy" && metadata.labels?.[grantsLabel] === grantsLabelValue;
}

function logWarnings(name: string, { warnings, documents }: Plan, parent: pulumi.Resource): void {
  for (const { message, paths } of warnings) {
    void pulumi.log.warn(`${message} (${paths.slice(0, 5).join(", ")})`, parent);
  }
  if (documents.length > 0) return;
  // https://github.com/pulumi/pulumi/issues/8721: a component without children is nothing to wait for
  const what = "registers no policy: nothing is isolated or allowed by it, and a resource that names it in dependsOn";
  void pulumi.log.warn(`${name} ${what} waits for nothing. Declare namespaces, workloads and flows.`, parent);
}

/** Makes the options of each child: its parent, and the names under which the engine may know it. */
function childOptions(
  parent: pulumi.Resource,
  { scopes, component }: RegistrationSettings,
): (logicalName: string, home: string | undefined, dependsOn: pulumi.Resource[]) => pulumi.CustomResourceOptions {
  const formerNames = formerNamesOf(component);
  return (logicalName, home, dependsOn) => {
    const scope = scopes?.get(home ?? "");
    // tenants come and go: what lies in a namespace keeps its identity when it gets a parent in between, or loses it
    const former = scope === undefined ? underAnyTenant(parent) : parent;
    const mayMove = home !== undefined && scopes !== undefined;
    return {
      parent: scope ?? parent,
      dependsOn,
      // names are fixed: the new object of a replacement would be the old one, which is deleted afterwards
      deleteBeforeReplace: true,
      aliases: [
        ...(mayMove ? [{ parent: former }] : []),
        ...formerNames.map((formerName) => ({ name: `${formerName}-${logicalName}` })),
      ],
    };
  };
}

/**
 * What the component was called. The engine hands a parent's alias on to its children, but only where the parent itself is
 * found by it: after an update that was refused because the alias was missing, it is in the state under its new name.
 */
function formerNamesOf(options: pulumi.ComponentResourceOptions | undefined): readonly string[] {
  const aliases: unknown = options?.aliases ?? [];
  if (!Array.isArray(aliases)) return [];
  return aliases.flatMap((alias: unknown): string[] => {
    if (typeof alias === "string") return [alias.slice(alias.lastIndexOf("::") + 2)];
    const { name } = (alias ?? {}) as { name?: unknown };
    return typeof name === "string" ? [name] : [];
  });
}

function withHooks(
  hooks: pulumi.ResourceHookBinding | undefined,
  afterCreate: readonly pulumi.ResourceHook[],
): Pick<pulumi.CustomResourceOptions, "hooks"> {
  return afterCreate.length === 0 ? {} : { hooks: { ...hooks, afterCreate: [...afterCreate] } };
}

/** The URN of a tenant of the component, whatever its name: a child's URN holds the types of its parents only. */
function underAnyTenant(parent: pulumi.Resource): pulumi.Output<string> {
  return apart(parent).apply((urn) => urn.replace(/::[^:]*$/, `$${typeToken("Tenant")}::any`));
}

/** A resource's URN without the dependency on it: a child that depends on its parent would wait for itself. */
function apart(resource: pulumi.Resource): pulumi.Output<string> {
  return pulumi.output(new Promise<string>((resolve) => void resource.urn.apply(resolve)));
}

/** Policies of the mesh need its definitions; a default deny before them would cut off a mesh that is starting. */
function needsMesh({ stage }: Plan["documents"][number]): boolean {
  return stage === "mesh" || stage === "default-deny";
}

function registerNamespace(
  name: string,
  namespace: PlannedNamespace,
  labels: pulumi.Input<Record<string, string>>,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource | undefined {
  if (!namespace.existing) {
    const annotations = { ...namespace.annotations, ...declaredBy(options) };
    const metadata = { name: namespace.name, labels, annotations };
    return new k8s.core.v1.Namespace(name, { metadata }, options);
  }
  const hasAnnotations = Object.keys(namespace.annotations).length > 0;
  if (Object.keys(namespace.labels).length === 0 && !hasAnnotations) return undefined;
  // an existing namespace is patched: owning it would mean deleting it on destroy
  const annotations = hasAnnotations ? { annotations: { ...namespace.annotations } } : {};
  return new k8s.core.v1.NamespacePatch(name, { metadata: { name: namespace.name, labels, ...annotations } }, options);
}

/** What a namespace is labelled with; one that is created also says its tier. */
function labelsOf(plan: Plan, namespace: PlannedNamespace): Record<string, string> {
  const labels = plan.namespaces.find(({ name }) => name === namespace.name)?.labels ?? {};
  return namespaceLabels({ ...namespace, labels });
}

function objectOf({ documents }: Plan, name: string): PlannedObject | undefined {
  return documents.find(({ logicalName }) => logicalName === name)?.object;
}

function registerObject(
  name: string,
  plan: Plan,
  { logicalName, stage, object }: Plan["documents"][number],
  options: pulumi.CustomResourceOptions,
): pulumi.CustomResource {
  const { apiVersion, kind, metadata: planned } = object;
  const opensNothing = stage === "metadata-deny";
  const own = (one: Plan): PlannedObject => structuredClone(objectOf(one, logicalName) ?? object);
  const annotations = lateFields(plan, (one) => own(one).metadata.annotations ?? {}, opensNothing);
  const metadata = {
    ...structuredClone(planned),
    annotations: { ...annotations, ...declaredBy(options, opensNothing ? undefined : plan) },
  };
  const sections = lateFields(plan, (one) => sectionsOf(own(one)), opensNothing);
  if (apiVersion === "networking.k8s.io/v1" && kind === "NetworkPolicy") {
    return new k8s.networking.v1.NetworkPolicy(name, { metadata, ...sections }, options);
  }
  return new k8s.apiextensions.CustomResource(name, { apiVersion, kind, metadata, ...sections }, options);
}

/** Everything of an object but what it is and what it is called. */
function sectionsOf({
  apiVersion: _apiVersion,
  kind: _kind,
  metadata: _metadata,
  ...sections
}: PlannedObject): Sections {
  return sections;
}

interface Sections {
  readonly [section: string]: unknown;
}

/** @param plan Of what is registered after its values were checked: a refused one refuses it, too. */
function declaredBy({ parent }: pulumi.CustomResourceOptions, plan?: Plan): Record<string, pulumi.Input<string>> {
  if (parent === undefined) return {};
  if (plan === undefined || !isLate(plan)) return { [declaredByAnnotation]: apart(parent) };
  return {
    [declaredByAnnotation]: pulumi.all([apart(parent), finalPlan(plan).then(() => true)]).apply(([urn]) => urn),
  };
}

/** Parts of a declaration, any of which is something to hold. */
interface DeclaredParts {
  readonly namespaces?: readonly unknown[];
  readonly workloads?: readonly unknown[];
  readonly flows?: readonly unknown[];
  readonly tenants?: readonly unknown[];
}

/** Says of an empty declaration what it amounts to: most likely something did not reach it. */
export function warnOfEmpty(component: pulumi.Resource, args: DeclaredParts, { documents }: Plan): void {
  const { namespaces = [], workloads = [], flows = [], tenants = [] } = args;
  const isEmpty = [namespaces, workloads, flows, tenants].every((part) => part.length === 0);
  if (!isEmpty || documents.length === 0) return;
  const what = documents.some(isClusterwideDeny)
    ? "the default deny isolates every pod outside the exempt namespaces, and no flow is allowed"
    : "no namespace is isolated, and no flow is allowed";
  void pulumi.log.warn(`The declaration names no namespace, workload, flow or tenant: ${what}.`, component);
}
