/** Turns the order of stages into dependencies between documents. */
import type { DraftDocument, PolicyDocument } from "./documents";
import { stages } from "./documents";
import type { ModelService } from "./model";

/** Marks the scope of clusterwide documents; no namespace has this name. */
const clusterwide = "*";

/**
 * Gives every document its dependencies: whatever concerns the same pods and belongs to an earlier stage stands first.
 *
 * A clusterwide document waits for everything before it. A namespaced one waits for clusterwide documents and for those
 * of its own namespace, so that the number of dependencies grows with the documents and not with their product.
 */
export function orderDocuments(drafts: readonly DraftDocument[], services: readonly ModelService[]): PolicyDocument[] {
  const ordered: PolicyDocument[] = [];
  // what the next stage has to wait for, by scope; everything earlier is behind these
  let latest = new Map<string, string[]>();
  for (const stage of stages) {
    const current = sortStage(
      drafts.filter((draft) => draft.stage === stage),
      services,
    );
    const next = new Map<string, string[]>();
    let anyClusterwide = false;
    for (const draft of current) {
      const scope = draft.object.metadata.namespace ?? clusterwide;
      anyClusterwide ||= scope === clusterwide;
      const waits =
        scope === clusterwide
          ? [...latest.values()].flat()
          : [...(latest.get(clusterwide) ?? []), ...(latest.get(scope) ?? [])];
      const dependsOn = [
        ...new Set([...waits, ...(draft.after ?? []), ...serviceDependencies(draft, current, services)]),
      ];
      const logicalName = logicalNameOf(draft);
      ordered.push({ logicalName, stage, object: draft.object, dependsOn });
      const names = next.get(scope);
      if (names === undefined) next.set(scope, [logicalName]);
      else names.push(logicalName);
    }
    if (anyClusterwide) latest = next;
    else for (const [scope, names] of next) latest.set(scope, names);
  }
  return ordered;
}

/** `name`, or `namespace/name`: neither part can hold a slash, so two objects never share one. */
export function logicalNameOf(draft: DraftDocument): string {
  const { name, namespace } = draft.object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** What stands alone first, then what comes after others of the stage, then services in their order; by name within. */
function sortStage(drafts: readonly DraftDocument[], services: readonly ModelService[]): readonly DraftDocument[] {
  const rank = new Map(services.map((service, index) => [service.name, index]));
  const rankOf = (draft: DraftDocument): number => {
    if (draft.service !== undefined) return rank.get(draft.service) ?? services.length;
    return draft.after === undefined ? -2 : -1;
  };
  return [...drafts].sort((a, b) => {
    const byRank = rankOf(a) - rankOf(b);
    return byRank !== 0 ? byRank : logicalNameOf(a) < logicalNameOf(b) ? -1 : 1;
  });
}

function serviceDependencies(
  draft: DraftDocument,
  stage: readonly DraftDocument[],
  services: readonly ModelService[],
): readonly string[] {
  const own = services.find((service) => service.name === draft.service);
  if (own === undefined || own.dependsOn.length === 0) return [];
  return stage
    .filter((other) => other.service !== undefined && own.dependsOn.includes(other.service))
    .map(logicalNameOf);
}
