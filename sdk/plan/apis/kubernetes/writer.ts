/** Kubernetes' own policy API, for the planner. */
import type { NetworkPolicyWriter } from "../writer";
import { kubernetesBypass, kubernetesGuard } from "./guard";
import { kubernetesDocuments } from "./policies";

/** NetworkPolicy (`networking.k8s.io/v1`). */
export const kubernetes: NetworkPolicyWriter = {
  group: "networking.k8s.io",
  tenantKinds: { NetworkPolicy: "networkpolicies" },
  limits: {
    finalDeny: false,
    serviceAccounts: false,
    limitsDnsNames: false,
    staged: false,
    metadataAccessInGuard: true,
  },
  policies: kubernetesDocuments,
  guard: kubernetesGuard,
  bypass: kubernetesBypass,
  tenantPolicies: (model, shortfalls, isOwn) => kubernetesDocuments(model, shortfalls).filter(isOwn),
};
