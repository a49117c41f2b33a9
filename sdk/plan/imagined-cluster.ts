/** The cluster that a declaration describes, for questions about policies that nobody has applied yet. */
import type { EnforcerProfile, KubeObject } from "../reachability/index";
import { profileFor } from "../reachability/index";
import type { ClusterSecurityDeclaration } from "./declaration";
import { Dialect } from "./declaration";
import { podOf } from "./imagined-pods";
import { resolve } from "./resolve/resolve";

/** Namespaces and pods without any policy, and who enforces. */
export interface ImaginedCluster {
  readonly objects: readonly KubeObject[];
  readonly profile: EnforcerProfile;
}

/**
 * One pod for each declared workload, presets included, in the declared namespaces.
 *
 * @throws DeclarationError where the declaration is wrong.
 */
export function imaginedCluster(declaration: ClusterSecurityDeclaration): ImaginedCluster {
  const { dialect, limits, namespaces, workloads } = resolve(declaration);
  return {
    objects: [
      ...[...namespaces.values()].map(({ name, labels }) => ({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name, labels: { ...labels } },
      })),
      ...[...workloads.values()].map(podOf),
    ],
    profile: { ...profileFor(enforcers[dialect]), ...limits.enforcedWith },
  };
}

const enforcers: Readonly<Record<Dialect, string>> = {
  [Dialect.Cilium]: "cilium",
  [Dialect.Calico]: "calico",
  [Dialect.Kubernetes]: "kubernetes",
  [Dialect.ClusterNetworkPolicy]: "cilium",
};
