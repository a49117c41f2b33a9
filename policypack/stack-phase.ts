import type { Finding } from "../sdk/findings";
import { evaluate, sortFindings } from "../sdk/findings";
import type { EnforcerProfile } from "../sdk/reachability";
import { buildSnapshot, compile, inferProfile, profileFor } from "../sdk/reachability";
import type { GuardSettings } from "./settings";
import type { ClusterContents, ObservedResource } from "./snapshot-from-resources";
import { contentsByCluster } from "./snapshot-from-resources";

/** Everything that is to be said about a stack, sorted. Never throws on malformed input. */
export function judgeStack(resources: readonly ObservedResource[], settings: GuardSettings): Finding[] {
  // the engine sends resources in no particular order
  const ordered = [...resources].sort((a, b) => (a.urn < b.urn ? -1 : a.urn > b.urn ? 1 : 0));
  const clusters = [...contentsByCluster(ordered).values()];
  const findings = clusters.flatMap((contents) => {
    const found = [...contents.findings, ...evaluateCluster(contents, settings)];
    return clusters.length > 1 ? found.map((finding) => withCluster(finding, contents)) : found;
  });
  return sortFindings(findings);
}

function evaluateCluster(contents: ClusterContents, settings: GuardSettings): Finding[] {
  const profile: EnforcerProfile =
    settings.enforcer === undefined ? inferProfile(contents.objects) : profileFor(settings.enforcer);
  const reachability = compile(buildSnapshot(contents.objects, { profile }));
  return evaluate(reachability, {
    exemptNamespaces: settings.exemptNamespaces,
    platformNamespaces: settings.platformNamespaces,
  });
}

/** With more than one cluster in a stack, messages say which one is meant. */
function withCluster(finding: Finding, contents: ClusterContents): Finding {
  const name = contents.cluster.providerName ?? "the default provider";
  return { ...finding, message: `[${name}] ${finding.message}` };
}
