/** The form of CNP and CCNP, and which of them the API server or the agent refuses (a refused policy does nothing). */
import { parseAddress, cidrContains } from "./addresses";
import type { PolicyObject } from "./cluster";
import type { LabelSelector } from "./labels";

export type CiliumEndpointSelector = LabelSelector;

export interface CiliumSpec {
  readonly endpointSelector?: CiliumEndpointSelector | null;
  readonly nodeSelector?: CiliumEndpointSelector | null;
  readonly enableDefaultDeny?: { readonly ingress?: boolean | null; readonly egress?: boolean | null } | null;
  readonly ingress?: readonly CiliumRule[] | null;
  readonly ingressDeny?: readonly CiliumRule[] | null;
  readonly egress?: readonly CiliumRule[] | null;
  readonly egressDeny?: readonly CiliumRule[] | null;
}

export interface CiliumPort {
  readonly port: string;
  readonly endPort?: number | null;
  readonly protocol?: string | null;
}

export interface CiliumIcmpField {
  readonly family?: string | null;
  readonly type: number | string;
}

export interface CiliumService {
  readonly k8sService?: { readonly serviceName: string; readonly namespace?: string };
  readonly k8sServiceSelector?: { readonly selector: LabelSelector; readonly namespace?: string };
}

export interface CiliumCidrRule {
  readonly cidr?: string;
  readonly cidrGroupRef?: string;
  readonly cidrGroupSelector?: LabelSelector;
  readonly except?: readonly string[] | null;
}

export interface CiliumRule {
  readonly fromEndpoints?: readonly CiliumEndpointSelector[] | null;
  readonly fromEntities?: readonly string[] | null;
  readonly fromCIDR?: readonly string[] | null;
  readonly fromCIDRSet?: readonly CiliumCidrRule[] | null;
  readonly toEndpoints?: readonly CiliumEndpointSelector[] | null;
  readonly toEntities?: readonly string[] | null;
  readonly toCIDR?: readonly string[] | null;
  readonly toCIDRSet?: readonly CiliumCidrRule[] | null;
  readonly toPorts?: readonly CiliumPortRule[] | null;
  readonly icmps?: readonly { readonly fields?: readonly CiliumIcmpField[] | null }[] | null;
  readonly toServices?: readonly CiliumService[] | null;
  readonly fromNodes?: readonly unknown[] | null;
  readonly toNodes?: readonly unknown[] | null;
}

export interface CiliumPortRule {
  readonly ports?: readonly CiliumPort[] | null;
  readonly rules?: { readonly http?: readonly unknown[]; readonly dns?: readonly unknown[] };
}

/** One direction's L3 members under one set of names. */
export interface CiliumPeers {
  readonly endpoints?: readonly CiliumEndpointSelector[] | null;
  readonly entities?: readonly string[] | null;
  readonly cidr?: readonly string[] | null;
  readonly cidrSet?: readonly CiliumCidrRule[] | null;
  readonly services?: readonly CiliumService[] | null;
}

const entities = [
  "all",
  "world",
  "cluster",
  "host",
  "remote-node",
  "kube-apiserver",
  "init",
  "ingress",
  "health",
  "unmanaged",
  "none",
];

export function isCiliumPolicy(policy: PolicyObject): boolean {
  return policy.apiVersion === "cilium.io/v2" && /^Cilium(Clusterwide)?NetworkPolicy$/.test(policy.kind);
}

export function ciliumSpecs(policy: PolicyObject): readonly CiliumSpec[] {
  const many = (policy.specs ?? []) as readonly CiliumSpec[];
  return policy.spec ? [policy.spec as CiliumSpec, ...many] : many;
}

/** One invalid rule makes the whole policy do nothing. */
export function ciliumAccepts(policy: PolicyObject): boolean {
  if (!isCiliumPolicy(policy)) return false;
  const specs = ciliumSpecs(policy);
  return specs.length > 0 && specs.every((spec) => specIsValid(policy, spec));
}

function specIsValid(policy: PolicyObject, spec: CiliumSpec): boolean {
  const hasEndpoints = !!spec.endpointSelector;
  const hasNodes = !!spec.nodeSelector;
  if (hasEndpoints === hasNodes) return false;
  if (hasNodes && policy.kind === "CiliumNetworkPolicy") return false;
  const ingress = [spec.ingress, spec.ingressDeny].flatMap((section) => section ?? []);
  const rules = [...ingress, ...[spec.egress, spec.egressDeny].flatMap((section) => section ?? [])];
  // "rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny" (measured: stored, not enforced).
  if (rules.length === 0) return false;
  // "DNS rules are not allowed on ingress"
  if (ingress.some((rule) => (rule.toPorts ?? []).some((entry) => (entry.rules?.dns ?? []).length > 0))) return false;
  return rules.every(ruleIsValid);
}

function ruleIsValid(rule: CiliumRule): boolean {
  const members = [
    rule.fromEndpoints ?? rule.toEndpoints,
    rule.fromEntities ?? rule.toEntities,
    rule.fromCIDR ?? rule.toCIDR,
    rule.fromCIDRSet ?? rule.toCIDRSet,
    rule.toServices,
  ];
  // "Combining FromEndpoints and FromCIDR is not supported yet"
  if (members.filter((member) => (member ?? []).length > 0).length > 1) return false;
  if (![...(rule.fromEntities ?? []), ...(rule.toEntities ?? [])].every((entity) => entities.includes(entity)))
    return false;
  if (![...(rule.fromCIDR ?? []), ...(rule.toCIDR ?? [])].every(isCidrOrAddress)) return false;
  if (![...(rule.fromCIDRSet ?? []), ...(rule.toCIDRSet ?? [])].every(cidrRuleIsValid)) return false;
  // "FromNodes/ToNodes rules can only be applied when enable-node-selector-labels is set", which it is not by default.
  if ((rule.fromNodes ?? rule.toNodes ?? []).length > 0) return false;
  // "The ICMPs block may only be present without ToPorts"
  if ((rule.icmps ?? []).length > 0 && (rule.toPorts ?? []).length > 0) return false;
  return (rule.toPorts ?? []).every((entry) => {
    const ports = entry.ports ?? [];
    // "L7 rules can only apply to TCP except for DNS rules"
    if ((entry.rules?.http ?? []).length > 0 && ports.some((port) => port.protocol !== "TCP")) return false;
    return ports.length <= 40 && ports.every((port) => typeof port.port === "string" && port.port !== "");
  });
}

function isCidrOrAddress(text: string): boolean {
  try {
    const [address, length] = text.split("/");
    const { family } = parseAddress(address ?? "");
    return length === undefined || (/^\d+$/.test(length) && Number(length) <= (family === 4 ? 32 : 128));
  } catch {
    return false;
  }
}

/** "allow CIDR prefix %s does not contain exclude CIDR prefix %s" */
function cidrRuleIsValid(rule: CiliumCidrRule): boolean {
  if (rule.cidrGroupRef || rule.cidrGroupSelector) return true;
  const { cidr } = rule;
  if (!cidr || !cidr.includes("/") || !isCidrOrAddress(cidr)) return false;
  return (rule.except ?? []).every(
    (hole) => hole.includes("/") && isCidrOrAddress(hole) && cidrContains(cidr, hole.split("/")[0] ?? ""),
  );
}
