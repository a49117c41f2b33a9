import type { Finding } from "../../sdk/findings";
import { assumeDefaultDeny, evaluate, namespaceOf, podSamples } from "../../sdk/findings";
import type { SourcedObject } from "../../sdk/reachability";
import { buildSnapshot, compile } from "../../sdk/reachability";
import type { GuardSettings } from "../settings";
import type { RecordedCluster } from "./recorded-cluster";
import { causedBy, rulesNamed } from "./violations";

const transportRules = rulesNamed("mtls-not-strict", "mtls-port-hole");

/** A PeerAuthentication that lets pods of the mesh take plaintext. That of the root namespace is judged with the others. */
export function judgeTransport(
  objects: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  const own = objects.filter(({ object }) => object.kind === "PeerAuthentication");
  const homes = own.flatMap(({ object }) => namespaceOf(object)).filter((home) => home !== "istio-system");
  if (homes.length === 0) return [];
  const others = [...recorded.within(homes), ...own];
  const profile = recorded.profile(others, settings);
  const pods = assumeDefaultDeny([], podSamples(own, profile), own[0]?.object);
  const snapshot = buildSnapshot([...others, ...pods.objects], { profile });
  const { exemptNamespaces, platformNamespaces } = settings;
  const options = { exemptNamespaces, platformNamespaces, today, rules: transportRules, standIns: pods.standIns };
  return causedBy(own, evaluate(compile(snapshot), options));
}
