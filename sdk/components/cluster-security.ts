import * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityDeclaration } from "../plan/index";
import { plan } from "../plan/index";
import { CalicoCni } from "./calico-cni";
import { CiliumCni } from "./cilium-cni";
import type { CniArgs } from "./enforcement";
import { enforcementOf } from "./enforcement";
import type { IstioMeshArgs } from "./istio-mesh";
import { IstioMesh } from "./istio-mesh";
import type { OthersArgs } from "./others";
import { coverOthers } from "./others";
import { today } from "./exceptions";
import type { SecurityPosture } from "./register";
import { postureOf, registerPlan, withOthers } from "./register";
import { TenantScope } from "./tenant";
import { typeToken } from "./type-tokens";

/** Arguments of `ClusterSecurity`: the declaration, and what enforces it. */
export interface ClusterSecurityArgs extends ClusterSecurityDeclaration {
  /**
   * Cilium or Calico, installed by the stack or (`existing: true`) there already. Defaults to none: nothing is installed.
   */
  cni?: CniArgs;
  /**
   * Istio, installed by the stack or (`existing: true`) there already. With it the declaration has a mesh, of the same
   * mode. Defaults to none: nothing is installed.
   */
  istio?: IstioMeshArgs;
  /** Workloads of others that the clusterwide default deny covers, and whether it may be removed all the same. */
  others?: OthersArgs;
}

/**
 * A cluster's network, held as declared: the CNI, then the explicit deny of metadata endpoints, DNS, shared services,
 * both halves of every flow, the mesh, and the default deny last. Workloads name the component in `dependsOn`; destroying runs
 * backwards, so that nothing runs unprotected on the way.
 *
 * @throws DeclarationError with everything that is wrong with the declaration, before anything is registered.
 */
export class ClusterSecurity extends pulumi.ComponentResource {
  /** What stands once the component is done. */
  public readonly posture: pulumi.Output<SecurityPosture>;

  constructor(name: string, args: ClusterSecurityArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cni: cniArgs, istio: istioArgs, others: othersArgs, ...declared } = args;
    const { declaration, cilium, calico, istio, warnings } = enforcementOf(declared, cniArgs, istioArgs);
    const planned = plan({ ...declaration, asOf: declaration.asOf ?? today() });
    const posture = postureOf(planned);
    super(typeToken("ClusterSecurity"), name, posture, opts);

    for (const warning of warnings) void pulumi.log.warn(warning, this);
    const after: pulumi.Resource[] = [];
    if (cilium !== undefined) after.push(new CiliumCni(`${name}-cni`, cilium, { parent: this }));
    if (calico !== undefined) after.push(new CalicoCni(`${name}-cni`, calico, { parent: this }));
    const mesh =
      istio === undefined
        ? undefined
        : (dependsOn: pulumi.Resource[]) => new IstioMesh(`${name}-istio`, istio, { parent: this, dependsOn });
    const others = coverOthers(name, this, planned, declaration.denyScope, othersArgs);
    const tenants = planned.tenants.flatMap((tenant) => {
      const scope = new TenantScope(`${name}-${tenant.name}`, planned, tenant, { parent: this });
      return tenant.namespaces.map((namespace): [string, pulumi.Resource] => [namespace, scope]);
    });
    registerPlan(name, planned, this, after, mesh, others.denyOptions, new Map(tenants));
    this.posture = withOthers(posture, others);
    this.registerOutputs({ posture: this.posture });
  }
}
