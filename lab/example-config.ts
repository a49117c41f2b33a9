/** What the examples are told in a lab: it has no kube-dns, cert-manager and the like, and no workloads of others. */
export const exampleConfig: Readonly<Record<string, string>> = {
  "clusterSecurity:platform": "stand-ins",
  "clusterSecurity:mayUncoverOthers": "true",
};
