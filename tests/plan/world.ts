import type { ClusterSecurityDeclaration, Plan, PolicyDocument, WorkloadDeclaration } from "../../sdk/plan/index";
import { Dialect, plan } from "../../sdk/plan/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import type { KubeObject, Peer, Reachability, SourcedObject } from "../../sdk/reachability/index";

/** A Deployment whose pods are what a workload declaration describes. */
export function deploymentOf(workload: WorkloadDeclaration): KubeObject {
  const { name, namespace, serviceAccount, hostNetwork, ports } = workload;
  const labels = workload.labels ?? { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
          ...(hostNetwork === true ? { hostNetwork: true } : {}),
          containers: [
            {
              name,
              ports: (ports ?? []).map((port) => ({
                containerPort: port.port,
                protocol: port.protocol ?? "TCP",
                ...(port.name === undefined ? {} : { name: port.name }),
              })),
            },
          ],
        },
      },
    },
  };
}

/** A planned declaration with its workloads running. */
export interface World {
  readonly plan: Plan;
  readonly reachability: Reachability;
}

/**
 * Plans a declaration and asks the reachability engine what it means.
 *
 * @param workloads What runs; the declared workloads unless given.
 */
export function worldOf(
  declaration: ClusterSecurityDeclaration,
  options: {
    workloads?: readonly WorkloadDeclaration[];
    extra?: readonly KubeObject[];
    /** What stands in place of the plan's documents. */
    documents?: readonly KubeObject[];
    /** What stands of the plan; all of it unless given. */
    standing?: (planned: Plan) => readonly PolicyDocument[];
  } = {},
): World {
  const planned = plan(withAddresses(declaration));
  const namespaces = new Set([
    ...planned.namespaces.map(({ name }) => name),
    ...(options.workloads ?? declaration.workloads ?? []).map(({ namespace }) => namespace),
  ]);
  const given = new Set(
    (options.extra ?? []).filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata?.name),
  );
  const objects: KubeObject[] = [
    ...[...namespaces]
      .filter((name) => !given.has(name))
      .map((name) => ({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name, labels: planned.namespaces.find((one) => one.name === name)?.labels ?? {} },
      })),
    ...(options.workloads ?? declaration.workloads ?? []).map(deploymentOf),
    ...(options.documents ??
      (options.standing?.(planned) ?? planned.documents).map(({ object }) => object as unknown as KubeObject)),
    ...(options.extra ?? []),
  ];
  const sourced: SourcedObject[] = objects.map((object) => ({ object }));
  const named = profileFor(enforcers[planned.dialect]);
  // to the API's text a range is about the world here: no pod of these has an address
  const profile = named.cni === "kubernetes" ? ({ ...named, unknownPodAddresses: "outside-cidrs" } as const) : named;
  return { plan: planned, reachability: compile(buildSnapshot(sourced, { profile })) };
}

/** What enforces the policies of a dialect: the API's own text where it is nobody's in particular. */
const enforcers: Readonly<Record<Dialect, string>> = {
  [Dialect.Cilium]: "cilium@1.20",
  [Dialect.Calico]: "calico@3.32",
  [Dialect.Kubernetes]: "kubernetes",
  [Dialect.ClusterNetworkPolicy]: "kubernetes",
};

/** Only Cilium has names for nodes and the API server; everywhere else a shared service needs their addresses. */
function withAddresses(declaration: ClusterSecurityDeclaration): ClusterSecurityDeclaration {
  if ((declaration.dialect ?? Dialect.Cilium) === Dialect.Cilium) return declaration;
  const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"], ...declaration.cluster };
  return { ...declaration, cluster };
}

/** The peer of a deployed workload. */
export function pod(id: string): Peer {
  return { kind: "workload", id: `${id}[Deployment]` };
}

/** What may pass between two peers, possible paths included, in the engine's words. */
export function open(world: World, source: Peer, destination: Peer): string {
  const { allowed, possible } = world.reachability.traffic(source, destination);
  const text = possible.toString();
  return allowed.toString() === text ? text : `${allowed.toString()} (possibly ${text})`;
}
