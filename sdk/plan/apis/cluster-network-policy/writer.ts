/** The cluster administrator's policy API, for the planner. */
import { kubernetesBypass } from "../kubernetes/guard";
import { kubernetesDocuments } from "../kubernetes/policies";
import type { NetworkPolicyWriter } from "../writer";
import { clusterNetworkPolicyGuard } from "./guard";
import { boundaryName } from "./parts";
import { clusterNetworkPolicyDocuments } from "./policies";

/** ClusterNetworkPolicy (`policy.networking.k8s.io/v1alpha2`), with NetworkPolicy for what it cannot express. */
export const clusterNetworkPolicy: NetworkPolicyWriter = {
  group: "policy.networking.k8s.io",
  tenantKinds: {},
  limits: {
    finalDeny: true,
    serviceAccounts: false,
    limitsDnsNames: false,
    staged: false,
    metadataAccessInGuard: false,
    enforcedWith: { clusterNetworkPolicy: true },
  },
  policies: clusterNetworkPolicyDocuments,
  guard: clusterNetworkPolicyGuard,
  // an accept of the administrator would overrule the denies of the namespace
  bypass: kubernetesBypass,
  tenantPolicies: (model, shortfalls, isOwn) => {
    // accepts are the administrator's, for the whole cluster; of these only the deny of neighbours is the tenant's
    const drafts = clusterNetworkPolicyDocuments(model, shortfalls).filter(isOwn);
    const boundary = drafts.filter(({ derivedName }) => derivedName === boundaryName);
    return [...boundary, ...kubernetesDocuments(model, shortfalls).filter(isOwn)];
  },
};
