import type { Finding } from "../sdk/findings";
import { applyAnnotations, statesExemption } from "../sdk/findings";
import type { SourcedObject } from "../sdk/reachability";
import { buildSnapshot, isPolicy, isWorkloadKind } from "../sdk/reachability";
import type { ObjectPatch } from "./patches";
import { judgeAlone } from "./registration/alone";
import { judgePolicies, judgeWorkloads } from "./registration/openings";
import { certainlyOpensNothing, RecordedCluster } from "./registration/recorded-cluster";
import { judgeTenants } from "./registration/tenants";
import { judgeTransport } from "./registration/transport";
import { causesOf } from "./registration/violations";
import { renderRelease } from "./rendered-releases";
import type { GuardSettings } from "./settings";
import type { ObservedResource } from "./snapshot-from-resources";
import { objectsOf } from "./snapshot-from-resources";

/**
 * Judges one object at its own registration, together with everything registered before it.
 *
 * At that moment a stack is not complete: workloads may be registered before the default deny of their namespace, which
 * comes last among the policies on purpose. That something is absent can therefore not be judged here; it belongs to the
 * stack policy. What is judged here is what an object *opens*, under the assumption that every namespace is closed by
 * default (that it is so, the stack policy checks):
 *
 * - a policy opens a hole if, with it and the policies recorded before it, a new pod or a pod that it selects reaches a
 *   metadata endpoint, or a new pod exchanges traffic with a peer that no policy names;
 * - a policy is stopped if it closes tier 0 by default, or allows DNS names that anybody can register;
 * - a workload is stopped if policies recorded before it give it such a path;
 * - an object that the enforcer refuses, or that cannot be understood, is stopped before anybody relies on it;
 * - a policy is stopped if it opens the second side of a path between tenants, or lets pods of the mesh take plaintext;
 * - a release that switches enforcement off or sets values that its chart does not read, a binding to cluster-admin, and a
 *   bypass that nobody documented are wrong by themselves.
 *
 * What the cluster holds already, where a snapshot of it is given, counts as registered before.
 *
 * An explicit deny must be registered before the rule that needs it (make the rule depend on it). Otherwise there is a
 * time in which the hole is open, and this phase says so.
 */
export class ObjectPhase {
  readonly #clusters = new Map<string, RecordedCluster>();
  readonly #reported = new Set<string>();
  readonly #shown = new Set<string>();

  /** Records a resource and returns what its registration opens. Never throws on malformed input. */
  judge(resource: ObservedResource, settings: GuardSettings, today: string): Finding[] {
    const {
      cluster,
      objects: stated,
      patches,
    } = objectsOf(resource, settings.renderReleases ? renderRelease : undefined);
    if (stated.length === 0 && patches.length === 0) return [];
    let recorded = this.#clusters.get(cluster.key);
    if (recorded === undefined) {
      const known = settings.clusterSnapshotProvider ?? cluster.providerName;
      // without the provider's name a snapshot is that of the only cluster; the stack phase says so if there are more
      const described = this.#clusters.size === 0 || settings.clusterSnapshotProvider !== undefined;
      recorded = new RecordedCluster();
      this.#clusters.set(cluster.key, recorded);
      if (described && known === cluster.providerName) recorded.addKnown(settings);
    }
    const objects = [...recorded.withPatches(stated), ...patches.flatMap((patch) => recorded.patch(patch))];
    if (objects.length === 0) return [];
    const policies = objects.filter(({ object }) => isPolicy(object.apiVersion, object.kind));
    const workloads = objects.filter(({ object }) => isWorkloadKind(object.kind));
    const opensNothing = policies.length > 0 && certainlyOpensNothing(policies, recorded, settings);
    const findings = [
      ...(policies.length > 0 && !opensNothing ? judgePolicies(policies, recorded, settings) : []),
      ...(workloads.length > 0 ? judgeWorkloads(workloads, recorded, settings) : []),
      ...judgeTenants(policies, recorded, settings, today),
      ...judgeTransport(objects, recorded, settings, today),
      ...judgeAlone(objects, recorded, settings, today),
    ];
    const told = patches.length === 0 ? findings : findings.map((finding) => byPatch(finding, patches));
    const judged = told.length === 0 ? [] : accepted(told, objects, recorded, settings, today);
    recorded.add(objects, !opensNothing);
    return judged;
  }

  /** Remembers that a finding of {@link judge} was shown to the user. */
  markReported(finding: Finding): void {
    for (const urn of causesOf(finding)) this.#reported.add(reportKey(finding.id, urn));
    this.#shown.add(reportKey(finding.id, finding.message));
  }

  /** Whether a finding of the same words was shown already. */
  hasShown({ id, message }: Finding): boolean {
    return this.#shown.has(reportKey(id, message));
  }

  /** Whether everything that causes a finding was shown already, at the registration of what causes it. */
  hasReported(finding: Finding): boolean {
    const causes = causesOf(finding);
    return causes.length > 0 && causes.every((urn) => this.#reported.has(reportKey(finding.id, urn)));
  }
}

/** The object that is judged is registered by another resource than the one that changes it. */
function byPatch(finding: Finding, patches: readonly ObjectPatch[]): Finding {
  const by = patches.map(({ name, object }) => `${object.kind}Patch "${name}" changes it`);
  return { ...finding, because: [...by, ...finding.because] };
}

function reportKey(id: string, what: string): string {
  return `${id} ${what}`;
}

/** Findings with those marked that an annotation of the object itself accepts. */
function accepted(
  findings: readonly Finding[],
  objects: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  if (!recorded.hasExemptNamespace && !objects.some(({ object }) => statesExemption(object))) return [...findings];
  const profile = recorded.profile(objects, settings);
  const snapshot = buildSnapshot([...recorded.namespaceObjects(), ...objects], { profile });
  const { exemptNamespaces, platformNamespaces, exemptionAnnotations: permitted } = settings;
  return applyAnnotations(findings, snapshot, { exemptNamespaces, platformNamespaces, today, permitted }).findings;
}
