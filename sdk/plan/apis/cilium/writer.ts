/** Cilium's policy API, for the planner. */
import type { NetworkPolicyWriter } from "../writer";
import { ciliumBypass, ciliumGuard } from "./guard";
import { ciliumDocuments } from "./policies";
import { logSince } from "./log";

/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`cilium.io/v2`). */
export const cilium: NetworkPolicyWriter = {
  group: "cilium.io",
  tenantKinds: { CiliumNetworkPolicy: "ciliumnetworkpolicies" },
  limits: {
    finalDeny: true,
    serviceAccounts: true,
    limitsDnsNames: true,
    marksFlowsSince: logSince,
    staged: false,
    // credential services are the node to Cilium, which no rule for addresses matches
    metadataAccessInGuard: true,
  },
  policies: ciliumDocuments,
  guard: ciliumGuard,
  bypass: ciliumBypass,
  tenantPolicies: (model, shortfalls, isOwn) => ciliumDocuments(model, shortfalls).filter(isOwn),
};
