/**
 * The controls that findings refer to. Wording is a paraphrase; a mapping says which question a finding helps to answer,
 * not that the control is met: a computed path shows what the policies allow, not that the enforcer runs or that the
 * business needs the flow.
 */

/** One control of a published catalogue. */
export interface ControlRef {
  /** The catalogue, with its version where ids change between versions. */
  readonly framework: string;
  readonly id: string;
  /** What the control asks for, in one line. */
  readonly title: string;
}

function control(framework: string, id: string, title: string): ControlRef {
  return Object.freeze({ framework, id, title });
}

const CIS = "CIS Kubernetes v1.12";
const NIST = "NIST SP 800-53 r5";
const PCI = "PCI DSS v4.0.1";
const NSA = "NSA/CISA Kubernetes Hardening Guide v1.2";
const MITRE = "MITRE ATT&CK";
const ISO = "ISO/IEC 27001:2022 Annex A";
const SOC2 = "SOC 2 TSC";

/** Every control that a rule refers to, by a short name. */
export const controls = Object.freeze({
  cisNetworkPluginSupportsPolicies: control(CIS, "5.3.1", "The CNI in use supports network policies"),
  cisEveryNamespaceHasPolicies: control(CIS, "5.3.2", "All namespaces have network policies defined"),
  cisMinimiseHostNetwork: control(CIS, "5.2.5", "Minimise the admission of containers on the host network"),
  nistBoundaryProtection: control(NIST, "SC-7", "Boundary protection"),
  nistExternalServices: control(NIST, "SC-7(4)", "External telecommunications services"),
  nistDenyByDefault: control(NIST, "SC-7(5)", "Deny by default, allow by exception"),
  nistRestrictIncoming: control(NIST, "SC-7(11)", "Restrict incoming communications traffic"),
  nistInformationFlow: control(NIST, "AC-4", "Information flow enforcement"),
  nistLeastPrivilege: control(NIST, "AC-6", "Least privilege"),
  nistLeastFunctionality: control(NIST, "CM-7", "Least functionality"),
  nistTransmission: control(NIST, "SC-8", "Transmission confidentiality and integrity"),
  nistChangeControl: control(NIST, "CM-3", "Configuration change control"),
  nistSeparateFlows: control(NIST, "AC-4(21)", "Physical or logical separation of information flows"),
  nistCryptographicProtection: control(NIST, "SC-8(1)", "Cryptographic protection of transmitted information"),
  nistInternalConnections: control(NIST, "CA-9", "Internal system connections"),
  nistMonitoring: control(NIST, "SI-4", "System monitoring"),
  nistAudit: control(NIST, "AU-12", "Audit record generation"),
  cmmcDenyByDefault: control("NIST SP 800-171", "3.13.6", "Deny network communications traffic by default"),
  pciRuleSets: control(PCI, "1.2.1", "Rule-set standards are defined, implemented and maintained"),
  pciServicesApproved: control(PCI, "1.2.5", "Allowed services, protocols and ports have an approved business need"),
  pciChanges: control(PCI, "1.2.2", "Changes to connections and configurations follow change control"),
  pciTransmission: control(PCI, "4.2.1", "Strong cryptography protects data in transmission"),
  pciLogs: control(PCI, "10.2", "Audit logs support the detection of anomalies"),
  pciReview: control(PCI, "1.2.7", "Configurations are reviewed at least every six months"),
  pciInbound: control(PCI, "1.3.1", "Inbound traffic is limited to what is necessary"),
  pciOutbound: control(PCI, "1.3.2", "Outbound traffic is limited to what is necessary"),
  pciTrustedUntrusted: control(PCI, "1.4.2", "Inbound traffic from untrusted networks is limited"),
  nsaDefaultDeny: control(
    NSA,
    "C-0054",
    "A default policy denies all ingress and egress; unselected pods are isolated",
  ),
  nsaPoliciesPresent: control(NSA, "C-0030", "Ingress and egress are blocked unless allowed"),
  nsaHostNetwork: control(NSA, "C-0041", "Host network access is limited"),
  mitreInstanceMetadata: control(MITRE, "T1552.005", "Credentials from the cloud instance metadata API"),
  mitreContainerApi: control(MITRE, "T1552.007", "Credentials through the container API"),
  mitreServiceDiscovery: control(MITRE, "T1046", "Network service discovery"),
  mitreExfiltration: control(MITRE, "T1048", "Exfiltration over an alternative protocol"),
  isoNetworkSecurity: control(ISO, "A.8.20", "Networks security"),
  isoSegregation: control(ISO, "A.8.22", "Segregation of networks"),
  isoMonitoring: control(ISO, "A.8.16", "Monitoring activities"),
  isoCryptography: control(ISO, "A.8.24", "Use of cryptography"),
  soc2Boundary: control(SOC2, "CC6.6", "Measures against threats from outside the boundary"),
  soc2LogicalAccess: control(SOC2, "CC6.1", "Logical access security"),
  isoNetworkServices: control(ISO, "A.8.21", "Security of network services"),
  isoChange: control(ISO, "A.8.32", "Change management"),
  soc2DataInMotion: control(SOC2, "CC6.7", "Data in motion is protected"),
  soc2Change: control(SOC2, "CC8.1", "Changes are authorised, tested and approved"),
  soc2Detection: control(SOC2, "CC7.2", "Anomalies are detected"),
  kubernetesMetadata: control("Kubernetes docs", "securing-a-cluster", "Restrict access to the cloud metadata API"),
});

/** `MITRE ATT&CK T1552.005`. */
export function describeControl(ref: ControlRef): string {
  return `${ref.framework} ${ref.id}`;
}
