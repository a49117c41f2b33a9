import * as pulumi from "@pulumi/pulumi";
import semver from "semver";
import { ciliumValues, mergeValues } from "../charts/index";
import { calicoPendingPolicies, ciliumMonitoringValues } from "../monitoring/index";
import { checkArguments, isAnything, isObject } from "./arguments";
import type { BreakGlassTrialArgs } from "./break-glass-trial";
import { trialArguments } from "./break-glass-trial";
import type { ClusterSecurityDeclaration, Plan } from "../plan/index";
import { plan } from "../plan/index";
import type { CalicoCniArgs } from "./calico-cni";
import { CalicoCni, calicoArguments } from "./calico-cni";
import type { CiliumCniArgs } from "./cilium-cni";
import { CiliumCni, ciliumArguments } from "./cilium-cni";
import type { CniArgs } from "./cnis/cni";
import { enforcementOf } from "./enforcement";
import type { IstioMeshArgs } from "./istio-mesh";
import { IstioMesh, istioArguments } from "./istio-mesh";
import type { DefaultDenyArgs, OthersArgs } from "./others";
import { coverOthers, defaultDenyOf, ownArguments } from "./others";
import type { ExceptionRecord } from "./exceptions";
import { today } from "./exceptions";
import { lateFields, readDeclaration } from "./late-values";
import type { ObservabilityArgs } from "./policy-observability";
import { observabilityArguments, observe, registerObservability } from "./policy-observability";
import type { SecurityPosture } from "./register";
import { outputsOf, postureOf, registerPlan, warnOfEmpty, withOthers } from "./register";
import { TenantScope } from "./tenant";
import { typeToken } from "./type-tokens";

/** Arguments of `ClusterSecurity`: the declaration, and what enforces it. */
export interface ClusterSecurityArgs extends ClusterSecurityDeclaration {
  /**
   * Cilium or Calico, installed by the stack or (`existing: true`) there already. Defaults to none: nothing is installed.
   */
  cni?: CniArgs;
  /**
   * Istio, installed by the stack or (`existing: true`) there already. With it the declaration has a mesh, of the same
   * mode. Defaults to none: nothing is installed.
   */
  istio?: IstioMeshArgs;
  /**
   * Rules, monitors and dashboards, registered before the first policy; Cilium, where the stack installs it, then exports
   * metrics and flows. Defaults to none.
   */
  observability?: ObservabilityArgs;
  /** The clusterwide default deny: whether it may be removed, and in which cluster to look for whom it covers. */
  defaultDeny?: DefaultDenyArgs;
  /**
   * The former name of `defaultDeny`.
   *
   * @deprecated Use `defaultDeny`.
   */
  others?: OthersArgs;
  /**
   * Whether an update ends with a check of the live policies, and fails where their effect is not what is declared.
   * Defaults to true.
   */
  liveCheck?: boolean;
  /**
   * Where bypasses are granted, an update tries with a timer of 30 seconds whether the cluster ends them, and fails where it does
   * not. Skips it, or names the cluster.
   */
  breakGlassTrial?: BreakGlassTrialArgs;
}

const cniArguments = { kind: isAnything, ...ciliumArguments, ...calicoArguments };

/** What enforces a declaration, and the plan of it. */
type PlannedEnforcement = ReturnType<typeof enforcementOf> & { readonly planned: Plan };

/** Reads and plans a declaration, parts of which may be known only late. */
function planEnforced(
  declared: ClusterSecurityDeclaration,
  cni: CniArgs | undefined,
  istio: IstioMeshArgs | undefined,
): PlannedEnforcement {
  return readDeclaration<ClusterSecurityDeclaration, PlannedEnforcement>(
    declared,
    (declaration) => {
      const enforcement = enforcementOf(declaration, cni, istio);
      const { declaration: whole } = enforcement;
      return { ...enforcement, planned: plan({ ...whole, asOf: whole.asOf ?? today() }) };
    },
    ({ planned }) => planned,
  );
}

/** The CNI, as a list: empty where none was asked for. */
function registerCni(
  name: string,
  { cilium, calico }: PlannedEnforcement,
  observability: ObservabilityArgs | undefined,
  parent: pulumi.Resource,
): pulumi.Resource[] {
  if (calico !== undefined) {
    const isObserved = observability !== undefined && calico.existing !== true;
    return [new CalicoCni(name, isObserved ? observedCalico(calico) : calico, { parent })];
  }
  if (cilium === undefined) return [];
  const isObserved = observability !== undefined && cilium.existing !== true;
  return [new CiliumCni(name, isObserved ? observedCilium(cilium, observability) : cilium, { parent })];
}

