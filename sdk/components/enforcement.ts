/** What enforces a declaration: which CNI and which mesh, and what each has to know of the other. Registers nothing. */
import type * as pulumi from "@pulumi/pulumi";
import semver from "semver";
import type {
  ClusterSecurityDeclaration,
  DeclarationProblem,
  MeshDeclaration,
  NamespaceDeclaration,
  PlatformServiceDeclaration,
} from "../plan/index";
import {
  DeclarationError,
  Dialect,
  MeshMode,
  Tier,
  defaultExemptNamespaces,
  flow,
  kubeApiserver,
  tcp,
  workload,
} from "../plan/index";
import { defaultIstioNamespace } from "../charts/index";
import type { CalicoCniArgs } from "./calico-cni";
import { calicoArguments } from "./calico-cni";
import type { CiliumCniArgs } from "./cilium-cni";
import { ciliumArguments } from "./cilium-cni";
import type { IstioMeshArgs } from "./istio-mesh";
import { defaultCalicoNamespace, privilegedNamespace } from "./platform-namespaces";

/** Who answers for flows that the package declares itself. */
const presetOwner = "platform";

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

/** Where the operator runs Calico itself: a default deny there would cut off what enforces it. */
const calicoNamespaces = ["calico-system", "calico-apiserver"];

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
    problems.push(...foreignArguments(args, chosen), ...dialectProblems(declaration.dialect, chosen, args.version));
    if (chosen === CniKind.Cilium && meshed.declaration.mesh !== undefined && args.istio === false) {
      problems.push({
        path: "cni.istio",
        kind: "boolean",
        message: "would let Cilium remove the CNI plugin of the declared mesh",
        fix: "Leave it out.",
      });
    }
  }
  if (problems.length > 0) throw new DeclarationError(problems);
  if (cni === undefined) return { ...meshed, warnings: [] };
  return chosen === CniKind.Calico ? beneathCalico(meshed, args) : beneathCilium(meshed, args);
}

/** The declaration and the mesh, once they agree. */
interface Meshed {
  readonly declaration: ClusterSecurityDeclaration;
  readonly istio?: IstioMeshArgs;
}

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

function beneathCalico(meshed: Meshed, calico: CalicoCniArgs): Enforcement {
  const { declaration } = meshed;
  const namespaces = declaration.namespaces ?? [];
  const isDeclared = (name: string): boolean => namespaces.some((one) => one.name === name);
  const exempt = new Set(declaration.exemptNamespaces ?? defaultExemptNamespaces);
  for (const name of calicoNamespaces) if (!isDeclared(name)) exempt.add(name);
  // the operator is on the host network, which policies do not reach: its namespace is held like any other
  const home: NamespaceDeclaration = {
    name: calico.namespace ?? defaultCalicoNamespace,
    tier: Tier.SharedServices,
    existing: true,
  };
  const isOurs = calico.existing !== true && !isDeclared(home.name) && !exempt.has(home.name);
  const dialect = declaration.dialect ?? Dialect.Calico;
  return {
    ...meshed,
    declaration: withFacts(
      {
        ...declaration,
        dialect,
        exemptNamespaces: [...exempt],
        namespaces: isOurs ? [...namespaces, home] : namespaces,
      },
      dialect === Dialect.Calico ? calico.version : undefined,
      {},
    ),
    calico,
    warnings: [],
  };
}

/** The version of the CNI decides what its policies can say, unless the declaration states it. */
function withFacts(
  declaration: ClusterSecurityDeclaration,
  version: string | undefined,
  facts: { readonly enforcerAudits?: boolean },
): ClusterSecurityDeclaration {
  const stated = version === undefined ? {} : { enforcerVersion: version };
  if (version === undefined && facts.enforcerAudits === undefined) return declaration;
  return { ...declaration, cluster: { ...stated, ...facts, ...declaration.cluster } };
}

function foreignArguments(args: object, kind: CniKind): DeclarationProblem[] {
  const [own, foreign, owner]: [object, object, CniKind] =
    kind === CniKind.Cilium
      ? [ciliumArguments, calicoArguments, CniKind.Calico]
      : [calicoArguments, ciliumArguments, CniKind.Cilium];
  return Object.entries(args)
    .filter(([key, value]) => value !== undefined && Object.hasOwn(foreign, key) && !Object.hasOwn(own, key))
    .map(([key, value]) => ({
      path: `cni.${key}`,
      kind: typeof value,
      message: `is an argument of ${owner}, and the kind is ${kind}`,
      fix: `Remove it, or set cni.kind to ${owner}.`,
    }));
}

