/** The world of a conformance case, as Kubernetes objects. */
import type { KubeObject } from "../../sdk/reachability";

export interface PodOfWorld {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly serviceAccount?: string;
  readonly ip?: string;
  readonly ports?: readonly { name: string; containerPort: number; protocol: string }[];
}

export interface World {
  readonly namespaces: readonly { name: string; labels?: Record<string, string> }[];
  readonly pods: readonly PodOfWorld[];
}

/** The namespaces and pods of a world as Kubernetes objects. */
export function objectsOf(world: World): KubeObject[] {
  return [
    ...world.namespaces.map((namespace): KubeObject => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace.name, labels: namespace.labels ?? {} },
    })),
    ...world.pods.map((pod): KubeObject => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: pod.name,
        namespace: pod.namespace,
        labels: pod.labels ?? {},
        annotations: pod.annotations ?? {},
      },
      spec: {
        ...(pod.serviceAccount === undefined ? {} : { serviceAccountName: pod.serviceAccount }),
        containers: [{ name: "main", image: "main", ports: pod.ports ?? [] }],
      },
      ...(pod.ip === undefined ? {} : { status: { podIP: pod.ip } }),
    })),
  ];
}
