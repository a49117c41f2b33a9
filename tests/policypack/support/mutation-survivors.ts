/** Forms of mutants that no finding names, each with the reason; see mutation.test.ts, which holds the lists exact. */
export const survivors: {
  readonly opening: Readonly<Record<string, string>>;
  readonly without: Readonly<Record<string, string>>;
} = {
  /** Something opens and no finding is new. A preview that is given the previous state names it (reachability-change). */
  opening: {},
  /** No path opens, and nothing is found. */
  without: {
    "CiliumClusterwideNetworkPolicy.spec.egressDeny[].toCIDRSet[]: denied peer removed":
      "a second wall: the default deny closes the address all the same, and any allow that opens it is a finding",
    "CiliumClusterwideNetworkPolicy.spec.enableDefaultDeny.egress: closes": "the default deny closes it already",
    "CiliumClusterwideNetworkPolicy.spec.enableDefaultDeny.ingress: closes": "the default deny closes it already",
    "CiliumClusterwideNetworkPolicy.spec.endpointSelector.matchExpressions: excludes nobody":
      "the explicit deny of metadata then holds for more pods; it only closes",
    "CiliumClusterwideNetworkPolicy.spec.endpointSelector: selects nobody":
      "a second wall, or an allow that nobody needs once it is gone: nothing opens",
    "CiliumClusterwideNetworkPolicy.spec.ingress[].fromEndpoints[]: any pod of the cluster":
      "DNS is open to every pod of the cluster before and after",
    "CiliumClusterwideNetworkPolicy.spec.ingress[].fromEntities[]: everybody":
      "the policy selects pods of tier 0 only, which are not held to account",
    "CiliumClusterwideNetworkPolicy.spec.ingress[].fromEntities[]: the internet":
      "the policy selects pods of tier 0 only, which are not held to account",
    "CiliumNetworkPolicy.spec.enableDefaultDeny.egress: closes": "the default deny closes it already",
    "CiliumNetworkPolicy.spec.enableDefaultDeny.ingress: closes": "the default deny closes it already",
    "CiliumNetworkPolicy.spec.ingressDeny[].fromEndpoints[]: denied peer removed":
      "a second wall between tenants: the default deny closes the path all the same",
    "Deployment.spec.template.metadata.labels: another's labels": "no allow of the example is for these pods",
    "Deployment.spec.template.metadata: outside the mesh": "no namespace of the examples is in a mesh",
    "Job.spec.template.metadata: outside the mesh": "no namespace of the examples is in a mesh",
    "NetworkPolicy.spec.egress[].to[].podSelector: selector removed":
      "every pod of the selected namespace fits the selector before and after",
    "NetworkPolicy.spec.ingress[].from[].podSelector: selector removed":
      "every pod of the selected namespace fits the selector before and after",
    "NetworkPolicy.spec.policyTypes[]: removed":
      "a policy without egress rules: no type means Ingress, which is what it had",
  },
};
