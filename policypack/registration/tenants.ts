import type { Finding } from "../../sdk/findings";
import {
  assumeDefaultDeny,
  defaultTenantLabels,
  evaluate,
  mayOpenTo,
  namespaceOf,
  podSamples,
} from "../../sdk/findings";
import type { KubeObject, SourcedObject } from "../../sdk/reachability";
import { buildSnapshot, compile, isUnknown } from "../../sdk/reachability";
import { tenantExceptionsOf, type GuardSettings } from "../settings";
import type { RecordedCluster } from "./recorded-cluster";
import { causedBy, rulesNamed } from "./violations";

const tenantRules = rulesNamed("cross-tenant-path");
/** Most namespaces of other tenants that one policy is judged with; the stack phase judges with all. */
const mostTenantNamespaces = 20;

/** A policy that opens the second side of a path between tenants. The first side alone opens nothing. */
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
    .filter((name) => name !== home && alone.rules.policies.some((part) => mayOpenTo(part, name, alone)))
    .slice(0, mostTenantNamespaces);
  if (others.length === 0) return [];
  const namespaces = new Set([home, ...others]);
  const before = recorded.within(namespaces);
  const samples = podSamples([...policies, ...before], profile);
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
