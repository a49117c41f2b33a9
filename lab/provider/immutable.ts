/**
 * Fields that the API server does not let change: a change means a new object.
 * Source: the validation of each kind in the Kubernetes API (and the same list of the released provider).
 */
import type { PlainMap } from "./properties";

const podFields = [
  "affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC",
  "hostNetwork hostPID hostname imagePullSecrets initContainers nodeName nodeSelector overhead preemptionPolicy",
  "priority priorityClassName readinessGates restartPolicy runtimeClassName schedulerName securityContext",
  "serviceAccount serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds volumes",
]
  .join(" ")
  .split(" ")
  .map((field) => `spec.${field}`);

const byKind: Readonly<Record<string, readonly string[]>> = {
  "apps/DaemonSet": ["spec.selector"],
  "apps/Deployment": ["spec.selector"],
  "apps/ReplicaSet": ["spec.selector"],
  "apps/StatefulSet": ["spec.podManagementPolicy", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"],
  "batch/Job": ["spec.completions", "spec.completionMode", "spec.selector", "spec.template"],
  "rbac.authorization.k8s.io/ClusterRoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/RoleBinding": ["roleRef"],
  "storage.k8s.io/StorageClass": ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"],
  "networking.k8s.io/IngressClass": ["spec.controller"],
  "node.k8s.io/RuntimeClass": ["handler"],
  "scheduling.k8s.io/PriorityClass": ["value", "preemptionPolicy"],
  "apiextensions.k8s.io/CustomResourceDefinition": ["spec.group", "spec.names.kind", "spec.names.plural", "spec.scope"],
  "/PersistentVolumeClaim": [
    "spec.accessModes",
    "spec.dataSource",
    "spec.selector",
    "spec.storageClassName",
    "spec.volumeMode",
    "spec.volumeName",
  ],
  "/PersistentVolume": ["spec.csi", "spec.hostPath", "spec.local", "spec.nfs", "spec.nodeAffinity", "spec.volumeMode"],
  "/Pod": podFields,
  "/ResourceQuota": ["spec.scopes"],
  "/Service": ["spec.clusterIP"],
  "/ServiceAccount": [],
};

export interface Mutability {
  /** `enableConfigMapMutable`: changed data is an update in place (default: a new ConfigMap). */
  configMap: boolean;
  /** `enableSecretMutable`: the same for Secrets. */
  secret: boolean;
}

/** Paths whose change replaces the object. The name and the namespace always do. */
export function immutablePaths(object: PlainMap, mutable: Mutability): string[] {
  const apiVersion = String(object["apiVersion"] ?? "");
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const kind = String(object["kind"] ?? "");
  const paths = ["metadata.name", "metadata.namespace", ...(byKind[`${group}/${kind}`] ?? [])];
  const frozen = object["immutable"] === true;
  if (group === "" && kind === "ConfigMap" && (frozen || !mutable.configMap)) paths.push("data", "binaryData");
  if (group === "" && kind === "Secret") {
    paths.push("type");
    if (frozen || !mutable.secret) paths.push("data", "stringData");
  }
  return paths;
}
