/** The mesh of a declaration and the arguments of its component, once they agree. */
import type {
  ClusterSecurityDeclaration,
  DeclarationProblem,
  MeshDeclaration,
  NamespaceDeclaration,
  PlatformServiceDeclaration,
} from "../../plan/index";
import { flow, kubeApiserver, MeshMode, tcp, Tier, workload } from "../../plan/index";
import { defaultIstioNamespace } from "../../charts/index";
import type { IstioMeshArgs } from "../istio-mesh";
import { privilegedNamespace } from "../platform-namespaces";
import type { Meshed } from "./cni";

/** Who answers for flows that the package declares itself. */
const presetOwner = "platform";

/** What is said about the mesh twice has to be the same; what is said once holds for both. */
export function withMesh(
  declaration: ClusterSecurityDeclaration,
  istio: IstioMeshArgs | undefined,
  problems: DeclarationProblem[],
): Meshed {
  if (istio === undefined) return { declaration };
  const mesh: MeshDeclaration = declaration.mesh ?? {};
  const agreed = <T extends string>(field: string, ours: T | undefined, theirs: T | undefined, otherwise: T): T => {
    if (ours !== undefined && theirs !== undefined && ours !== theirs) {
      const message = "contradicts the mesh of the declaration";
      problems.push({ path: ["istio", field], kind: "string", message, fix: "Say it once." });
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
