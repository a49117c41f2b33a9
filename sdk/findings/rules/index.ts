import type { Rule } from "../types";
import { allPortsRule } from "./all-ports-rule";
import { clusterAdminBinding } from "./cluster-admin-binding";
import { dnsCut } from "./dns-cut";
import { enforcementOff } from "./enforcement-off";
import { explicitDefaultDeny } from "./explicit-default-deny";
import { fqdnTooBroad, fqdnWithoutDnsProxy } from "./fqdn-rules";
import { halfOpenFlow } from "./half-open-flow";
import { hostAccess } from "./host-access";
import { internetEgress, internetExposure } from "./internet";
import { metadataEndpointsClosed } from "./metadata-endpoints-closed";
import { namespaceDefaultDeny } from "./namespace-default-deny";
import { notUnderstood } from "./not-understood";
import { spoofablePeer } from "./spoofable-peer";
import { tier0Restricted } from "./tier0-restricted";

/** Every rule, in the order in which reports list them. */
export const rules: readonly Rule[] = [
  namespaceDefaultDeny,
  metadataEndpointsClosed,
  enforcementOff,
  tier0Restricted,
  notUnderstood,
  internetExposure,
  internetEgress,
  fqdnTooBroad,
  fqdnWithoutDnsProxy,
  allPortsRule,
  spoofablePeer,
  explicitDefaultDeny,
  halfOpenFlow,
  dnsCut,
  hostAccess,
  clusterAdminBinding,
];
