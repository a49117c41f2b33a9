import type { PolicySource, Snapshot, Workload } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { mapOf, textOf } from "../../plain";
import { aboutPolicy } from "../../report";
import { describeWorkload, list, sortedWorkloads } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Of several PeerAuthentications for one pod the oldest counts, and the others say nothing. */
export const peerAuthenticationIgnored: Rule = {
  id: "peer-authentication-ignored",
  title: "A PeerAuthentication is ignored beside another one",
  severity: "medium",
  why: "Istio uses the oldest PeerAuthentication of each level and silently ignores the others, so what the newer one sets has no effect.",
  description:
    "No workload is selected by two PeerAuthentications with a selector, and no namespace (nor the mesh) has two without one.",
  remediation: "Merge them into one PeerAuthentication; portLevelMtls takes any number of ports.",
  controls: [controls.nistTransmission, controls.pciRuleSets],
  check: checkIgnored,
};

function* checkIgnored(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const found = snapshot.policies.filter(({ kind }) => kind === "PeerAuthentication").sort(byAge);
  const ignored = new Map<PolicySource, { readonly first: PolicySource; readonly who: string[] }>();
  const note = (policies: readonly PolicySource[], who?: string): void => {
    const [first, ...others] = policies;
    for (const each of others) {
      if (first === undefined) continue;
      const known = ignored.get(each) ?? { first, who: [] };
      ignored.set(each, known);
      if (who !== undefined) known.who.push(who);
    }
  };
  const root = snapshot.profile.meshRootNamespace;
  const whole = found.filter((each) => Object.keys(labelsOf(each)).length === 0);
  for (const namespace of new Set(whole.map((each) => each.namespace))) {
    note(whole.filter((each) => each.namespace === namespace));
  }
  for (const workload of sortedWorkloads(snapshot)) {
    if (workload.namespace === root) continue;
    note(
      found.filter((each) => each.namespace === workload.namespace && selects(each, workload)),
      describeWorkload(workload, context.standIns),
    );
  }
  for (const [policy, { first, who }] of ignored) yield describe(snapshot, policy, first, who);
}

function describe(_snapshot: Snapshot, policy: PolicySource, first: PolicySource, who: readonly string[]): Finding {
  const pods = who.length === 0 ? "the same pods" : list(who);
  return aboutPolicy(peerAuthenticationIgnored, policy, {
    message: `${describeRef(policy)} has no effect on ${pods}`,
    because: [
      `${describeRef(first)} selects ${who.length === 1 ? "it" : "them"} too and is older; only the oldest has an effect`,
    ],
  });
}

function labelsOf({ object }: PolicySource): Readonly<Record<string, unknown>> {
  return mapOf(mapOf(mapOf(object.spec)["selector"])["matchLabels"]);
}

function selects(policy: PolicySource, workload: Workload): boolean {
  const labels = Object.entries(labelsOf(policy));
  return labels.length > 0 && labels.every(([key, value]) => workload.labels[key] === value);
}

/** As Istio orders them: by age, then by name. */
function byAge(a: PolicySource, b: PolicySource): number {
  const key = ({ object, name }: PolicySource): string =>
    `${textOf(object.metadata?.creationTimestamp) ?? "9999"} ${name}`;
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}
