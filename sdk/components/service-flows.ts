import * as pulumi from "@pulumi/pulumi";
import { checkArguments, isFlag } from "./arguments";
import type {
  ClusterFacts,
  Dialect,
  FlowDeclaration,
  NamespaceDeclaration,
  PolicyLayout,
  PolicyMode,
  UnsupportedHandling,
  WorkloadDeclaration,
} from "../plan/index";
import { planFlows } from "../plan/index";
import type { ExceptionRecord } from "./exceptions";
import { today } from "./exceptions";
import { lateFields, readPlan } from "./late-values";
import type { SecurityPosture } from "./register";
import { outputsOf, postureOf, registerPlan } from "./register";
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
  /** What to do with parts of the declaration that the policy API cannot express. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /** Whether policies are enforced. Defaults to `enforce`; a namespace may differ. */
  mode?: PolicyMode;
  /**
   * How NetworkPolicies are cut, where the dialect writes any. Defaults to `per-flow`; choose `per-workload` where pods run
   * already when the flows are applied and there is no default deny yet: the first NetworkPolicy that selects a pod isolates it.
   */
  layout?: PolicyLayout;
  /** Names of policies that are to differ from the derived ones: derived name → wanted name. */
  policyNames?: { [derived: string]: string };
  /** The day by which the policies are looked at again, `2027-05-01`; written onto each. Defaults to none. */
  reviewBy?: string;
  /**
   * Whether an update ends with a check of the live policies, and fails where their effect is not what is declared.
   * Defaults to true.
   */
  liveCheck?: boolean;
}

/**
 * Both sides of every declared flow: egress at its source, ingress at its destination. The default deny that gives
 * them their meaning comes from `TieredPolicies`, or from `ClusterSecurity`, which does both.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export class ServiceFlows extends pulumi.ComponentResource {
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

  constructor(name: string, args: ServiceFlowsArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, { liveCheck: isFlag });
    const { liveCheck, ...declaration } = args;
    const planned = readPlan(declaration, (declared) => planFlows({ ...declared, asOf: today() }));
    super(typeToken("ServiceFlows"), name, args, opts);
    const check = registerPlan(name, planned, this, [], { component: opts, liveCheck });
    const outputs = outputsOf(lateFields(planned, postureOf), check);
    this.policies = outputs.policies;
    this.namespaces = outputs.namespaces;
    this.exemptNamespaces = outputs.exemptNamespaces;
    this.exceptions = outputs.exceptions;
    this.warnings = outputs.warnings;
    this.posture = outputs.posture;
    this.registerOutputs({ ...outputs });
  }
}
