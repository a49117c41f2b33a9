/** Cilium beneath a declaration. */
import type { ClusterSecurityDeclaration } from "../../plan/index";
import { Dialect } from "../../plan/index";
import type { CiliumCniArgs } from "../cilium-cni";
import { ciliumArguments } from "../cilium-cni";
import type { Cni, Enforcement, Meshed } from "./cni";
import { withFacts } from "./cni";

export const cilium: Cni = {
  dialect: Dialect.Cilium,
  clusterNetworkPolicySince: "1.20.0",
  arguments: ciliumArguments,
  problems: ({ declaration }, args) =>
    declaration.mesh !== undefined && args.istio === false
      ? [
          {
            path: ["cni", "istio"],
            kind: "boolean",
            message: "would let Cilium remove the CNI plugin of the declared mesh",
            fix: "Leave it out.",
          },
        ]
      : [],
  enforcement: beneathCilium,
};

function beneathCilium(meshed: Meshed, args: CiliumCniArgs): Enforcement {
  const { declaration } = meshed;
  const hasMesh = declaration.mesh !== undefined;
  const existing = args.existing ?? false;
  const limited = limitsNames(declaration);
  const needsClusterNetworkPolicy = declaration.dialect === Dialect.ClusterNetworkPolicy && !existing;
  const cilium: CiliumCniArgs = {
    ...args,
    ...(hasMesh && !existing ? { istio: true } : {}),
    ...(limited && !existing ? { limitedDns: args.limitedDns ?? true } : {}),
    ...(needsClusterNetworkPolicy ? { clusterNetworkPolicy: args.clusterNetworkPolicy ?? true } : {}),
  };
  const isRead = (declaration.dialect ?? Dialect.Cilium) === Dialect.Cilium;
  const warnings = [
    ...(hasMesh && existing
      ? [
          "Cilium was installed by something else and shares the nodes with Istio: see that its chart has " +
            "cni.exclusive: false and socketLB.hostNamespaceOnly: true.",
        ]
      : []),
    ...(isRead && limited && existing
      ? [
          "Cilium was installed by something else and some pods may ask DNS for named hosts only: with " +
            "dnsProxy.dnsRejectResponseCode: nameError in its chart, resolvers go on past names that are refused.",
        ]
      : []),
  ];
  const facts = isRead && args.auditMode === true ? { enforcerAudits: true } : {};
  return {
    ...meshed,
    declaration: withFacts(declaration, isRead ? args.version : undefined, facts),
    cilium,
    warnings,
  };
}

/** Whether some pods may ask DNS for named hosts only. */
function limitsNames({ tenants, applications }: ClusterSecurityDeclaration): boolean {
  return (tenants ?? []).some(({ dns }) => dns !== undefined) || (applications?.agentSandboxes ?? []).length > 0;
}
