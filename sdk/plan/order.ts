/** Turns the order of stages into dependencies between documents. */
import type { DraftDocument, PolicyDocument } from "./documents";
import { logicalNameOf, stages } from "./documents";
import type { ModelService } from "./model";

/** Marks the scope of clusterwide documents; no namespace has this name. */
const clusterwide = "*";

/**
 * Gives every document its dependencies: whatever concerns the same pods and belongs to an earlier stage comes first.
 *
 * A document for pods of several namespaces waits for everything before it. One for the pods of a namespace waits for
 * those and for the others of its namespace, so that the number of dependencies grows with the documents and not with their product.
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
      const home = draft.home ?? draft.object.metadata.namespace;
      const scope = home ?? clusterwide;
      anyClusterwide ||= scope === clusterwide;
      const waits =
        scope === clusterwide
          ? [...latest.values()].flat()
          : [...(latest.get(clusterwide) ?? []), ...(latest.get(scope) ?? [])];
      const dependsOn = [
        ...new Set([...waits, ...(draft.after ?? []), ...serviceDependencies(draft, current, services)]),
      ];
      const logicalName = logicalNameOf(draft);
      const { after, step, object } = draft;
      ordered.push({
        logicalName,
        stage,
        object,
        ...(home === undefined ? {} : { home }),
        dependsOn,
        ...(after === undefined ? {} : { after }),
        ...(step === undefined ? {} : { step }),
      });
      const names = next.get(scope);
      if (names === undefined) next.set(scope, [logicalName]);
      else names.push(logicalName);
    }
    if (anyClusterwide) latest = next;
    else for (const [scope, names] of next) latest.set(scope, names);
  }
  return ordered;
}

/**
 * What depends on nothing first, then what comes after others of the stage, then services in their order; by name within.
 * What a document comes after stands before it, whatever their names are.
 */
function sortStage(drafts: readonly DraftDocument[], services: readonly ModelService[]): readonly DraftDocument[] {
  const rank = new Map(services.map((service, index) => [service.name, index]));
  const rankOf = (draft: DraftDocument): number => {
    if (draft.service !== undefined) return rank.get(draft.service) ?? services.length;
    return draft.after === undefined ? -2 : -1;
  };
  const named = new Map(drafts.map((draft) => [logicalNameOf(draft), draft]));
  const ordered = new Set<DraftDocument>();
  const visit = (draft: DraftDocument): void => {
    if (ordered.has(draft)) return;
    for (const name of draft.after ?? []) {
      const earlier = named.get(name);
      if (earlier !== undefined) visit(earlier);
    }
    ordered.add(draft);
  };
  [...drafts].sort((a, b) => rankOf(a) - rankOf(b) || (logicalNameOf(a) < logicalNameOf(b) ? -1 : 1)).forEach(visit);
  return [...ordered];
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
