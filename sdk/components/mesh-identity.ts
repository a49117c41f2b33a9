import * as pulumi from "@pulumi/pulumi";
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
import { today } from "./exceptions";
import type { SecurityPosture } from "./register";
import { postureOf, registerPlan } from "./register";
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
  /** What happens to what the mesh cannot say. Defaults to `warn`. */
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
}

/**
 * Identity in an Istio mesh: strict mutual TLS (PeerAuthentication) and, for each workload, who may call it by service
 * account (AuthorizationPolicy), derived from the same flows as the network's policies. There is one for each workload,
 * whatever the layout of those. `ClusterSecurity` does it too when its declaration names a mesh; this component stands
 * alone where the network is held by somebody else.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export class MeshIdentity extends pulumi.ComponentResource {
  /** What stands once the component is done. */
  public readonly posture: pulumi.Output<SecurityPosture>;

  constructor(name: string, args: MeshIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    const planned = planMesh({ ...args, asOf: today() });
    const posture = postureOf(planned);
    super(typeToken("MeshIdentity"), name, posture, opts);
    registerPlan(name, planned, this, []);
    this.posture = pulumi.output(posture);
    this.registerOutputs({ posture: this.posture });
  }
}
