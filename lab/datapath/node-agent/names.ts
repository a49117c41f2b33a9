import { world } from "../layout";
import type { Pod, Service } from "../../nodes/objects";

/**
 * What the cluster's DNS answers: every Service by its address, a headless one by the addresses of its pods that run, and
 * the names of the world (Kubernetes DNS specification, 2.3 and 2.4).
 */
export function dnsRecords(services: Iterable<Service>, pods: Iterable<Pod>): Record<string, readonly string[]> {
  const running = [...pods].filter((pod) => pod.status?.phase === "Running" && pod.status.podIP);
  const records: Record<string, readonly string[]> = { ...world.names };
  for (const { metadata, spec } of services) {
    const { clusterIP, selector } = spec;
    if (!clusterIP || clusterIP.includes(":")) continue;
    const backends = (): string[] =>
      running
        .filter((pod) => pod.metadata.namespace === metadata.namespace && selects(selector, pod.metadata.labels))
        .map((pod) => pod.status?.podIP ?? "");
    records[`${metadata.name}.${metadata.namespace}.svc.cluster.local`] =
      clusterIP === "None" ? backends() : [clusterIP];
  }
  return records;
}

function selects(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}
