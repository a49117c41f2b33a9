import * as pulumi from "@pulumi/pulumi";
import { checkArguments } from "./arguments";
import type { BreakGlassTrialArgs } from "./break-glass-trial";
import { trialArguments } from "./break-glass-trial";
import type {
  BreakGlassDeclaration,
  BypassDeclaration,
  ClusterFacts,
  DenyScope,
  Dialect,
  NamespaceDeclaration,
  PlatformDeclaration,
  PolicyLayout,
  PolicyMode,
  UnsupportedHandling,
  WorkloadDeclaration,
} from "../plan/index";
import { plan } from "../plan/index";
import type { ExceptionRecord } from "./exceptions";
import { today } from "./exceptions";
import type { DefaultDenyArgs, OthersArgs } from "./others";
import { coverOthers, defaultDenyOf, ownArguments } from "./others";
import { lateFields, readPlan } from "./late-values";
import type { SecurityPosture } from "./register";
import { outputsOf, postureOf, registerPlan, warnOfEmpty, withOthers } from "./register";
import { typeToken } from "./type-tokens";

/** Arguments of `TieredPolicies`. */
export interface TieredPoliciesArgs {
  /** Defaults to `cilium`. */
  dialect?: Dialect;
  /** Facts about the cluster; every one has a default. */
  cluster?: ClusterFacts;
  /** Namespaces that are always tier 0. Defaults to kube-system, flux-system, cilium and cilium-secrets. */
  exemptNamespaces?: string[];
  /** Namespaces, with their tiers. */
  namespaces?: NamespaceDeclaration[];
  /** Workloads with metrics ports, so that scrapers reach them. */
  workloads?: WorkloadDeclaration[];
  /** Shared services of tier 1. */
  platform?: PlatformDeclaration;
  /** Pods whose policies may be lifted for a time. Defaults to none. */
  bypasses?: BypassDeclaration[];
  /** Who may open bypasses in an emergency, which the cluster itself ends. Defaults to none. */
  breakGlass?: BreakGlassDeclaration[];
  /**
   * The day it is, `2027-03-31`: bypasses that ended before it are closed. Defaults to the current day.
   */
  asOf?: string;
  /** Whether policies are enforced. Defaults to `enforce`; a namespace may differ. */
  mode?: PolicyMode;
  /** How NetworkPolicies are cut, where the dialect writes any. Defaults to `auto`. */
  layout?: PolicyLayout;
  /** Names of policies that are to differ from the derived ones: derived name → wanted name. */
  policyNames?: { [derived: string]: string };
  /** The day by which the policies are looked at again, `2027-05-01`; written onto each. Defaults to none. */
  reviewBy?: string;
  /** What to do with parts of the declaration that the policy API cannot express. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /** Which pods the default deny covers. Cilium and Calico; defaults to `cluster`. */
  denyScope?: DenyScope;
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

/**
 * The tiers: what is exempt, what shared services need, and the default deny, last. Application flows are put in place
 * by `ServiceFlows`, which this component then names in `dependsOn`.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export class TieredPolicies extends pulumi.ComponentResource {
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

  constructor(name: string, args: TieredPoliciesArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, { ...ownArguments, breakGlassTrial: trialArguments });
    const { defaultDeny: _defaultDeny, others: _others, liveCheck, breakGlassTrial, ...declaration } = args;
    const planned = readPlan(declaration, (declared) => plan({ ...declared, asOf: declared.asOf ?? today() }));
    super(typeToken("TieredPolicies"), name, args, opts);
    warnOfEmpty(this, declaration, planned);
    const others = coverOthers(name, this, planned, args.denyScope, defaultDenyOf(this, args));
    const check = registerPlan(name, planned, this, [], {
      denyOptions: others.denyOptions,
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
