/** Names of policies: those that a declaration wants, and none that two policies share. */
import type { DraftDocument } from "./documents";
import { logicalNameOf } from "./documents";
import type { DeclarationProblem } from "./errors";
import { DeclarationError } from "./errors";
import { isObjectName } from "./names";

/** Gives policies the names that the declaration wants, and refuses wishes that no policy has, here or elsewhere. */
export function rename(
  drafts: readonly DraftDocument[],
  names: ReadonlyMap<string, string>,
  elsewhere: () => readonly DraftDocument[],
): readonly DraftDocument[] {
  if (names.size === 0) return drafts;
  const used = new Set<string>();
  const renamed = withNames(drafts, (draft) => {
    const { name } = draft.object.metadata;
    const derived = derivedNames(draft).find((one) => names.has(one));
    if (derived === undefined) return name;
    used.add(derived);
    return name.slice(0, name.length - derived.length) + (names.get(derived) ?? derived);
  });
  const unused = [...names.keys()].filter((name) => !used.has(name));
  const others = unused.length === 0 ? [] : elsewhere();
  const known = new Set(others.flatMap(derivedNames));
  const unknown = unused.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new DeclarationError(
      unknown.map((name) => ({
        path: ["policyNames", name],
        kind: "name",
        message: "is not the derived name of a policy of this plan",
        fix: "Remove it, or write the name that the plan gives.",
      })),
    );
  }
  return renamed;
}

/** Documents with other names, by which others know them too. */
export function withNames(
  drafts: readonly DraftDocument[],
  nameOf: (draft: DraftDocument) => string,
): readonly DraftDocument[] {
  const renamed = drafts.map((draft): DraftDocument => {
    const { object } = draft;
    const name = nameOf(draft);
    return name === object.metadata.name
      ? draft
      : { ...draft, object: { ...object, metadata: { ...object.metadata, name } } };
  });
  const moved = new Map(drafts.map((draft, index) => [logicalNameOf(draft), logicalNameOf(renamed[index] ?? draft)]));
  return renamed.map((draft) =>
    draft.after === undefined ? draft : { ...draft, after: draft.after.map((name) => moved.get(name) ?? name) },
  );
}

/** What a declaration may call a policy by: its derived name, the same with its namespace, or the whole name. */
function derivedNames({ derivedName, home, object: { metadata } }: DraftDocument): readonly string[] {
  if (derivedName === undefined) return [metadata.name];
  return [derivedName, ...(home === undefined ? [] : [`${home}.${derivedName}`]), metadata.name];
}

/** Two policies of one name would be one object in the cluster: the later would overwrite the earlier. */
export function refuseSharedNames(drafts: readonly DraftDocument[]): void {
  const problems: DeclarationProblem[] = [];
  const seen = new Set<string>();
  for (const draft of drafts) {
    const name = logicalNameOf(draft);
    if (seen.has(name)) {
      problems.push({
        path: ["policies", name],
        kind: "name",
        message: "would stand for two different policies",
        fix: "Rename one of the workloads, services or peers that its name is made of.",
      });
    } else if (!isObjectName(draft.object.metadata.name)) {
      problems.push({
        path: ["policies", name],
        kind: "name",
        message: "would have a name that Kubernetes does not take",
        fix: "Shorten the names of the workloads that it is made of.",
      });
    }
    seen.add(name);
  }
  if (problems.length > 0) throw new DeclarationError(problems);
}