/** The scope of each tenant, by its namespaces. */
function tenantScopes(name: string, plan: Plan, parent: pulumi.Resource): ReadonlyMap<string, pulumi.Resource> {
  return new Map(
    plan.tenants.flatMap((tenant) => {
      const scope = new TenantScope(`${name}-${tenant.name}`, plan, tenant, { parent });
      return tenant.namespaces.map((namespace): [string, pulumi.Resource] => [namespace, scope]);
    }),
  );
}

/** Cilium with the metrics that the rules read; what the user sets comes last. */
function observedCilium(args: CiliumCniArgs, observability: ObservabilityArgs): CiliumCniArgs {
  const { flowLog, podLabels, scrapeInterval = 15 } = observability;
  const { version } = ciliumValues({ version: args.version });
  const values = ciliumMonitoringValues(version, { flowLog, interval: `${scrapeInterval}s`, podLabels });
  return { ...args, values: mergeValues(values, args.values ?? {}) };
}

/** Calico with the metrics that the rules read, and flows with pending policies; what the user sets comes last. */
function observedCalico(args: CalicoCniArgs): CalicoCniArgs {
  // what is no version is refused where the charts are planned
  const isOlder = semver.valid(args.version) !== null && semver.lt(args.version ?? "", "3.30.0");
  const felix = args.goldmane === false || isOlder ? {} : calicoPendingPolicies;
  return { metrics: true, ...args, felixConfiguration: mergeValues(felix, args.felixConfiguration ?? {}) };
}

/**
 * A cluster's network as declared: the CNI, then the explicit deny of metadata endpoints, DNS, shared services,
 * both sides of every flow, the mesh, and the default deny last. Workloads name the component in `dependsOn`; a destroy runs in
 * reverse order, so that nothing is unprotected meanwhile.
 *
 * @throws DeclarationError with everything that is wrong with the declaration, before anything is registered.
 */
export class ClusterSecurity extends pulumi.ComponentResource {
  /** Registered policies, as `name` or `namespace/name`. */
  public readonly policies: pulumi.Output<string[]>;
  /** Declared namespaces that are isolated: those of tiers 1 and 2. */
  public readonly namespaces: pulumi.Output<string[]>;
  /** Namespaces of tier 0: no default deny applies there. */
  public readonly exemptNamespaces: pulumi.Output<string[]>;
  /** The register of exceptions between tenants. */
  public readonly exceptions: pulumi.Output<ExceptionRecord[]>;
  /** What the policy API cannot express, and what needs a review. */
  public readonly warnings: pulumi.Output<string[]>;
  /** All of it in one object, with what else is known. */
  public readonly posture: pulumi.Output<SecurityPosture>;

  constructor(name: string, args: ClusterSecurityArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, {
      ...ownArguments,
      breakGlassTrial: trialArguments,
      cni: isObject(cniArguments),
      istio: isObject(istioArguments),
      observability: isObject(observabilityArguments),
    });
    const {
      cni: cniArgs,
      istio: istioArgs,
      defaultDeny: _defaultDeny,
      others: _others,
      liveCheck,
      breakGlassTrial,
      observability,
      ...declared
    } = args;
    const enforced = planEnforced(declared, cniArgs, istioArgs);
    const { declaration, planned, istio, warnings } = enforced;
    const watched = observability === undefined ? undefined : observe(planned, observability);
    super(typeToken("ClusterSecurity"), name, args, opts);

    warnOfEmpty(this, declared, planned);
    for (const warning of warnings) void pulumi.log.warn(warning, this);
    const after = registerCni(`${name}-cni`, enforced, observability, this);
    if (watched !== undefined && observability !== undefined) {
      after.push(...registerObservability(name, watched, observability, { parent: this, dependsOn: [...after] }));
    }
    const mesh =
      istio === undefined
        ? undefined
        : (dependsOn: pulumi.Resource[]) => new IstioMesh(`${name}-istio`, istio, { parent: this, dependsOn });
    const others = coverOthers(name, this, planned, declaration.denyScope, defaultDenyOf(this, args));
    const { denyOptions } = others;
    const scopes = tenantScopes(name, planned, this);
    const check = registerPlan(name, planned, this, after, {
      ...(mesh === undefined ? {} : { mesh }),
      denyOptions,
      scopes,
      component: opts,
      liveCheck,
      breakGlassTrial,
    });
    const outputs = outputsOf(withOthers(lateFields(planned, postureOf), others), check);
    this.policies = outputs.policies;
    this.namespaces = outputs.namespaces;
    this.exemptNamespaces = outputs.exemptNamespaces;
    this.exceptions = outputs.exceptions;
    this.warnings = outputs.warnings;
    this.posture = outputs.posture;
    this.registerOutputs({ ...outputs });
  }
}
