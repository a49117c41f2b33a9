/** Pods of declared workloads, for questions about a cluster that nobody has read. */
import type { KubeObject } from "../reachability/index";
import type { ModelWorkload } from "./model";

/** A pod as the declaration describes those of a workload: its labels, its account, its ports. */
export function podOf({ name, namespace, labels, serviceAccount, hostNetwork, ports }: ModelWorkload): KubeObject {
  const served = ports.map((port) => ({
    containerPort: port.from,
    protocol: port.protocol,
    ...(port.name === undefined ? {} : { name: port.name }),
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { ...labels } },
    spec: {
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
      hostNetwork,
      containers: [{ name, ports: served }],
    },
  };
}
