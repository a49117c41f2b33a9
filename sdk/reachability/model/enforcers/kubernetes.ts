/** An enforcer that does what the text of the APIs says: what is left open there stays open. */
import type { Enforcer } from "../enforcer";
import { ordinarySettings } from "../enforcer";

export const kubernetes: Enforcer = {
  defaults: {
    ...ordinarySettings,
    title: "Kubernetes",
    cidrMatchesPods: true,
    cidrMatchesNodes: true,
    unknownPodAddresses: "in-wide-ranges",
    clusterNetworkPolicy: true,
    adminNetworkPolicy: true,
    namesNeedDnsRule: false,
    sidecarPorts: true,
    policyApis: [],
    matchesByIdentity: false,
    ownNodeBypassesDenies: true,
    probesComeFromMeshAddress: false,
    isolatesAfterAllTiers: false,
    equalPriorities: "open",
    namedTiers: false,
    servesIngress: false,
    healthEndpoints: false,
    mayKeepClientAddress: false,
    translatesServicesFirst: false,
    rulesBeyondPolicyTypes: false,
    selectsIdentityLabels: false,
    dropsAdminPortNames: false,
    readsExperimentalPeers: true,
    addsDnsRules: false,
    negativeNamespacesAreEverything: false,
    namespacesHoldNetworkSets: false,
    passDropsNewcomers: false,
  },
};
