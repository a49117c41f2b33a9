/** Calico's policy API, for the planner. */
import type { NetworkPolicyWriter } from "../writer";
import { calicoBypass, calicoGuard } from "./guard";
import { calicoDocuments } from "./policies";
import { inDefaultTier, objectName } from "./tiers";

/** Tier, GlobalNetworkPolicy and NetworkPolicy (`projectcalico.org/v3`). */
export const calico: NetworkPolicyWriter = {
  group: "projectcalico.org",
  tenantKinds: { NetworkPolicy: "networkpolicies" },
  limits: {
    finalDeny: true,
    serviceAccounts: true,
    limitsDnsNames: false,
    staged: true,
    metadataAccessInGuard: false,
  },
  policies: calicoDocuments,
  guard: calicoGuard,
  bypass: calicoBypass,
  // a tenant by itself makes no tier, which every tenant would share
  tenantPolicies: (model, shortfalls, isOwn) => inDefaultTier(calicoDocuments(model, shortfalls).filter(isOwn)),
  objectName,
};
