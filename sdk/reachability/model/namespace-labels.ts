/** Labels by which policies name a namespace, and which nobody who writes in it can set. */

/**
 * Label that the API server sets on every namespace, with its name, and that no tenant can set
 * (https://kubernetes.io/docs/reference/labels-annotations-taints/).
 */
export const namespaceNameLabel = "kubernetes.io/metadata.name";

/** Label by which Cilium's selectors name the namespace of a pod. */
export const ciliumNamespaceLabel = "k8s:io.kubernetes.pod.namespace";
