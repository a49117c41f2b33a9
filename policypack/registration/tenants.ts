import type { Finding } from "../../sdk/findings";
import { defaultTenantLabels, evaluate } from "../../sdk/findings";
import type { CompiledPolicy, KubeObject, Lookup, PeerTerm, Snapshot, SourcedObject } from "../../sdk/reachability";
import { buildSnapshot, compile, evaluateCondition, isUnknown, labelOf, unknownValue } from "../../sdk/reachability";
import { podSamples } from "../selector-samples";
import { tenantExceptionsOf, type GuardSettings } from "../settings";
import { assumeDefaultDeny, namespaceOf } from "./hypothetical";
import type { RecordedCluster } from "./recorded-cluster";
import { causedBy, rulesNamed } from "./violations";

const tenantRules = rulesNamed("cross-tenant-path");
/** Most namespaces of other tenants that one policy is judged with; the stack phase judges with all. */
const mostTenantNamespaces = 20;

/** A policy that opens the second half of a path between tenants. The first half alone opens nothing. */
export function judgeTenants(
  policies: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  const home = policies.flatMap(({ object }) => namespaceOf(object))[0];
  if (home === undefined || settings.levels["cross-tenant-path"] !== "mandatory") return [];
  const homes = recorded.namespaceObjects();
  const labelled = homes.filter(({ object }) => tenantLabelOf(object) !== undefined);
  if (new Set(labelled.map(({ object }) => tenantLabelOf(object))).size < 2) return [];
  const profile = recorded.profile(policies, settings);
  const alone = buildSnapshot([...homes, ...policies], { profile });
  const others = labelled
    .flatMap(({ object }) => object.metadata?.name ?? [])
    .filter((name) => name !== home && alone.rules.policies.some((part) => mayName(part, name, alone)))
    .slice(0, mostTenantNamespaces);
  if (others.length === 0) return [];
  const namespaces = new Set([home, ...others]);
  const before = recorded.within(namespaces);
  const samples = [...policies, ...before].flatMap(({ object }) => podSamples(object));
  const held = samples.filter((sample) => namespaces.has(sample.namespace));
  const hypothetical = assumeDefaultDeny(namespaces, held, policies[0]?.object);
  const referred = recorded.referredBy([...before, ...policies]);
  const snapshot = buildSnapshot([...before, ...referred, ...policies, ...hypothetical.objects], { profile });
  const { exemptNamespaces, platformNamespaces } = settings;
  const options = {
    exemptNamespaces,
    platformNamespaces,
    today,
    rules: tenantRules,
    standIns: hypothetical.standIns,
    tenantExceptions: tenantExceptionsOf(settings),
  };
  return causedBy(policies, evaluate(compile(snapshot), options));
}

function tenantLabelOf({ metadata }: KubeObject): string | undefined {
  const labels: unknown = isUnknown(metadata) ? undefined : metadata?.labels;
  if (typeof labels !== "object" || labels === null) return undefined;
  const key = defaultTenantLabels.find((each) => Object.hasOwn(labels, each));
  const tenant: unknown = key === undefined ? undefined : (labels as Record<string, unknown>)[key];
  return typeof tenant === "string" ? tenant : undefined;
}

/** Whether some rule of a policy may be about pods of a namespace, by the namespace's name and labels alone. */
function mayName(part: CompiledPolicy, namespace: string, snapshot: Snapshot): boolean {
  const labels = snapshot.namespaces.get(namespace)?.labelSet;
  const lookup: Lookup = (field, key) => {
    if (field === "namespace") return namespace;
    return field === "namespaceLabel" && labels !== undefined ? labelOf(labels, key) : unknownValue;
  };
  const fits = (peer: PeerTerm): boolean => {
    switch (peer.kind) {
      case "pods":
      case "identities":
        return evaluateCondition(peer.where, lookup) !== 0;
      case "cidr":
      case "fqdn":
      case "nodes":
        return false;
      default:
        return true;
    }
  };
  const allows = [...(part.ingress?.rules ?? []), ...(part.egress?.rules ?? [])];
  return allows.some((rule) => rule.verdict !== "deny" && rule.peers.some(fits));
}
