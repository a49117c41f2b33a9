/** How the workloads of a snapshot take part in the mesh, for those who ask about single ones. */
import { noLabels } from "../model/selectors/labels";
import { isUnknown, type UnknownValue } from "../model/unknown";
import type { Bypass, MeshMode } from "../model/mesh";
import { ambientInbound, sidecarInbound } from "./mesh-capture";
import { futurePod, meshModeOf, meshSubjectOf } from "./mesh";
import type { Snapshot, Workload } from "../model/snapshot";

/** A workload's mode; nothing where it takes no part. */
export function meshModeOfWorkload(snapshot: Snapshot, workload: Workload): MeshMode | UnknownValue | undefined {
  const labels = snapshot.namespaces.get(workload.namespace)?.labelSet ?? { values: {}, complete: false };
  return meshModeOf(meshSubjectOf(workload, labels), snapshot.installation);
}

/** The mode of a new pod without labels in a namespace. */
export function meshModeIn(snapshot: Snapshot, namespace: string): MeshMode | UnknownValue | undefined {
  const labels = snapshot.namespaces.get(namespace)?.labelSet ?? noLabels;
  return meshModeOf(futurePod(namespace, noLabels, labels), snapshot.installation);
}

/** The annotations that keep inbound TCP of a workload of the mesh away from its proxy. */
export function meshBypassesOf(snapshot: Snapshot, workload: Workload): readonly Bypass[] {
  const mode = meshModeOfWorkload(snapshot, workload);
  const labels = snapshot.namespaces.get(workload.namespace)?.labelSet ?? { values: {}, complete: false };
  const { annotations } = meshSubjectOf(workload, labels);
  const sidecar = mode === "sidecar" || isUnknown(mode) ? sidecarInbound(annotations).bypasses : [];
  const ambient = mode === "ambient" || isUnknown(mode) ? ambientInbound(annotations).bypasses : [];
  return [...sidecar, ...ambient];
}
