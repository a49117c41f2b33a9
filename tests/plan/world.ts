import type { ClusterSecurityDeclaration, Plan, WorkloadDeclaration } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
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
    documents?: readonly KubeObject[];
  } = {},
): World {
  const planned = plan(declaration);
  const namespaces = new Set([
    ...planned.namespaces.map(({ name }) => name),
    ...(options.workloads ?? declaration.workloads ?? []).map(({ namespace }) => namespace),
  ]);
  const objects: KubeObject[] = [
    ...[...namespaces].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    ...(options.workloads ?? declaration.workloads ?? []).map(deploymentOf),
    ...(options.documents ?? planned.documents.map((document) => document.object as unknown as KubeObject)),
    ...(options.extra ?? []),
  ];
  const sourced: SourcedObject[] = objects.map((object) => ({ object }));
  const profile = profileFor(planned.dialect === "cilium" ? "cilium@1.20" : "kubernetes");
  return { plan: planned, reachability: compile(buildSnapshot(sourced, { profile })) };
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
