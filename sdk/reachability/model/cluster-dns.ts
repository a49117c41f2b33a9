/** Which pods answer the cluster's DNS, as distributions install them. */

/** DNS servers of a cluster: their namespace, the labels that each of them has, and the port on which they listen. */
export interface ClusterDns {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** UDP and TCP; what policies see, behind the Service's port 53. */
  readonly port: number;
}

/** CoreDNS and kube-dns carry this label in kube-system (kubeadm, k3s, kops, EKS, GKE, AKS). */
export const kubeDns: ClusterDns = { namespace: "kube-system", labels: { "k8s-app": "kube-dns" }, port: 53 };

/** The DNS operator's pods (docs.openshift.com, "DNS Operator in OpenShift Container Platform"). */
export const openShiftDns: ClusterDns = {
  namespace: "openshift-dns",
  labels: { "dns.operator.openshift.io/daemonset-dns": "default" },
  port: 5353,
};

/** Address at which NodeLocal DNSCache answers on every node (kubernetes.io, "Using NodeLocal DNSCache"). */
export const nodeLocalDnsAddress = "169.254.20.10";

/** A pod, as far as it matters here; a label may have a value that is not known yet. */
interface LabelledPod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, unknown>>;
}

/**
 * The DNS servers that a pod is one of, if it is.
 *
 * @param known Where DNS servers are. Defaults to what distributions install.
 */
export function clusterDnsOf(
  { namespace, labels }: LabelledPod,
  known: readonly ClusterDns[] = [kubeDns, openShiftDns],
): ClusterDns | undefined {
  return known.find(
    (dns) => dns.namespace === namespace && Object.entries(dns.labels).every(([key, value]) => labels[key] === value),
  );
}
