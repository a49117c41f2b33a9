/**
 * Oracle for what stands between a client and a pod: a Service's address, and redirects of a Service to pods of the client's
 * node. Policies see the pod that a connection ends at and that pod's port, not the Service's (kube-proxy and Cilium translate
 * first). Read off the Kubernetes docs (Service: selector, port, targetPort) and Cilium's (Local Redirect Policy).
 */
import type { OracleCluster, OracleFlow, OraclePod } from "./cluster";

export interface OracleService {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIP: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly port: { readonly protocol: "TCP" | "UDP"; readonly port: number; readonly targetPort: number | string };
}

/** A CiliumLocalRedirectPolicy in the namespace of the Service that it is about. */
export interface OracleRedirect {
  readonly service: string;
  readonly namespace: string;
  readonly backend: Readonly<Record<string, string>>;
  readonly port: number;
}

/**
 * The flows that a connection to the Service's address and port may be: one for each pod that may get it. Where a redirect is
 * about the Service, clients on nodes with one of its pods reach that, and those on other nodes the Service's own.
 *
 * @returns nothing where the pods behind the Service, or behind the redirect, are not in the cluster
 */
export function flowsBehind(
  cluster: OracleCluster,
  service: OracleService,
  redirects: readonly OracleRedirect[],
  flow: Pick<OracleFlow, "source">,
): readonly OracleFlow[] | undefined {
  const to = (pod: OraclePod, port: number): OracleFlow => ({
    source: flow.source,
    destination: { kind: "pod", pod },
    protocol: service.port.protocol,
    port,
  });
  const own = cluster.pods.filter((pod) => isSelected(pod, service.namespace, service.selector));
  if (own.length === 0) return undefined;
  const flows = own.flatMap((pod) => targetsOf(pod, service).map((port) => to(pod, port)));
  for (const redirect of redirects) {
    if (redirect.namespace !== service.namespace || redirect.service !== service.name) continue;
    const local = cluster.pods.filter((pod) => isSelected(pod, redirect.namespace, redirect.backend));
    if (local.length === 0) return undefined;
    flows.push(...local.map((pod) => to(pod, redirect.port)));
  }
  return flows;
}

function isSelected(pod: OraclePod, namespace: string, labels: Readonly<Record<string, string>>): boolean {
  return pod.namespace === namespace && Object.entries(labels).every(([key, value]) => pod.labels[key] === value);
}

/** A pod that has no port of the name is none of the Service's endpoints for it. */
function targetsOf(pod: OraclePod, { port: { protocol, targetPort } }: OracleService): readonly number[] {
  if (typeof targetPort === "number") return [targetPort];
  return pod.ports.filter((each) => each.name === targetPort && each.protocol === protocol).map(({ port }) => port);
}
