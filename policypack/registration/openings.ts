import type { Finding, FindingOptions } from "../../sdk/findings";
import {
  assumeDefaultDeny,
  describePolicy,
  evaluate,
  fqdnTooBroad,
  isViolation,
  metadataEndpointsClosed,
  namespaceDefaultDeny,
  namespaceOf,
  notUnderstood,
  podSamples,
  tier0Restricted,
  undeclaredNamespace,
} from "../../sdk/findings";
import type { SourcedObject } from "../../sdk/reachability";
import { buildSnapshot, compile, isPolicy } from "../../sdk/reachability";
import type { GuardSettings } from "../settings";
import type { RecordedCluster } from "./recorded-cluster";
import { causesOf, rulesNamed } from "./violations";

/** What a policy opens that nothing recorded before it denies. */
export function judgePolicies(
  policies: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
): Finding[] {
  const profile = recorded.profile(policies, settings);
  const samples = podSamples(policies, profile);
  const clusterwide = policies.some(({ object }) => typeof object.metadata?.namespace !== "string");
  const namespaces = new Set([
    ...samples.map((sample) => sample.namespace),
    ...policies.flatMap(({ object }) => namespaceOf(object)),
    ...(clusterwide ? [undeclaredNamespace, ...recorded.namespaceNames()] : []),
  ]);
  const held = [...namespaces].filter((name) => !settings.exemptNamespaces.includes(name));
  const hypothetical = assumeDefaultDeny(held, samples, policies[0]?.object);
  const referred = recorded.referredBy(policies);
  const openedBeside = (others: readonly SourcedObject[]): Finding[] => {
    const snapshot = buildSnapshot([...others, ...referred, ...policies, ...hypothetical.objects], { profile });
    return evaluate(compile(snapshot), { ...optionsOf(settings), standIns: hypothetical.standIns }).filter(isViolation);
  };

  // Most policies open nothing by themselves; then no deny has to be looked at.
  const others = recorded.deniesWithin(namespaces);
  const homes = others.filter(({ object }) => object.kind === "Namespace");
  const alone = openedBeside(homes);
  if (alone.length === 0) return [];
  const urns = new Set(policies.map((item) => item.source?.urn));
  return (homes.length === others.length ? alone : openedBeside(others))
    .filter((finding) => [finding.subject.source?.urn, ...causesOf(finding)].some((urn) => urns.has(urn)))
    .map((finding) => asRegistration(finding, policies[0] as SourcedObject));
}

/** Ways that policies recorded before a workload give to it, where its namespace has a default deny. */
export function judgeWorkloads(
  workloads: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
): Finding[] {
  return workloads.flatMap((item) => {
    const namespaces = new Set(namespaceOf(item.object));
    // without a policy that opens something, nothing could have been opened for it
    if (!recorded.mayBeOpened(namespaces)) return [];
    const others = recorded.within(namespaces);
    const profile = recorded.profile([], settings);
    const { objects } = assumeDefaultDeny(namespaces, [], undefined);
    const snapshot = buildSnapshot([...others, ...recorded.referredBy(others), item, ...objects], { profile });
    return evaluate(compile(snapshot), { ...optionsOf(settings), rules: [metadataEndpointsClosed] })
      .filter((finding) => isViolation(finding) && isAbout(finding, item))
      .map((finding) => asRegistration(finding, item));
  });
}

/** About the workload, or about every pod of its namespace by what the cluster held before the stack. */
function isAbout(finding: Finding, item: SourcedObject): boolean {
  const { source, kind, name } = finding.subject;
  if (source?.urn !== undefined && source.urn === item.source?.urn) return true;
  return kind === "Namespace" && namespaceOf(item.object).includes(name) && causesOf(finding).length === 0;
}

const peerRules = rulesNamed("peer-by-absence");
/** Rules about what a policy opens that stop it only where the settings say so. */
const openingRules = rulesNamed(
  ...["internet-exposure", "internet-egress", "mail-egress", "all-ports-rule", "cross-tier-path", "spoofable-peer"],
  ...["mesh-principal-wildcard", "host-access"],
);

function optionsOf(settings: GuardSettings): FindingOptions {
  return {
    exemptNamespaces: settings.exemptNamespaces,
    platformNamespaces: settings.platformNamespaces,
    rules: [
      ...[namespaceDefaultDeny, metadataEndpointsClosed, tier0Restricted, fqdnTooBroad, notUnderstood],
      ...peerRules,
      ...openingRules.filter(({ id }) => settings.levels[id] === "mandatory"),
    ],
  };
}

/** The finding, said of the object that is being registered. */
function asRegistration(finding: Finding, item: SourcedObject): Finding {
  if (finding.id !== metadataEndpointsClosed.id && finding.id !== namespaceDefaultDeny.id) return finding;
  const { kind, metadata } = item.object;
  const policy = isPolicy(item.object.apiVersion, kind);
  return {
    ...finding,
    subject: {
      kind,
      name: metadata?.name ?? "",
      ...(typeof metadata?.namespace === "string" ? { namespace: metadata.namespace } : {}),
      ...(item.source === undefined ? {} : { source: item.source }),
    },
    message: policy
      ? `${describePolicy(item.object)} opens a hole even where every namespace has a default deny: ${finding.message}`
      : `${finding.message}, through policies registered before it`,
    fix:
      policy && finding.id === metadataEndpointsClosed.id
        ? "Leave the metadata addresses out of the rule (`except`), or make this object depend on an explicit deny for them."
        : finding.fix,
  };
}
