import * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityDeclaration } from "../plan/index";
import { Dialect, plan } from "../plan/index";
import type { CiliumCniArgs } from "./cilium-cni";
import { CiliumCni } from "./cilium-cni";
import type { SecurityPosture } from "./register";
import { postureOf, registerPlan } from "./register";
import { typeToken } from "./type-tokens";

/** Arguments of `ClusterSecurity`: the declaration, and the CNI that enforces it. */
export interface ClusterSecurityArgs extends ClusterSecurityDeclaration {
  /** Cilium, installed by the stack or (`existing: true`) there already. Defaults to none: nothing is installed. */
  cni?: CiliumCniArgs;
}

/**
 * A cluster's network, held as declared: the CNI, then the explicit deny of metadata endpoints, DNS, shared services,
 * both halves of every flow, and the default deny last. Workloads name the component in `dependsOn`; destroying runs
 * backwards, so that nothing runs unprotected on the way.
 *
 * @throws DeclarationError with everything that is wrong with the declaration, before anything is registered.
 */
export class ClusterSecurity extends pulumi.ComponentResource {
  /** What stands once the component is done. */
  public readonly posture: pulumi.Output<SecurityPosture>;

  constructor(name: string, args: ClusterSecurityArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cni: cniArgs, ...declaration } = args;
    const planned = plan(withEnforcerVersion(declaration, cniArgs?.version));
    const posture = postureOf(planned);
    super(typeToken("ClusterSecurity"), name, posture, opts);

    const after: pulumi.Resource[] = [];
    if (cniArgs !== undefined) after.push(new CiliumCni(`${name}-cni`, cniArgs, { parent: this }));
    registerPlan(name, planned, this, after);
    this.posture = pulumi.output(posture);
    this.registerOutputs({ posture: this.posture });
  }
}

/** The version of the CNI decides what its policies can say, unless the declaration states it. */
function withEnforcerVersion(
  declaration: ClusterSecurityDeclaration,
  version: string | undefined,
): ClusterSecurityDeclaration {
  const isCilium = (declaration.dialect ?? Dialect.Cilium) === Dialect.Cilium;
  if (version === undefined || !isCilium || declaration.cluster?.enforcerVersion !== undefined) return declaration;
  return { ...declaration, cluster: { ...declaration.cluster, enforcerVersion: version } };
}
