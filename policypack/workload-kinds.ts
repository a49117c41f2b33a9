/** Kinds that run pods. */
export function isWorkloadKind(kind: string): boolean {
  return workloadKinds.has(kind);
}

const workloadKinds: ReadonlySet<string> = new Set([
  "Pod",
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "ReplicaSet",
  "ReplicationController",
  "Job",
  "CronJob",
]);