/** The first versions that read ClusterNetworkPolicy. */
const clusterNetworkPolicySince: Readonly<Record<CniKind, string>> = {
  [CniKind.Cilium]: "1.20.0",
  [CniKind.Calico]: "3.32.0",
};

/** Policies in a dialect that the CNI does not read would be stored, and enforced by nobody. */
function dialectProblems(
  dialect: Dialect | undefined,
  kind: CniKind,
  version: string | undefined,
): DeclarationProblem[] {
  const problem = (message: string, fix: string): DeclarationProblem[] => [
    { path: "dialect", kind: "string", message, fix },
  ];
  const [own, unread] = kind === CniKind.Cilium ? [Dialect.Cilium, Dialect.Calico] : [Dialect.Calico, Dialect.Cilium];
  if (dialect === unread) {
    return problem(
      `is ${unread}, which ${kind} does not read: nothing would be enforced`,
      `Write ${own} or leave it out.`,
    );
  }
  const since = clusterNetworkPolicySince[kind];
  const parsed = version === undefined ? undefined : semver.parse(version);
  if (dialect !== Dialect.ClusterNetworkPolicy || !parsed || semver.gte(parsed, since)) return [];
  return problem(`is ${dialect}, which ${kind} reads from ${since} on`, `Use ${kind} ${since}, or the dialect ${own}.`);
}

/** What is said about the mesh twice has to be the same; what is said once holds for both. */
function withMesh(
  declaration: ClusterSecurityDeclaration,
  istio: IstioMeshArgs | undefined,
  problems: DeclarationProblem[],
): Meshed {
  if (istio === undefined) return { declaration };
  const mesh: MeshDeclaration = declaration.mesh ?? {};
  const agreed = <T extends string>(path: string, ours: T | undefined, theirs: T | undefined, otherwise: T): T => {
    if (ours !== undefined && theirs !== undefined && ours !== theirs) {
      const message = "contradicts the mesh of the declaration";
      problems.push({ path: `istio.${path}`, kind: "string", message, fix: "Say it once." });
    }
    return ours ?? theirs ?? otherwise;
  };
  const mode = agreed("mode", istio.mode, mesh.mode, MeshMode.Sidecar);
  const namespace = agreed("namespace", istio.namespace, mesh.controlPlaneNamespace, defaultIstioNamespace);
  const trustDomain = agreed("trustDomain", istio.trustDomain, mesh.trustDomain, "cluster.local");
  const declaredMesh: MeshDeclaration = { ...mesh, mode, controlPlaneNamespace: namespace, trustDomain };
  const withAgents = {
    ...declaration,
    mesh: declaredMesh,
    ...nodeAgents(declaration, { ...istio, mode }, namespace),
  };
  if (istio.existing === true) return { declaration: withAgents, istio: { ...istio, mode } };

  const namespaces = declaration.namespaces ?? [];
  const home: NamespaceDeclaration = {
    name: namespace,
    tier: Tier.SharedServices,
    labels: { ...privilegedNamespace },
  };
  const isDeclared = namespaces.some(({ name }) => name === namespace);
  return {
    declaration: {
      ...withAgents,
      namespaces: isDeclared || istio.createNamespace === false ? namespaces : [...namespaces, home],
    },
    // policies of the namespace come before what runs in it
    istio: { ...istio, mode, namespace, trustDomain, createNamespace: false },
  };
}

/**
 * What runs on the nodes beside what the declaration's mesh brings itself: the plugin reads pods from the API server, and a
 * ztunnel away from the control plane fetches its certificates there.
 */
function nodeAgents(
  { platform }: ClusterSecurityDeclaration,
  { mode, cni, nodeAgentNamespace }: IstioMeshArgs,
  controlPlane: string,
): Pick<ClusterSecurityDeclaration, "platform"> {
  const ambient = mode === MeshMode.Ambient;
  if (!ambient && cni === false) return {};
  const home = nodeAgentNamespace ?? controlPlane;
  const plugin = `${home}/istio-cni-node`;
  const service: PlatformServiceDeclaration = {
    name: "istio-nodes",
    workloads: [workload(plugin, { labels: { "k8s-app": "istio-cni-node" } })],
    flows: [flow(plugin).to(kubeApiserver()).on().because("reads pods and namespaces").ownedBy(presetOwner)],
  };
  if (ambient && home !== controlPlane) {
    const ztunnel = `${home}/ztunnel`;
    const reason = "fetches certificates and configuration for the pods of its node";
    service.workloads?.push(workload(ztunnel, { labels: { app: "ztunnel" } }));
    service.flows?.push(flow(ztunnel).to(`${controlPlane}/istiod`).on(tcp(15012)).because(reason).ownedBy(presetOwner));
  }
  return { platform: { ...platform, services: [...(platform?.services ?? []), service] } };
}
