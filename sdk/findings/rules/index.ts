import type { Rule } from "../types";
import { adminPortOpen } from "./admin-port-open";
import { allPortsRule } from "./all-ports-rule";
import { annotationWithoutEffect } from "./annotation-without-effect";
import { bypassUndocumented } from "./bypass-undocumented";
import { chartValueIgnored } from "./chart-value-ignored";
import { clusterAdminBinding } from "./cluster-admin-binding";
import { clusterExposure } from "./cluster-exposure";
import { crossTenantPath } from "./cross-tenant-path";
import { crossTierPath } from "./cross-tier-path";
import { deadRule } from "./dead-rule";
import { defaultDenySideEffect } from "./default-deny-side-effect";
import { dnsCut } from "./dns-cut";
import { emptyRule } from "./empty-rule";
import { encryptionOff } from "./encryption-off";
import { enforcementOff } from "./enforcement-off";
import { enforcerVersion } from "./enforcer-version";
import { explicitDefaultDeny } from "./explicit-default-deny";
import { flowObservabilityOff } from "./flow-observability-off";
import { fqdnMatchesNothing } from "./fqdn-matches-nothing";
import { fqdnTooBroad, fqdnWithoutDnsProxy } from "./fqdn-rules";
import { halfOpenFlow } from "./half-open-flow";
import { healthEndpointCut } from "./health-endpoint-cut";
import { hostAccess } from "./host-access";
import { hostNetworkSelected } from "./host-network-selected";
import { internetEgress, internetExposure } from "./internet";
import { ingressProxyCut } from "./ingress-proxy-cut";
import { kubeApiCut } from "./kube-api-cut";
import { labelOnlyIdentity } from "./label-only-identity";
import { mailEgress } from "./mail-egress";
import { meshAuthorizationDefault, meshPrincipalWildcard } from "./mesh-authorization";
import { mtlsNotStrict, mtlsPortHole } from "./mesh-mtls";
import { metadataEndpointsClosed } from "./metadata-endpoints-closed";
import { nameContradictsEffect } from "./name-contradicts-effect";
import { namespaceDefaultDeny } from "./namespace-default-deny";
import { namingConvention } from "./naming-convention";
import { notUnderstood } from "./not-understood";
import { orderHazard } from "./order-hazard";
import { passDropsNewcomers } from "./pass-drops-newcomers";
import { peerByAbsence } from "./peer-by-absence";
import { portNobodyListens } from "./port-nobody-listens";
import { probeCut } from "./probe-cut";
import { replicationCut } from "./replication-cut";
import { reviewOverdue } from "./review-overdue";
import { spoofablePeer } from "./spoofable-peer";
import { stagedOnly } from "./staged-only";
import { tier0Restricted } from "./tier0-restricted";
import { widerThanOtherHalf } from "./wider-than-other-half";
import { worldRuleCoversPrivate } from "./world-rule-covers-private";
import { webhookCut } from "./webhook-cut";

/** Every rule, in the order in which reports list them. */
export const rules: readonly Rule[] = [
  namespaceDefaultDeny,
  metadataEndpointsClosed,
  enforcementOff,
  stagedOnly,
  tier0Restricted,
  notUnderstood,
  crossTenantPath,
  crossTierPath,
  clusterExposure,
  internetExposure,
  internetEgress,
  worldRuleCoversPrivate,
  mailEgress,
  mtlsNotStrict,
  mtlsPortHole,
  meshAuthorizationDefault,
  meshPrincipalWildcard,
  encryptionOff,
  enforcerVersion,
  chartValueIgnored,
  flowObservabilityOff,
  fqdnTooBroad,
  fqdnWithoutDnsProxy,
  fqdnMatchesNothing,
  allPortsRule,
  adminPortOpen,
  portNobodyListens,
  peerByAbsence,
  passDropsNewcomers,
  spoofablePeer,
  labelOnlyIdentity,
  explicitDefaultDeny,
  defaultDenySideEffect,
  emptyRule,
  halfOpenFlow,
  widerThanOtherHalf,
  deadRule,
  hostNetworkSelected,
  dnsCut,
  kubeApiCut,
  probeCut,
  webhookCut,
  healthEndpointCut,
  ingressProxyCut,
  replicationCut,
  orderHazard,
  bypassUndocumented,
  annotationWithoutEffect,
  namingConvention,
  nameContradictsEffect,
  reviewOverdue,
  hostAccess,
  clusterAdminBinding,
];
