import type { Rule } from "../types";
import { allPortsRule } from "./core/all-ports-rule";
import { clusterAdminBinding } from "./core/cluster-admin-binding";
import { clusterExposure } from "./core/cluster-exposure";
import { dnsCut } from "./core/dns-cut";
import { enforcementOff } from "./core/enforcement-off";
import { explicitDefaultDeny } from "./core/explicit-default-deny";
import { fqdnTooBroad } from "./core/fqdn-too-broad";
import { fqdnWithoutDnsProxy } from "./core/fqdn-without-dns-proxy";
import { halfOpenFlow } from "./core/half-open-flow";
import { hostAccess } from "./core/host-access";
import { internetEgress } from "./core/internet-egress";
import { internetExposure } from "./core/internet-exposure";
import { metadataEndpointsClosed } from "./core/metadata-endpoints-closed";
import { namespaceDefaultDeny } from "./core/namespace-default-deny";
import { notUnderstood } from "./core/not-understood";
import { spoofablePeer } from "./core/spoofable-peer";
import { tier0Restricted } from "./core/tier0-restricted";
import { widerThanOtherHalf } from "./core/wider-than-other-half";
import { worldRuleCoversPrivate } from "./core/world-rule-covers-private";
import { chartValueIgnored } from "./installation/chart-value-ignored";
import { encryptionOff } from "./installation/encryption-off";
import { enforcerVersion } from "./installation/enforcer-version";
import { flowObservabilityOff } from "./installation/flow-observability-off";
import { icmpCodeStopsFelix } from "./installation/icmp-code-stops-felix";
import { stagedOnly } from "./installation/staged-only";
import { twoProtocolsStopFelix } from "./installation/two-protocols-stop-felix";
import { bypassUndocumented } from "./lifecycle/bypass-undocumented";
import { orderHazard } from "./lifecycle/order-hazard";
import { reviewOverdue } from "./lifecycle/review-overdue";
import { hboneCut } from "./mesh/hbone-cut";
import { meshAuthorizationDefault } from "./mesh/mesh-authorization-default";
import { meshPeerMatchesNobody } from "./mesh/mesh-peer-matches-nobody";
import { meshPrincipalWildcard } from "./mesh/mesh-principal-wildcard";
import { mtlsNotStrict } from "./mesh/mtls-not-strict";
import { mtlsPortHole } from "./mesh/mtls-port-hole";
import { peerAuthenticationIgnored } from "./mesh/peer-authentication-ignored";
import { proxyBypassed } from "./mesh/proxy-bypassed";
import { crossTenantPath } from "./paths/cross-tenant-path";
import { crossTierPath } from "./paths/cross-tier-path";
import { healthEndpointCut } from "./paths/health-endpoint-cut";
import { entranceCut } from "./paths/entrance-cut";
import { ingressProxyCut } from "./paths/ingress-proxy-cut";
import { kubeApiCut } from "./paths/kube-api-cut";
import { mailEgress } from "./paths/mail-egress";
import { probeCut } from "./paths/probe-cut";
import { replicationCut } from "./paths/replication-cut";
import { webhookCut } from "./paths/webhook-cut";
import { adminPortOpen } from "./policies/admin-port-open";
import { annotationWithoutEffect } from "./policies/annotation-without-effect";
import { deadRule } from "./policies/dead-rule";
import { defaultDenySideEffect } from "./policies/default-deny-side-effect";
import { emptyRule } from "./policies/empty-rule";
import { fqdnMatchesNothing } from "./policies/fqdn-matches-nothing";
import { fqdnNeverLearned } from "./policies/fqdn-never-learned";
import { fqdnSearchRefused } from "./policies/fqdn-search-refused";
import { hostNetworkSelected } from "./policies/host-network-selected";
import { labelOnlyIdentity } from "./policies/label-only-identity";
import { nameContradictsEffect } from "./policies/name-contradicts-effect";
import { namingConvention } from "./policies/naming-convention";
import { passDropsNewcomers } from "./policies/pass-drops-newcomers";
import { peerByAbsence } from "./policies/peer-by-absence";
import { proxyServiceNamed } from "./policies/proxy-service-named";
import { sectionWithoutEffect } from "./policies/section-without-effect";
import { selectorKeyUnknown } from "./policies/selector-key-unknown";
import { serviceAddressNamed } from "./policies/service-address-named";
import { portNobodyListens } from "./policies/port-nobody-listens";

