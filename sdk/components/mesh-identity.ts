import * as pulumi from "@pulumi/pulumi";
import { checkArguments, isFlag } from "./arguments";
import type {
  ClusterFacts,
  FlowDeclaration,
  MeshDeclaration,
  NamespaceDeclaration,
  PolicyMode,
  UnsupportedHandling,
  WorkloadDeclaration,
} from "../plan/index";
import { planMesh } from "../plan/index";
import type { ExceptionRecord } from "./exceptions";
import { today } from "./exceptions";
import { lateFields, readPlan } from "./late-values";
import type { SecurityPosture } from "./register";
import { outputsOf, postureOf, registerPlan } from "./register";
import { typeToken } from "./type-tokens";

/** Arguments of `MeshIdentity`. */
export interface MeshIdentityArgs {
  /** The mesh: its mode, its namespaces, its trust domain. */
  mesh: MeshDeclaration;
  /** Facts about the cluster; every one has a default. */
  cluster?: ClusterFacts;
  /** Namespaces of the workloads. Those that another component creates are `existing` here. */
  namespaces?: NamespaceDeclaration[];
  /** Workloads: what flows connect. Each has a service account of its own. */
  workloads?: WorkloadDeclaration[];
  /** Who may talk to whom. */
  flows?: FlowDeclaration[];
  /** What to do with parts of the declaration that the mesh cannot express. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /**
   * Whether policies are enforced. In `audit` mutual TLS is permissive and AuthorizationPolicies are dry runs. Defaults to
   * `enforce`; a namespace may differ.
   */
  mode?: PolicyMode;
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
 * Identity in an Istio mesh: strict mutual TLS (PeerAuthentication) and, for each workload, who may call it by service
 * account (AuthorizationPolicy), derived from the same flows as the network's policies. There is one for each workload,
 * whatever the layout of those. `ClusterSecurity` does it too when its declaration names a mesh; use this component
 * alone where others manage the network policies.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export class MeshIdentity extends pulumi.ComponentResource {
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

  constructor(name: string, args: MeshIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, { liveCheck: isFlag });
    const { liveCheck, ...declaration } = args;
    const planned = readPlan(declaration, (declared) => planMesh({ ...declared, asOf: today() }));
    super(typeToken("MeshIdentity"), name, args, opts);
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
