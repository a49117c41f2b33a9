import * as pulumi from "@pulumi/pulumi";
import type {
  ClusterFacts,
  Dialect,
  FlowDeclaration,
  NamespaceDeclaration,
  UnsupportedHandling,
  WorkloadDeclaration,
} from "../plan/index";
import { planFlows } from "../plan/index";
import type { SecurityPosture } from "./register";
import { postureOf, registerPlan } from "./register";
import { typeToken } from "./type-tokens";

/** Arguments of `ServiceFlows`. */
export interface ServiceFlowsArgs {
  /** Defaults to `cilium`. */
  dialect?: Dialect;
  /** Facts about the cluster; every one has a default. */
  cluster?: ClusterFacts;
  /** Namespaces that are always tier 0, whose pods no policy selects. */
  exemptNamespaces?: string[];
  /** Namespaces of the workloads. Those that another component creates are `existing` here. */
  namespaces?: NamespaceDeclaration[];
  /** Workloads: what flows connect. */
  workloads?: WorkloadDeclaration[];
  /** Who may talk to whom. */
  flows?: FlowDeclaration[];
  /** What happens to what the dialect cannot say. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
}

/**
 * Both halves of every declared flow: egress at its source, ingress at its destination. The default deny that gives
 * them their meaning comes from `TieredPolicies`, or from `ClusterSecurity`, which does both.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export class ServiceFlows extends pulumi.ComponentResource {
  /** What stands once the component is done. */
  public readonly posture: pulumi.Output<SecurityPosture>;

  constructor(name: string, args: ServiceFlowsArgs, opts?: pulumi.ComponentResourceOptions) {
    const planned = planFlows(args);
    const posture = postureOf(planned);
    super(typeToken("ServiceFlows"), name, posture, opts);
    registerPlan(name, planned, this, []);
    this.posture = pulumi.output(posture);
    this.registerOutputs({ posture: this.posture });
  }
}
