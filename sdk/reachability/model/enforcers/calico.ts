/** Calico: its behaviour by version, and the objects by which it is known. */
import { isBeforeCalico } from "../calico-version";
import type { Enforcer } from "../enforcer";
import { ordinarySettings } from "../enforcer";
import { mapOf } from "../plain";
import { agentVersion, apiGroupOf, majorMinor, releaseOf, versionIn } from "../releases";

const groups: ReadonlySet<string> = new Set(["crd.projectcalico.org", "projectcalico.org", "operator.tigera.io"]);
const chart = "tigera-operator";

export const calico: Enforcer = {
  defaults: {
    ...ordinarySettings,
    title: "Calico",
    version: "3.32",
    cidrMatchesPods: true,
    cidrMatchesNodes: true,
    unknownPodAddresses: "possible",
    clusterNetworkPolicy: true,
    adminNetworkPolicy: false,
    namesNeedDnsRule: false,
    sidecarPorts: true,
    policyApis: ["calico"],
    matchesByIdentity: false,
    ownNodeBypassesDenies: true,
    probesComeFromMeshAddress: false,
    isolatesAfterAllTiers: false,
    equalPriorities: "byName",
    namedTiers: true,
    servesIngress: false,
    healthEndpoints: false,
    mayKeepClientAddress: false,
    translatesServicesFirst: false,
    rulesBeyondPolicyTypes: false,
    selectsIdentityLabels: false,
    dropsAdminPortNames: true,
    readsExperimentalPeers: false,
    addsDnsRules: false,
    negativeNamespacesAreEverything: false,
    namespacesHoldNetworkSets: true,
    passDropsNewcomers: false,
  },
  // AdminNetworkPolicy was read up to 3.31 only; ClusterNetworkPolicy came with 3.32
  inVersion: (version) =>
    isBeforeCalico({ cni: "calico", version }, 32) ? { clusterNetworkPolicy: false, adminNetworkPolicy: true } : {},
  versionIn: (objects) =>
    versionIn(objects, chart, (object) =>
      object.kind === "ClusterInformation"
        ? majorMinor(mapOf(object.spec)["calicoVersion"])
        : agentVersion(object, /(^|\/)(calico-)?node$/, "calico"),
    ),
  isSeenIn: (objects) =>
    objects.some(({ object }) => groups.has(apiGroupOf(object)) || releaseOf(object, chart) !== undefined),
};
