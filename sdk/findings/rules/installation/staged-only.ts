import type { PolicySource } from "../../../reachability";
import { describeRef, isDryRun, isStagedKind, isUnknown } from "../../../reachability";
import { PolicyMode } from "../../../plan";
import { modeAnnotation } from "../../../plan/documents";
import { controls } from "../../controls";
import { mapOf } from "../../plain";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** A staged policy is no protection (issue 6: staged-only). */
export const stagedOnly: Rule = {
  id: "staged-only",
  title: "A policy is only staged or logged, not enforced",
  severity: "high",
  why: "A staged or dry-run policy looks like protection, and only reports what it would do.",
  description:
    "Every staged Calico policy has an enforced one of the same name beside it, no AuthorizationPolicy is left in " +
    "Istio's dry run, and no namespace in mode audit, in which audit-allow-all lets pass on Cilium what the others would deny.",
  remediation:
    "Turn the staged policy into the enforced kind (remove istio.io/dry-run, put the namespace into mode enforce) once " +
    "its reports are clean.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkStaged,
};

/** Whether a policy is only staged or in dry run, by its kind or its annotation. */
export function isStaged({ apiVersion, kind, dialect, object }: PolicySource): boolean {
  if (dialect === "calico") return isStagedKind(apiVersion, kind);
  return kind === "AuthorizationPolicy" && isDryRun(object.metadata) === true;
}

/** Whether it is not known yet if a policy is only staged or in dry run. */
function isPerhapsStaged({ kind, object }: PolicySource): boolean {
  // a text that is no truth value has the webhook refuse the policy
  const value: unknown = object.metadata?.annotations?.["istio.io/dry-run"];
  return kind === "AuthorizationPolicy" && typeof value !== "string" && isDryRun(object.metadata) === undefined;
}

/** The mode of the namespace that a Cilium policy is written for, where the policy names one. */
function modeOf({ dialect, object }: PolicySource): unknown {
  return dialect === "cilium" ? mapOf(mapOf(object.metadata)["annotations"])[modeAnnotation] : undefined;
}

/** The policy by which Cilium audits a namespace. */
function isAuditOpening(policy: PolicySource): boolean {
  return modeOf(policy) === PolicyMode.Audit;
}

const enforcedKinds: Readonly<Record<string, string>> = {
  StagedNetworkPolicy: "NetworkPolicy",
  StagedKubernetesNetworkPolicy: "NetworkPolicy",
  StagedGlobalNetworkPolicy: "GlobalNetworkPolicy",
};

function* checkStaged(context: RuleContext): Iterable<Finding> {
  const { policies } = context.reachability.snapshot;
  const enforced = new Set(policies.filter((policy) => !isStaged(policy)).map(describeRef));
  for (const policy of policies.filter(isPerhapsStaged)) {
    yield aboutPolicy(stagedOnly, policy, {
      certainty: "possible",
      message: `${describeRef(policy)} is possibly only staged or logged`,
      because: ["istio.io/dry-run is not known yet, or no string"],
    });
  }
  for (const policy of policies.filter((each) => isUnknown(modeOf(each)))) {
    yield aboutPolicy(stagedOnly, policy, {
      certainty: "possible",
      message: `${describeRef(policy)} is possibly written for a namespace that is only audited`,
      because: [`${modeAnnotation} is not known yet`],
    });
  }
  for (const policy of policies.filter(isAuditOpening)) {
    yield aboutPolicy(stagedOnly, policy, {
      message: `${describeRef(policy)} lets everything pass that no explicit deny stops: the namespace is only audited`,
      because: ["what its other policies would deny is marked in Hubble's flows, and passes"],
    });
  }
  for (const policy of policies.filter(isStaged)) {
    const twin = enforcedKinds[policy.kind];
    const hasTwin = twin !== undefined && enforced.has(describeRef({ ...policy, kind: twin }));
    yield aboutPolicy(stagedOnly, policy, {
      ...(hasTwin ? { severity: "info" as const } : {}),
      message: hasTwin
        ? `${describeRef(policy)} stages a change of the enforced policy of the same name`
        : `${describeRef(policy)} is only staged or logged: nothing of it is enforced`,
      because: [
        policy.dialect === "calico"
          ? "a staged policy is never enforced"
          : "with istio.io/dry-run, matches are logged and not enforced",
      ],
    });
  }
}
