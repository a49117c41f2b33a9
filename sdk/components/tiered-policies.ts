import * as pulumi from "@pulumi/pulumi";
import type {
  ClusterFacts,
  DenyScope,
  Dialect,
  NamespaceDeclaration,
  PlatformDeclaration,
  UnsupportedHandling,
  WorkloadDeclaration,
} from "../plan/index";
import { plan } from "../plan/index";
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
    const planned = plan(declaration);
    const posture = postureOf(planned);
    super(typeToken("TieredPolicies"), name, posture, opts);
    const others = coverOthers(this, planned, args.denyScope, othersArgs);
    registerPlan(name, planned, this, [], undefined, others.protect);
    this.posture = withOthers(posture, others);
    this.registerOutputs({ posture: this.posture });
  }
}
