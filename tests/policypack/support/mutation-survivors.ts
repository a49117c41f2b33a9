/** Forms of mutants that no finding names, each with the reason; see mutation.test.ts, which holds the lists exact. */
export const survivors: {
  readonly opening: Readonly<Record<string, string>>;
  readonly without: Readonly<Record<string, string>>;
} = {
  /** Something opens, and the pack does not say so unless it knows the previous state (finding reachability-change). */
  opening: {
    "NetworkPolicy.spec.egress[].to[].ipBlock.except[]: exception removed":
      "an exception for private addresses is the author's choice: no finding demands it, only those for cloud metadata",
    "RoleBinding.roleRef: cluster-admin":
      "cluster-admin within one namespace opens no path by itself; the rule is about bindings for the whole cluster",
  },
  /** No path opens. */
  without: {},
};
