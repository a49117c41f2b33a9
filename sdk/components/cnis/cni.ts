/** What `ClusterSecurity` has to know of a CNI: one object each. */
import type * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityDeclaration, DeclarationProblem, Dialect } from "../../plan/index";
import type { ArgumentCheck } from "../arguments";
import type { CalicoCniArgs } from "../calico-cni";
import type { CiliumCniArgs } from "../cilium-cni";
import type { IstioMeshArgs } from "../istio-mesh";

/** What enforces the network's policies. */
export enum CniKind {
  Cilium = "cilium",
  Calico = "calico",
}

/** The CNI of a cluster. Arguments of the other kind are refused. */
export interface CniArgs extends CiliumCniArgs, CalicoCniArgs {
  /** Which one it is. Defaults to `cilium`. */
  kind?: CniKind;
  /** It runs already, installed by something else: nothing is installed, policies rely on it. Defaults to false. */
  existing?: boolean;
  /** Version of the CNI. Defaults to 1.20.2 (Cilium; 1.13.0 or newer) or 3.32.1 (Calico; 3.25.0 or newer). */
  version?: string;
  /** Where it is installed. Defaults to `kube-system` (Cilium) or `tigera-operator` (Calico's operator). */
  namespace?: string;
  /**
   * Where the charts are: a repository (`https://…`), a mirror (`oci://…`), or a local folder. Defaults to the project's
   * own; unused where a chart is a path or an address.
   */
  repository?: string;
  /** Seconds to wait for each part. Defaults to 600. */
  timeoutSeconds?: number;
  /** Further values of the chart (Calico: of the operator's chart), merged last. */
  values?: pulumi.Inputs;
}

/** Everything that `ClusterSecurity` puts in place, in the order in which it does. */
export interface Enforcement {
  readonly declaration: ClusterSecurityDeclaration;
  readonly cilium?: CiliumCniArgs;
  readonly calico?: CalicoCniArgs;
  readonly istio?: IstioMeshArgs;
  readonly warnings: readonly string[];
}

/** The declaration and the mesh, once they agree. */
export interface Meshed {
  readonly declaration: ClusterSecurityDeclaration;
  readonly istio?: IstioMeshArgs;
}

/** A CNI: which policies it reads, how its arguments are checked, and what a declaration needs of it. */
export interface Cni {
  /** The policy API of its own, which no other CNI reads. */
  readonly dialect: Dialect;
  /** The first version that reads ClusterNetworkPolicy. */
  readonly clusterNetworkPolicySince: string;
  /** How the arguments of its component are checked, by their names. */
  readonly arguments: Readonly<Record<string, ArgumentCheck>>;
  /** What contradicts the declaration in the arguments. Absent: nothing can. */
  problems?(meshed: Meshed, args: Omit<CniArgs, "kind">): DeclarationProblem[];
  /** The declaration and the arguments once they know of each other. */
  enforcement(meshed: Meshed, args: Omit<CniArgs, "kind">): Enforcement;
}

/** The version of the CNI decides what its policies can say, unless the declaration states it. */
export function withFacts(
  declaration: ClusterSecurityDeclaration,
  version: string | undefined,
  facts: { readonly enforcerAudits?: boolean } = {},
): ClusterSecurityDeclaration {
  const stated = version === undefined ? {} : { enforcerVersion: version };
  if (version === undefined && facts.enforcerAudits === undefined) return declaration;
  return { ...declaration, cluster: { ...stated, ...facts, ...declaration.cluster } };
}
