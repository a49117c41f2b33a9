import type { PropertyPath } from "../property-path";
import * as pulumi from "@pulumi/pulumi";
import { checkArguments, isFlag } from "./arguments";
import type { Plan, PlannedTenant, TenantDeclaration, TenantPlanDeclaration } from "../plan/index";
import { planTenant } from "../plan/index";
import type { ExceptionRecord } from "./exceptions";
import { exceptionsOf, today } from "./exceptions";
import { lateFields, readPlan } from "./late-values";
import { afterCheck, registerPlan } from "./register";
import { typeToken } from "./type-tokens";

/** Arguments of `Tenant`. */
export interface TenantArgs extends TenantPlanDeclaration {
  /** The tenant. */
  tenant: TenantDeclaration;
  /**
   * Whether an update ends with a check of the live policies, and fails where their effect is not what is declared.
   * Defaults to true.
   */
  liveCheck?: boolean;
}

/** Summary of a deployed tenant. */
export interface TenantPosture {
  /** The tenant. */
  tenant: string;
  /** The dialect the policies are written in. */
  dialect: string;
  /** Its namespaces. */
  namespaces: string[];
  /** Registered policies of its namespaces, as `name` or `namespace/name`. */
  policies: string[];
  /** Groups that may edit policies in its namespaces. */
  policyEditors: string[];
  /** The register of exceptions that it granted or was granted. */
  exceptions: ExceptionRecord[];
  /** What the policy API could not express. */
  warnings: string[];
}

/**
 * A tenant of a cluster: in each of its namespaces a baseline that closes everything but DNS, and the metadata endpoints
 * for good; the deny of its neighbours; its flows; the policies that it wrote itself, refused where they would weaken the
 * boundary; and who may edit them. `ClusterSecurity` does this for each tenant of its declaration; this component stands
 * alone where every tenant has a program of its own.
 *
 * @throws DeclarationError with everything that is wrong with the declaration, before anything is registered.
 */
export class Tenant extends pulumi.ComponentResource {
  /** Registered policies of its namespaces, as `name` or `namespace/name`. */
  public readonly policies: pulumi.Output<string[]>;
  /** Its namespaces. */
  public readonly namespaces: pulumi.Output<string[]>;
  /** Groups that may edit policies in its namespaces. */
  public readonly policyEditors: pulumi.Output<string[]>;
  /** The register of exceptions that it granted or was granted. */
  public readonly exceptions: pulumi.Output<ExceptionRecord[]>;
  /** What the policy API cannot express, and what needs a review. */
  public readonly warnings: pulumi.Output<string[]>;
  /** All of it in one object. */
  public readonly posture: pulumi.Output<TenantPosture>;

  constructor(name: string, args: TenantArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, { liveCheck: isFlag });
    const { liveCheck, ...declaration } = args;
    const planned = readPlan(
      declaration,
      (declared) => planTenant({ ...declared, asOf: args.asOf ?? today() }),
      argumentOf,
    );
    const [tenant] = planned.tenants;
    if (tenant === undefined) throw new RangeError("a planned tenant is in its plan");
    const posture = lateFields(planned, (one) => tenantPosture(one, tenant));
    super(typeToken("Tenant"), name, args, opts);
    const check = registerPlan(name, planned, this, [], { component: opts, liveCheck });
    this.posture = afterCheck(posture, check);
    this.policies = this.posture.policies;
    this.namespaces = this.posture.namespaces;
    this.policyEditors = this.posture.policyEditors;
    this.exceptions = this.posture.exceptions;
    this.warnings = this.posture.warnings;
    this.registerOutputs({
      policies: this.policies,
      namespaces: this.namespaces,
      policyEditors: this.policyEditors,
      exceptions: this.exceptions,
      warnings: this.warnings,
      posture: this.posture,
    });
  }
}

/** Stands for a tenant inside `ClusterSecurity`, which plans and registers what lies in its namespaces. */
export class TenantScope extends pulumi.ComponentResource {
  constructor(name: string, plan: Plan, tenant: PlannedTenant, opts: pulumi.ComponentResourceOptions) {
    const posture = lateFields(plan, (one) => tenantPosture(one, tenant));
    const { name: ofTenant, namespaces, policyEditors } = tenant;
    super(typeToken("Tenant"), name, { tenant: { name: ofTenant, namespaces, policyEditors } }, opts);
    const { policies, exceptions, warnings } = posture;
    this.registerOutputs({ policies, namespaces, policyEditors, exceptions, warnings, posture });
  }
}

function tenantPosture(plan: Plan, tenant: PlannedTenant): TenantPosture {
  const own = new Set(tenant.namespaces);
  const policies = plan.documents.filter(({ home, object }) => own.has(home ?? object.metadata.namespace ?? ""));
  return {
    tenant: tenant.name,
    dialect: plan.dialect,
    namespaces: [...tenant.namespaces],
    policies: policies.map(({ logicalName }) => logicalName),
    policyEditors: [...tenant.policyEditors],
    exceptions: exceptionsOf(plan).filter(
      (exception) => exception.tenant === tenant.name || exception.grantedTo === tenant.name,
    ),
    warnings: plan.warnings.map(({ message }) => message),
  };
}

/** To the planner the tenant is the first of several, and its neighbours are the others. */
function argumentOf(path: PropertyPath): PropertyPath {
  const [list, index, ...rest] = path;
  if (list !== "tenants" || typeof index !== "number") return path;
  return index === 0 ? ["tenant", ...rest] : ["neighbours", index - 1, ...rest];
}
