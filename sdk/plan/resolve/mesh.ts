import { allOf, cidr, flow, kubeApiserver, metrics, tcp, tcpRange, workload } from "../builders";
import { MeshMode, Tier } from "../declaration";
import type { FlowDeclaration } from "../declaration";
import type { ProblemCollector } from "../errors";
import type { ModelMesh, ModelNamespace } from "../model";
import type { Expansion } from "../presets/index";
import { presetOwner } from "../presets/index";
import type { Reader } from "../reader";

/** Where the mesh is in a declaration; flows that it brings have it as their preset. */
export const meshPath = "mesh";

/** The source of kubelet probes in ambient mode (Istio: HOST_PROBE_SNAT_IP). */
const ambientProbeAddress = "169.254.7.127/32";
/** Encrypted traffic between pods in ambient mode (HBONE). */
export const hbonePort = 15008;

/** What was asked for, before the namespaces are known. */
export interface MeshOptions {
  readonly mode: MeshMode;
  readonly namespaces: readonly string[] | undefined;
  readonly trustDomain: string;
  readonly controlPlane: string;
}

export function readMesh(reader: Reader, value: unknown): MeshOptions | undefined {
  const fields = reader.fields(["mesh"], value, ["mode", "namespaces", "trustDomain", "controlPlaneNamespace"]);
  if (fields === undefined) return undefined;
  return {
    mode: reader.choice(["mesh", "mode"], fields["mode"], MeshMode) ?? MeshMode.Sidecar,
    namespaces: reader.texts(["mesh", "namespaces"], fields["namespaces"]),
    trustDomain: reader.optionalText(["mesh", "trustDomain"], fields["trustDomain"]) ?? "cluster.local",
    controlPlane:
      reader.optionalText(["mesh", "controlPlaneNamespace"], fields["controlPlaneNamespace"]) ?? "istio-system",
  };
}

/** Namespaces of the mesh: the named ones, or every declared namespace of tier 2. */
export function resolveMesh(
  problems: ProblemCollector,
  options: MeshOptions,
  namespaces: ReadonlyMap<string, ModelNamespace>,
): ModelMesh {
  const { mode, trustDomain, controlPlane } = options;
  const applications = [...namespaces.values()]
    .filter(({ tier }) => tier === Tier.Applications)
    .map(({ name }) => name);
  (options.namespaces ?? []).forEach((name, index) => {
    if (namespaces.has(name)) return;
    problems.add(
      ["mesh", "namespaces", index],
      name,
      "is a namespace that is not declared",
      "Declare it in namespaces.",
    );
  });
  const members = (options.namespaces ?? applications).filter((name) => namespaces.has(name));
  return { mode, trustDomain, controlPlane, namespaces: [...new Set(members)].sort() };
}

/** The DaemonSet that redirects pods to the proxies, in ambient mode on every node. */
const nodePlugin = "istio-cni-node";

/** Whether somebody declares the plugin themselves, such as where it runs away from the control plane. */
export function declaresNodePlugin(workloads: unknown, services: readonly Expansion[]): boolean {
  const own: readonly unknown[] = Array.isArray(workloads) ? workloads : [];
  const declared = [...services.flatMap((service) => service.workloads as readonly unknown[]), ...own];
  return declared.some((one) => (one as { readonly name?: unknown } | null)?.name === nodePlugin);
}

/**
 * The control plane as a platform service; its flows are known once the members are.
 *
 * @param hasOwnPlugin The plugin on the nodes is declared elsewhere. Defaults to false.
 */
export function meshService(options: MeshOptions, hasOwnPlugin = false): Expansion {
  return {
    name: "istio",
    path: [meshPath],
    namespaces: [{ name: options.controlPlane, tier: Tier.SharedServices, existing: true }],
    workloads: [
      workload(`${options.controlPlane}/istiod`, {
        labels: { app: "istiod" },
        ports: [tcp(15012, "https-dns"), tcp(15017, "https-webhook"), metrics(15014, "http-monitoring")],
      }),
      ...(options.mode === MeshMode.Ambient
        ? [workload(ztunnelOf(options.controlPlane), { labels: { app: "ztunnel" }, ports: [metrics(15020)] })]
        : []),
      ...(options.mode === MeshMode.Ambient && !hasOwnPlugin
        ? [workload(`${options.controlPlane}/${nodePlugin}`, { labels: { "k8s-app": nodePlugin } })]
        : []),
    ],
    flows: [],
    webhooks: [{ workload: `${options.controlPlane}/istiod`, port: 15017 }],
    dependsOn: [],
  };
}

/** The proxy on every node in ambient mode: a pod of its own, not on the host network. */
function ztunnelOf(controlPlane: string): string {
  return `${controlPlane}/ztunnel`;
}

/** What a default deny would cut off: certificates and configuration, and in ambient mode the kubelet's probes. */
export function meshFlows(mesh: ModelMesh, hasOwnPlugin = false): readonly FlowDeclaration[] {
  const istiod = `${mesh.controlPlane}/istiod`;
  const flows = [
    flow(istiod).to(kubeApiserver()).on().because("watches and writes its resources").ownedBy(presetOwner),
  ];
  if (mesh.mode === MeshMode.Ambient) {
    const reason = "fetches certificates and configuration for the pods of its node";
    flows.push(flow(ztunnelOf(mesh.controlPlane)).to(istiod).on(tcp(15012)).because(reason).ownedBy(presetOwner));
    if (!hasOwnPlugin) {
      const plugin = `${mesh.controlPlane}/${nodePlugin}`;
      flows.push(flow(plugin).to(kubeApiserver()).on().because("reads pods and namespaces").ownedBy(presetOwner));
    }
  }
  for (const name of mesh.namespaces) {
    const reason = "proxies fetch certificates and configuration";
    flows.push(flow(allOf(name)).to(istiod).on(tcp(15012)).because(reason).ownedBy(presetOwner));
    if (mesh.mode !== MeshMode.Ambient) continue;
    const probes = "kubelet probes arrive from this address";
    flows.push(
      flow(cidr(ambientProbeAddress)).to(allOf(name)).on(tcpRange(1, 65535)).because(probes).ownedBy(presetOwner),
    );
  }
  return flows;
}
