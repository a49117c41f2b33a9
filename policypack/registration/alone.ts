import type { FelixFault, Finding, Rule } from "../../sdk/findings";
import {
  clusterAdminBinding,
  enforcementOff,
  evaluate,
  faultyPaths,
  icmpCode,
  isViolation,
  namespaceOf,
  twoProtocols,
} from "../../sdk/findings";
import type { KubeObject, SourcedObject } from "../../sdk/reachability";
import { buildSnapshot, compile, isWorkloadKind } from "../../sdk/reachability";
import type { GuardSettings } from "../settings";
import type { RecordedCluster } from "./recorded-cluster";
import { isEnforcer } from "./recorded-cluster";
import { rulesNamed } from "./violations";

/** Objects that are right or wrong by themselves: what configures the enforcer, bindings of roles, bypasses. */
export function judgeAlone(
  objects: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  const alone = objects.filter(
    (item) =>
      isEnforcer(item.object) || kindsAlone.test(item.object.kind) || mentionsBypass(item.object) || mayStopFelix(item),
  );
  if (alone.length === 0) return [];
  // a pod gets nothing but a bypass's label: the policy before it, which the label turns on, says the rest
  const homes = new Set(
    alone.filter(({ object }) => isWorkloadKind(object.kind)).flatMap(({ object }) => namespaceOf(object)),
  );
  const bypasses = recorded.within(homes).filter(({ object }) => mentionsBypass(object));
  const documents = [...bypasses, ...(alone.some(mayStopFelix) ? recorded.configuration() : [])];
  const snapshot = buildSnapshot([...documents, ...alone], { profile: recorded.profile(alone, settings) });
  const judged = new Set(alone.map(({ source }) => source?.urn));
  const { exemptNamespaces, platformNamespaces } = settings;
  const options = { exemptNamespaces, platformNamespaces, today, rules: rulesAlone };
  return evaluate(compile(snapshot), options).filter(
    (finding) =>
      isViolation(finding) &&
      // what says which dataplane Calico uses may be registered later
      (!Object.hasOwn(stopFelix, finding.id) || finding.certainty === "definite") &&
      !finding.subject.kind.startsWith("Staged") &&
      (documents.length === 0 || judged.has(finding.subject.source?.urn)),
  );
}

/** What Felix cannot write, by the rule about it. */
const stopFelix = {
  "icmp-code-stops-felix": icmpCode,
  "two-protocols-stop-felix": twoProtocols,
} as const satisfies Readonly<Record<string, FelixFault>>;

/** Rules that need no other object to say that something is wrong. */
const rulesAlone: readonly Rule[] = [
  enforcementOff,
  clusterAdminBinding,
  // what is staged in Calico may have an enforced twin that is registered later; Istio's dry run has none
  ...rulesNamed("enforcer-version", "chart-value-ignored", "bypass-undocumented", "staged-only"),
  ...rulesNamed("icmp-code-stops-felix", "two-protocols-stop-felix"),
];

/** A DaemonSet may run the enforcer's agent. */
const kindsAlone = /^((Cluster)?RoleBinding|AuthorizationPolicy|DaemonSet)$/;

/** Whether a policy of Calico's has a rule that Felix cannot write, with one dataplane or another. */
function mayStopFelix({ object }: SourcedObject): boolean {
  if (!object.apiVersion.includes("projectcalico.org/")) return false;
  return Object.values(stopFelix).some((fault) => faultyPaths(object.spec, fault).length > 0);
}

function mentionsBypass({ metadata, spec }: KubeObject): boolean {
  return /bypass|break-?glass/.test(JSON.stringify([metadata, templateMetadata(spec)]) ?? "");
}

function templateMetadata(spec: unknown): unknown[] {
  const at = (holder: unknown, key: string): unknown =>
    typeof holder === "object" && holder !== null ? (holder as Record<string, unknown>)[key] : undefined;
  const job = at(at(spec, "jobTemplate"), "spec");
  return [spec, job].map((holder) => at(at(holder, "template"), "metadata"));
}
