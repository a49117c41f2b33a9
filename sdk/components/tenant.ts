import * as pulumi from "@pulumi/pulumi";
import type { Plan, PlannedTenant, TenantPlanDeclaration } from "../plan/index";
import { planTenant } from "../plan/index";
import type { ExceptionRecord } from "./exceptions";
import { exceptionsOf, today } from "./exceptions";
import { registerPlan } from "./register";
import { typeToken } from "./type-tokens";

/** What stands for a tenant once the component is done. */
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
  /** What the dialect could not say. */
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
  /** What stands once the component is done. */
  public readonly posture: pulumi.Output<TenantPosture>;

  constructor(name: string, args: TenantPlanDeclaration, opts?: pulumi.ComponentResourceOptions) {
    const planned = planTenant({ ...args, asOf: args.asOf ?? today() });
    const [tenant] = planned.tenants;
    if (tenant === undefined) throw new RangeError("a planned tenant is in its plan");
    const posture = tenantPosture(planned, tenant);
    super(typeToken("Tenant"), name, posture, opts);
    registerPlan(name, planned, this, []);
    this.posture = pulumi.output(posture);
    this.registerOutputs({ posture: this.posture });
  }
}

/** Stands for a tenant inside `ClusterSecurity`, which plans and registers what lies in its namespaces. */
export class TenantScope extends pulumi.ComponentResource {
  constructor(name: string, plan: Plan, tenant: PlannedTenant, opts: pulumi.ComponentResourceOptions) {
    const posture = tenantPosture(plan, tenant);
    super(typeToken("Tenant"), name, posture, opts);
    this.registerOutputs({ posture });
  }
}

function tenantPosture(plan: Plan, tenant: PlannedTenant): TenantPosture {
  const isOwn = (logicalName: string): boolean =>
    tenant.namespaces.some((home) => logicalName.startsWith(`${home}/`) || logicalName.includes(`${home}.`));
  return {
    tenant: tenant.name,
    dialect: plan.dialect,
    namespaces: [...tenant.namespaces],
    policies: plan.documents.map(({ logicalName }) => logicalName).filter(isOwn),
    policyEditors: [...tenant.policyEditors],
    exceptions: exceptionsOf(plan).filter(
      (exception) => exception.tenant === tenant.name || exception.grantedTo === tenant.name,
    ),
    warnings: plan.warnings.map(({ message }) => message),
  };
}
