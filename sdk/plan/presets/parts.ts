/** Flows and namespaces that presets have in common. */
import type { DestinationLike, SourceLike } from "../builders";
import { cidr, flow, fqdn, internet, kubeApiserver, nodes, tcp } from "../builders";
import type { FlowDeclaration, NamespaceDeclaration, PortDeclaration } from "../declaration";
import { Tier } from "../declaration";
import type { Known } from "../inputs";
import type { BackendDeclaration } from "./declarations";
import { presetOwner } from "./expansion";

/** One flow of a preset. */
export function connect(
  from: SourceLike,
  to: DestinationLike,
  ports: readonly PortDeclaration[],
  reason: string,
  owner: string = presetOwner,
): FlowDeclaration {
  return flow(from)
    .to(to)
    .on(...ports)
    .because(reason)
    .ownedBy(owner);
}

/** Clients of the Kubernetes API. */
export function usesApiServer(...clients: readonly string[]): FlowDeclaration[] {
  return clients.map((client) => connect(client, kubeApiserver(), [], "watches and writes its resources"));
}

/** HTTPS (or other ports) to named hosts. */
export function reaches(
  client: string,
  hosts: readonly string[] | undefined,
  reason: string,
  ports: readonly PortDeclaration[] = [tcp(443)],
  owner: string = presetOwner,
): FlowDeclaration[] {
  return (hosts ?? []).map((host) => connect(client, fqdn(host), ports, reason, owner));
}

/** Several workloads that open connections to the same ports of one. */
export function calledBy(
  callers: readonly string[] | undefined,
  to: string,
  ports: readonly PortDeclaration[],
  reason: string,
  owner: string = presetOwner,
): FlowDeclaration[] {
  return (callers ?? []).map((caller) => connect(caller, to, ports, reason, owner));
}

/**
 * Who comes in through a load balancer or node port: with their own address where the Service keeps it
 * (`externalTrafficPolicy: Local`), with a node's where it does not.
 */
export function visitors(
  proxy: string,
  ranges: readonly string[] | undefined,
  ports: readonly PortDeclaration[],
): FlowDeclaration[] {
  const outside = ranges === undefined ? [internet()] : ranges.map((range) => cidr(range));
  return [
    ...outside.map((from) => connect(from, proxy, ports, "visitors")),
    connect(nodes(), proxy, ports, "visitors whose address a node has replaced"),
  ];
}

/** What a proxy forwards to; ports of one workload together. */
export function forwards(
  from: SourceLike,
  backends: readonly Known<BackendDeclaration>[] | undefined,
): FlowDeclaration[] {
  const byWorkload = new Map<string, PortDeclaration[]>();
  for (const { workload, port } of backends ?? []) {
    byWorkload.set(workload, [...(byWorkload.get(workload) ?? []), tcp(port)]);
  }
  return [...byWorkload].map(([workload, ports]) => connect(from, workload, ports, "forwards requests"));
}

/** Namespaces of tier 1 that the service's own chart brings. */
export function sharedServices(...names: readonly string[]): Known<NamespaceDeclaration>[] {
  return [...new Set(names)].map((name) => ({ name, tier: Tier.SharedServices, existing: true }));
}

/** The account of a workload, where one is declared. */
export function accountOf(serviceAccount: string | undefined): { serviceAccount?: string } {
  return serviceAccount === undefined ? {} : { serviceAccount };
}

/** The label that charts give the pods of an application. */
export function named(name: string, component?: string): { [key: string]: string } {
  const label = { "app.kubernetes.io/name": name };
  return component === undefined ? label : { ...label, "app.kubernetes.io/component": component };
}
