/** Forms of mutants that no finding names, each with the reason; see mutation.test.ts, which holds the lists exact. */
export const survivors: {
  readonly opening: Readonly<Record<string, string>>;
  readonly without: Readonly<Record<string, string>>;
} = {
  /** Something opens. A preview that is given the previous state names it (finding reachability-change). */
  opening: {
    "CiliumClusterwideNetworkPolicy.specs[].egress[].toCIDRSet[].except[]: exception removed":
      "an exception for private addresses is the author's choice; findings demand those for cloud metadata only",
    "NetworkPolicy.spec.egress[].to[].ipBlock.except[]: exception removed":
      "an exception for private addresses is the author's choice; findings demand those for cloud metadata only",
    "NetworkPolicy.spec.ingress[].from[].ipBlock.cidr: all addresses":
      "the rule lets the internet in before and after; the finding about that is the same",
    "NetworkPolicy.spec.ingress[].from[].ipBlock.except: exceptions removed":
      "the rule lets the internet in before and after; private addresses besides are no finding",
    "NetworkPolicy.spec.ingress[].from[].ipBlock.except[]: exception removed":
      "the rule lets the internet in before and after; private addresses besides are no finding",
    "NetworkPolicy.spec.ingress[].from[]: the internet":
      "the rule lets the internet in before and after; the finding about that is the same",
    "RoleBinding.roleRef: cluster-admin":
      "the binding is for a group of people; the finding is about applications and groups that hold everybody (S3-23)",
  },
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
  },
};