/** Every rule by its id, in the order in which reports list them. A rule is a file of that name in one of these folders. */
export const rulesById = {
  "namespace-default-deny": namespaceDefaultDeny,
  "metadata-endpoints-closed": metadataEndpointsClosed,
  "enforcement-off": enforcementOff,
  "icmp-code-stops-felix": icmpCodeStopsFelix,
  "two-protocols-stop-felix": twoProtocolsStopFelix,
  "staged-only": stagedOnly,
  "tier0-restricted": tier0Restricted,
  "not-understood": notUnderstood,
  "cross-tenant-path": crossTenantPath,
  "cross-tier-path": crossTierPath,
  "cluster-exposure": clusterExposure,
  "internet-exposure": internetExposure,
  "internet-egress": internetEgress,
  "world-rule-covers-private": worldRuleCoversPrivate,
  "mail-egress": mailEgress,
  "mtls-not-strict": mtlsNotStrict,
  "mtls-port-hole": mtlsPortHole,
  "mesh-authorization-default": meshAuthorizationDefault,
  "mesh-principal-wildcard": meshPrincipalWildcard,
  "mesh-peer-matches-nobody": meshPeerMatchesNobody,
  "peer-authentication-ignored": peerAuthenticationIgnored,
  "proxy-bypassed": proxyBypassed,
  "hbone-cut": hboneCut,
  "encryption-off": encryptionOff,
  "enforcer-version": enforcerVersion,
  "chart-value-ignored": chartValueIgnored,
  "flow-observability-off": flowObservabilityOff,
  "fqdn-too-broad": fqdnTooBroad,
  "fqdn-without-dns-proxy": fqdnWithoutDnsProxy,
  "fqdn-matches-nothing": fqdnMatchesNothing,
  "fqdn-never-learned": fqdnNeverLearned,
  "fqdn-search-refused": fqdnSearchRefused,
  "all-ports-rule": allPortsRule,
  "admin-port-open": adminPortOpen,
  "port-nobody-listens": portNobodyListens,
  "peer-by-absence": peerByAbsence,
  "pass-drops-newcomers": passDropsNewcomers,
  "spoofable-peer": spoofablePeer,
  "label-only-identity": labelOnlyIdentity,
  "explicit-default-deny": explicitDefaultDeny,
  "default-deny-side-effect": defaultDenySideEffect,
  "empty-rule": emptyRule,
  "section-without-effect": sectionWithoutEffect,
  "selector-key-unknown": selectorKeyUnknown,
  "service-address-named": serviceAddressNamed,
  "proxy-service-named": proxyServiceNamed,
  "half-open-flow": halfOpenFlow,
  "wider-than-other-half": widerThanOtherHalf,
  "dead-rule": deadRule,
  "host-network-selected": hostNetworkSelected,
  "dns-cut": dnsCut,
  "kube-api-cut": kubeApiCut,
  "probe-cut": probeCut,
  "webhook-cut": webhookCut,
  "health-endpoint-cut": healthEndpointCut,
  "ingress-proxy-cut": ingressProxyCut,
  "entrance-cut": entranceCut,
  "replication-cut": replicationCut,
  "order-hazard": orderHazard,
  "bypass-undocumented": bypassUndocumented,
  "annotation-without-effect": annotationWithoutEffect,
  "naming-convention": namingConvention,
  "name-contradicts-effect": nameContradictsEffect,
  "review-overdue": reviewOverdue,
  "host-access": hostAccess,
  "cluster-admin-binding": clusterAdminBinding,
} satisfies Readonly<Record<string, Rule>>;

/** The id of a rule. Arguments and configuration that name findings are typed by it. */
export type RuleId = keyof typeof rulesById;

/** Every rule, in the order in which reports list them. */
export const rules: readonly Rule[] = Object.values(rulesById);
