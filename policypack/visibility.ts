import type { Finding, Rule } from "../sdk/findings";
import { controls, notUnderstood } from "../sdk/findings";
import type { KubeObject } from "../sdk/reachability";
import { describeRef, isUnknown } from "../sdk/reachability";

type Description = Omit<Rule, "check">;

/** Resources that create objects out of the policy's sight are named, so that nobody takes silence for a verdict. */
export const contentsNotVisible: Description = {
  id: "contents-not-visible",
  title: "Contents of a resource are not visible",
  severity: "info",
  why: "Silence about what was not looked at would pass for a verdict.",
  description:
    "A Helm release shows its values and not the objects of its chart, unless `renderReleases` has it rendered; charts and YAML groups show none in a preview " +
    "whose provider is not configured yet. The objects they create are not judged.",
  remediation:
    "Set renderReleases in the pack's configuration, audit the cluster after the update, render the chart into the program, or give the namespace a default deny, " +
    "which holds for pods of any origin.",
  controls: [controls.pciRuleSets],
};

/** A resource whose contents the policy does not get to see. */
export interface OutOfSight {
  readonly urn: string;
  readonly name: string;
  /** `Helm release`, `YAML file`. */
  readonly what: string;
}

/** @param why it was not rendered, where that was asked for. */
export function describeOutOfSight(item: OutOfSight, why?: string): Finding {
  return {
    id: contentsNotVisible.id,
    severity: "info",
    certainty: "definite",
    subject: { kind: item.what, name: item.name, source: { urn: item.urn } },
    message: `The objects that ${item.what} "${item.name}" creates are not visible here and were not judged`,
    because: [
      `the engine shows a policy the inputs of a ${item.what}, not what it creates`,
      ...(why === undefined ? [] : [`it was not rendered: ${why}`]),
    ],
    fix: contentsNotVisible.remediation,
    controls: contentsNotVisible.controls,
  };
}

/**
 * A patch of a policy or a workload that is defined elsewhere: it may open anything, and what it changes is not there to
 * be judged. That is a thing not understood, not a thing unseen.
 */
export function describePatch({
  urn,
  name,
  object,
}: Pick<OutOfSight, "urn" | "name"> & { object: KubeObject }): Finding {
  const { apiVersion, kind, metadata } = object;
  const target: unknown = isUnknown(metadata) ? undefined : metadata?.name;
  const home: unknown = isUnknown(metadata) ? undefined : metadata?.namespace;
  const isNamed = typeof target === "string" && !isUnknown(target) && !isUnknown(home);
  const namespace = typeof home === "string" ? { namespace: home } : {};
  const what = isNamed ? describeRef({ apiVersion, kind, name: target, ...namespace }) : `a ${kind}`;
  return {
    id: notUnderstood.id,
    severity: notUnderstood.severity,
    certainty: "possible",
    subject: { kind, name, source: { urn } },
    message: `${kind}Patch "${name}" changes ${what}, of which only the changed part is visible`,
    because: [isNamed ? "the object itself is defined outside the stack" : "which object it changes is not known yet"],
    fix: isNamed
      ? "Define the whole object in the stack, import it, or give the pack what the cluster holds (clusterSnapshot)."
      : "Give the patch the literal name and namespace of the object.",
    controls: notUnderstood.controls,
  };
}

/** A setting of the enforcer's release that decides what policies mean and is not known yet. */
export function describeUnknownSetting(item: OutOfSight, path: string): Finding {
  return {
    id: notUnderstood.id,
    severity: notUnderstood.severity,
    certainty: "possible",
    subject: { kind: item.what, name: item.name, source: { urn: item.urn } },
    message: `${item.what} "${item.name}": values.${path} is not known yet, and it decides whether policies are enforced`,
    because: ["unknown-value"],
    fix: "Pass a literal instead of another resource's output.",
    controls: notUnderstood.controls,
  };
}
