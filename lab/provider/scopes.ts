/**
 * Whether a kind lives in a namespace, for the kinds that every API server has. Custom resources are asked for.
 * Source: the Kubernetes API reference, 1.36.
 */
const builtInGroups = new Set(
  [
    "admissionregistration.k8s.io apiextensions.k8s.io apiregistration.k8s.io apps authentication.k8s.io",
    "authorization.k8s.io autoscaling batch certificates.k8s.io coordination.k8s.io discovery.k8s.io events.k8s.io",
    "flowcontrol.apiserver.k8s.io networking.k8s.io node.k8s.io policy rbac.authorization.k8s.io resource.k8s.io",
    "scheduling.k8s.io storage.k8s.io storagemigration.k8s.io",
  ]
    .join(" ")
    .split(" "),
);

const clusterWide = new Set(
  [
    "APIService CSIDriver CSINode CertificateSigningRequest ClusterRole ClusterRoleBinding ClusterTrustBundle",
    "ComponentStatus CustomResourceDefinition DeviceClass DeviceTaintRule FlowSchema IPAddress IngressClass",
    "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration Namespace Node",
    "PersistentVolume PriorityClass PriorityLevelConfiguration ResourceSlice RuntimeClass SelfSubjectAccessReview",
    "SelfSubjectReview SelfSubjectRulesReview ServiceCIDR StorageClass StorageVersionMigration SubjectAccessReview",
    "TokenReview ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration",
    "VolumeAttachment VolumeAttributesClass",
  ]
    .join(" ")
    .split(" "),
);

/** Undefined for a kind that is not built in. */
export function isNamespacedBuiltIn(apiVersion: string, kind: string): boolean | undefined {
  const slash = apiVersion.indexOf("/");
  const builtIn = slash < 0 ? apiVersion === "v1" : builtInGroups.has(apiVersion.slice(0, slash));
  return builtIn ? !clusterWide.has(kind) : undefined;
}
