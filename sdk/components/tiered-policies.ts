import * as pulumi from "@pulumi/pulumi";
import type {
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
import { today } from "./exceptions";
import type { OthersArgs } from "./others";
import { coverOthers } from "./others";
import type { SecurityPosture } from "./register";
import { postureOf, registerPlan, withOthers } from "./register";
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
  /** What happens to what the dialect cannot say. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /** Which pods the default deny covers. Cilium and Calico; defaults to `cluster`. */
  denyScope?: DenyScope;
  /** Workloads of others that the clusterwide default deny covers, and whether it may be removed all the same. */
  others?: OthersArgs;
}

/**
 * The tiers: what is exempt, what shared services need, and the default deny, last. Application flows are put in place
 * by `ServiceFlows`, which this component then names in `dependsOn`.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export class TieredPolicies extends pulumi.ComponentResource {
  /** What stands once the component is done. */
  public readonly posture: pulumi.Output<SecurityPosture>;

  constructor(name: string, args: TieredPoliciesArgs, opts?: pulumi.ComponentResourceOptions) {
    const { others: othersArgs, ...declaration } = args;
    const planned = plan({ ...declaration, asOf: declaration.asOf ?? today() });
    const posture = postureOf(planned);
    super(typeToken("TieredPolicies"), name, posture, opts);
    const others = coverOthers(name, this, planned, args.denyScope, othersArgs);
    registerPlan(name, planned, this, [], undefined, others.denyOptions);
    this.posture = withOthers(posture, others);
    this.registerOutputs({ posture: this.posture });
  }
}
