/** What enforces a declaration: which CNI and which mesh, and what each has to know of the other. Registers nothing. */
import semver from "semver";
import type { ClusterSecurityDeclaration, DeclarationProblem } from "../plan/index";
import { DeclarationError, Dialect } from "../plan/index";
import { calico } from "./cnis/calico";
import { cilium } from "./cnis/cilium";
import type { Cni, CniArgs, Enforcement } from "./cnis/cni";
import { CniKind } from "./cnis/cni";
import { withMesh } from "./cnis/mesh";
import type { IstioMeshArgs } from "./istio-mesh";

/** Every CNI that can be chosen. Adding one is its file in `cnis/`, its kind and one line here. */
const cnis: Readonly<Record<CniKind, Cni>> = { [CniKind.Cilium]: cilium, [CniKind.Calico]: calico };

/**
 * Brings the declaration, its CNI and its mesh together: the dialect that the CNI reads, the version that decides what
 * policies can say, Calico's own namespaces in tier 0, and, where Cilium and Istio share the nodes, what Cilium needs to
 * be told (`cni.exclusive: false`, `socketLB.hostNamespaceOnly: true`); where names are limited, that resolvers go on past them.
 *
 * @throws DeclarationError where the parts contradict each other.
 */
export function enforcementOf(
  declaration: ClusterSecurityDeclaration,
  cni: CniArgs | undefined,
  istio: IstioMeshArgs | undefined,
): Enforcement {
  const problems: DeclarationProblem[] = [];
  const meshed = withMesh(declaration, istio, problems);
  const { kind, ...args } = cni ?? {};
  const chosen = kind ?? CniKind.Cilium;
  if (cni !== undefined) {
    problems.push(
      ...foreignArguments(args, chosen),
      ...dialectProblems(declaration.dialect, chosen, args.version),
      ...(cnis[chosen].problems?.(meshed, args) ?? []),
    );
  }
  if (problems.length > 0) throw new DeclarationError(problems);
  if (cni === undefined) return { ...meshed, warnings: [] };
  return cnis[chosen].enforcement(meshed, args);
}

function foreignArguments(args: object, kind: CniKind): DeclarationProblem[] {
  return Object.entries(args).flatMap(([key, value]): DeclarationProblem[] => {
    if (value === undefined || Object.hasOwn(cnis[kind].arguments, key)) return [];
    const owner = Object.values(CniKind).find((other) => Object.hasOwn(cnis[other].arguments, key));
    if (owner === undefined) return [];
    return [
      {
        path: ["cni", key],
        kind: typeof value,
        message: `is an argument of ${owner}, and the kind is ${kind}`,
        fix: `Remove it, or set cni.kind to ${owner}.`,
      },
    ];
  });
}

/** Policies in an API that the CNI does not read would be stored, and enforced by nothing. */
function dialectProblems(
  dialect: Dialect | undefined,
  kind: CniKind,
  version: string | undefined,
): DeclarationProblem[] {
  const problem = (message: string, fix: string): DeclarationProblem[] => [
    { path: ["dialect"], kind: "string", message, fix },
  ];
  const { dialect: own, clusterNetworkPolicySince: since } = cnis[kind];
  if (dialect !== own && Object.values(cnis).some((cni) => cni.dialect === dialect)) {
    return problem(
      `is ${dialect}, which ${kind} does not read: nothing would be enforced`,
      `Write ${own} or leave it out.`,
    );
  }
  const parsed = version === undefined ? undefined : semver.parse(version);
  if (dialect !== Dialect.ClusterNetworkPolicy || !parsed || semver.gte(parsed, since)) return [];
  return problem(`is ${dialect}, which ${kind} reads from ${since} on`, `Use ${kind} ${since}, or the dialect ${own}.`);
}
