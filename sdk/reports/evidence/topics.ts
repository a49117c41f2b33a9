import type { ControlRef } from "../../findings";
import { controls, describeControl } from "../../findings";

/** What a control is about: the question that a declaration, a computation and an observation can each answer. */
export type Topic =
  | "default-deny"
  | "metadata"
  | "flows"
  | "boundary"
  | "tenants"
  | "encryption"
  | "enforcement"
  | "monitoring"
  | "reviews"
  | "changes";

/** What a topic is called in texts. */
export const topicTitles: Readonly<Record<Topic, string>> = {
  "default-deny": "deny by default",
  metadata: "cloud metadata endpoints",
  flows: "declared flows",
  boundary: "traffic from and to the outside",
  tenants: "separation of tenants",
  encryption: "encryption in transit",
  enforcement: "enforcement of policies",
  monitoring: "monitoring",
  reviews: "reviews and exceptions",
  changes: "change control",
};

/** Complete by its type: a new control needs a topic. */
const topics: Readonly<Record<keyof typeof controls, Topic>> = {
  cisNetworkPluginSupportsPolicies: "enforcement",
  cisEveryNamespaceHasPolicies: "default-deny",
  cisMinimiseHostNetwork: "enforcement",
  nistBoundaryProtection: "boundary",
  nistExternalServices: "boundary",
  nistDenyByDefault: "default-deny",
  nistRestrictIncoming: "boundary",
  nistInformationFlow: "flows",
  nistLeastPrivilege: "flows",
  nistLeastFunctionality: "flows",
  nistTransmission: "encryption",
  nistChangeControl: "changes",
  nistSeparateFlows: "tenants",
  nistCryptographicProtection: "encryption",
  nistInternalConnections: "flows",
  nistMonitoring: "monitoring",
  nistAudit: "monitoring",
  cmmcDenyByDefault: "default-deny",
  pciRuleSets: "enforcement",
  pciServicesApproved: "flows",
  pciChanges: "changes",
  pciTransmission: "encryption",
  pciLogs: "monitoring",
  pciReview: "reviews",
  pciInbound: "boundary",
  pciOutbound: "boundary",
  pciTrustedUntrusted: "boundary",
  nsaDefaultDeny: "default-deny",
  nsaPoliciesPresent: "default-deny",
  nsaHostNetwork: "enforcement",
  mitreInstanceMetadata: "metadata",
  mitreContainerApi: "boundary",
  mitreServiceDiscovery: "flows",
  mitreExfiltration: "boundary",
  isoNetworkSecurity: "enforcement",
  isoSegregation: "tenants",
  isoMonitoring: "monitoring",
  isoCryptography: "encryption",
  soc2Boundary: "boundary",
  soc2LogicalAccess: "flows",
  isoNetworkServices: "flows",
  isoChange: "changes",
  soc2DataInMotion: "encryption",
  soc2Change: "changes",
  soc2Detection: "monitoring",
  kubernetesMetadata: "metadata",
};

const byControl = new Map(
  Object.entries(controls).map(([name, ref]) => [describeControl(ref), topics[name as keyof typeof controls]]),
);

/** The topic of a control; none for one that this package does not list. */
export function topicOf(control: ControlRef): Topic | undefined {
  return byControl.get(describeControl(control));
}
