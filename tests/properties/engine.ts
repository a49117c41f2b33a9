/** The engine under test, asked through its public surface only. */
import {
  buildSnapshot,
  compile,
  profileFor,
  type EnforcerProfile,
  type Flow,
  type KubeObject,
  type Peer,
  type Reachability,
} from "../../sdk/reachability";
import type { OracleCluster, OracleFlow, OraclePod, Party, PolicyObject } from "../oracle/cluster";

/** The cluster as the objects a user would hold: Namespaces, and Pods or Deployments. */
export function clusterObjects(cluster: OracleCluster): KubeObject[] {
  return [
    ...cluster.namespaces.map(({ name, labels }): KubeObject => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels },
    })),
    ...cluster.pods.map(podObject),
  ];
}

/** Pods whose name ends in `-deploy` stand for Deployments: the same labels, in the pod template. */
export function kindOf(pod: OraclePod): "Pod" | "Deployment" {
  return pod.name.endsWith("-deploy") ? "Deployment" : "Pod";
}

function podObject(pod: OraclePod): KubeObject {
  const metadata = { name: pod.name, namespace: pod.namespace };
  const annotations = pod.annotations === undefined ? {} : { annotations: { ...pod.annotations } };
  const spec = {
    serviceAccountName: pod.serviceAccount,
    ...(pod.hostNetwork ? { hostNetwork: true } : {}),
    containers: [
      {
        name: "main",
        image: "example.test/main:1",
        ports: pod.ports.map(({ name, port, protocol }) => ({
          ...(name ? { name } : {}),
          containerPort: port,
          protocol,
        })),
      },
    ],
  };
  if (kindOf(pod) === "Deployment") {
    const template = { metadata: { labels: { ...pod.labels }, ...annotations }, spec };
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: { selector: { matchLabels: { ...pod.labels } }, template },
    };
  }
  const status =
    pod.addresses.length > 0
      ? { status: { podIP: pod.addresses[0], podIPs: pod.addresses.map((ip) => ({ ip })) } }
      : {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, labels: { ...pod.labels }, ...annotations },
    spec,
    ...status,
  };
}

export function engineFor(objects: readonly KubeObject[], profile: EnforcerProfile): Reachability {
  return compile(
    buildSnapshot(
      objects.map((object) => ({ object })),
      { profile },
    ),
  );
}

export function policyObjects(policies: readonly PolicyObject[]): KubeObject[] {
  return policies.map((policy) => structuredClone(policy) as unknown as KubeObject);
}

/** A profile with some settings changed. */
export function profile(spec: string, changes: Partial<EnforcerProfile> = {}): EnforcerProfile {
  return { ...profileFor(spec), ...changes };
}

/** The API's own text, with a pod without an address outside of every range, as the oracles take it. */
export const podsOutsideRanges = profile("kubernetes", { unknownPodAddresses: "outside-cidrs" });

/** Fresh pods are named `fresh` and are no object of the snapshot. */
export function peerOf(party: Party): Peer {
  if (party.kind === "address") return { kind: "address", address: party.address };
  if (party.kind === "node") {
    return { kind: "node", where: party.where, ...(party.address === undefined ? {} : { address: party.address }) };
  }
  const { pod } = party;
  if (pod.name === "fresh") {
    return { kind: "freshPod", namespace: pod.namespace, labels: pod.labels, serviceAccount: pod.serviceAccount };
  }
  return { kind: "workload", id: workloadId(pod) };
}

export function workloadId(pod: OraclePod): string {
  return `${pod.namespace}/${pod.name}[${kindOf(pod)}]`;
}

export function engineFlow(flow: OracleFlow): Flow {
  return {
    source: peerOf(flow.source),
    destination: peerOf(flow.destination),
    protocol: flow.protocol,
    ...(flow.port === undefined ? {} : { port: flow.port }),
  };
}
