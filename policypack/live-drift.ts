import type { DeclaredObject, Drift, Finding, RuleText } from "../sdk/findings";
import { controls, driftOf } from "../sdk/findings";
import type { KubeObject, SourcedObject } from "../sdk/reachability";
import { describeRef, isPolicy, withPatches } from "../sdk/reachability";
import { holdsUnknown } from "../sdk/reachability/model/unknown";
import { isWhole, readResource } from "./kubernetes-objects";
import type { ClusterContents, ObservedResource } from "./snapshot-from-resources";

/** A policy in the cluster does something else than the program declares, and no update changes that. */
export const liveDrift: RuleText = {
  id: "live-drift",
  title: "A policy in the cluster is not what the program declares",
  severity: "high",
  why: "Pulumi's Kubernetes provider compares inputs: what was added to an object by hand is no difference to it, and stays.",
  description:
    "Where a refresh or an update has read a policy that somebody changed out of band, its effect is compared with that of " +
    "the inputs and of the patches in the stack. It is high where the policy opens more than declared, low where it only " +
    "closes more.",
  remediation: "Delete the object with kubectl and run `pulumi up --refresh`, which creates it as declared.",
  controls: [controls.nistChangeControl, controls.pciChanges, controls.soc2Change, controls.isoChange],
};

/** Policies of a cluster's part of the stack that drifted. */
export function describeDrift(
  { objects, patches }: ClusterContents,
  resources: ReadonlyMap<string, ObservedResource>,
): Finding[] {
  return objects.flatMap((item): Finding[] => {
    const { object, source } = item;
    if (source?.urn === undefined || !isPolicy(object.apiVersion, object.kind) || !isWhole(object)) return [];
    const resource = resources.get(source.urn);
    const declared = resource === undefined ? undefined : declaredOf(resource, object);
    if (declared === undefined) return [];
    const live = withoutPulumi(object);
    const drift = driftOf(declared, live);
    if (drift === undefined) return [];
    // a patch of the stack may be what makes the difference, or may not have been read back yet
    const [patched] = withPatches([{ object: declared }], patches).objects;
    const beside = patched === undefined ? drift : driftOf(patched.object as DeclaredObject, live);
    return beside === undefined ? [] : [asFinding(item, beside)];
  });
}

/** The object of the inputs; undefined where they, or the live object, are not known in full. */
function declaredOf(resource: ObservedResource, live: KubeObject): DeclaredObject | undefined {
  if (resource.inputs === undefined) return undefined;
  const reading = readResource({ ...resource, props: resource.inputs });
  const [stated, ...others] = reading.is === "objects" ? reading.objects : [];
  if (stated === undefined || others.length > 0) return undefined;
  const { name, namespace } = live.metadata ?? {};
  if (typeof name !== "string" || holdsUnknown(stated) || holdsUnknown(live)) return undefined;
  return { ...stated, metadata: { ...stated.metadata, name, ...(namespace === undefined ? {} : { namespace }) } };
}

/** What the provider keeps beside the object. */
function withoutPulumi(object: KubeObject): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !key.startsWith("__") && key !== "id"));
}

function asFinding({ object, source }: SourcedObject, drift: Drift): Finding {
  const { apiVersion, kind, metadata } = object;
  const name = metadata?.name ?? "";
  const namespace = metadata?.namespace === undefined ? {} : { namespace: metadata.namespace };
  const origin = { apiVersion, kind, name, ...namespace, ...(source === undefined ? {} : source) };
  return {
    id: liveDrift.id,
    severity: drift.opensNothing ? "low" : liveDrift.severity,
    certainty: "definite",
    subject: { kind, name, ...namespace, ...(source === undefined ? {} : { source }) },
    causes: [origin],
    message: drift.what,
    because: [
      ...(drift.effect === "" ? [] : [drift.effect.replace(/\.$/, "")]),
      "the provider compares inputs, so no update repairs it",
    ],
    fix: `${drift.mend}. Do not replace ${describeRef(origin)} (\`--replace\`): that may lose it.`,
    controls: liveDrift.controls,
  };
}

/** What an object does that drifted is not repaired in the program. */
export function mindingDrift(findings: readonly Finding[], drifted: readonly Finding[]): Finding[] {
  const fixes = new Map(
    drifted.flatMap(({ subject, fix }) =>
      subject.source?.urn === undefined ? [] : [[subject.source.urn, fix] as const],
    ),
  );
  if (fixes.size === 0) return [...findings];
  return findings.map((finding) => {
    const urn = (finding.causes ?? []).find((cause) => cause.urn !== undefined && fixes.has(cause.urn))?.urn;
    const fix = fixes.get(urn ?? "");
    if (fix === undefined) return finding;
    const why = "what causes it is not what the program declares (live-drift)";
    return { ...finding, because: [...finding.because, why], fix };
  });
}
