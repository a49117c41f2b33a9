/** Pods that selectors fit: made from what a selector asks for, where nobody runs such a pod yet. */
import { isAboutNamespaceName, type Condition, type Test } from "../model/selectors/conditions";

/** A pod as a selector asks for it, and nothing else of it. */
export interface PodDraft {
  /** Undefined where the selector names none. */
  readonly namespace?: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
}

/** As many values of one `In` as get a pod each. */
const mostValues = 16;
/** As many pods as one selector gets: two `In` with as many values as are gone through. */
const mostPods = mostValues * mostValues;

const nothingAsked: PodDraft = { namespaceLabels: {}, labels: {} };

/**
 * A pod for each combination of the values that a selector names; the first has the first value of each. What only says
 * what a pod must not have asks for nothing. Where the demands contradict each other, or naming values cannot meet them, the
 * selector does not fit the pod: ask it. At least one pod, at most 256.
 */
export function podsFitting(where: Condition): readonly [PodDraft, ...PodDraft[]] {
  return atLeastOne(draftsFor(where, [nothingAsked]));
}

function draftsFor(where: Condition, drafts: readonly PodDraft[]): readonly PodDraft[] {
  switch (where.op) {
    case "and":
      return where.of.reduce((sum, part) => draftsFor(part, sum), drafts);
    case "or":
      return where.of.flatMap((part) => draftsFor(part, drafts)).slice(0, mostPods);
    case "test":
      return drafts.flatMap((draft) => withValues(draft, where)).slice(0, mostPods);
    default:
      return drafts;
  }
}

/** Values that meet a test. A part of a value stands for the whole of it. */
function valuesFor({ operator, values }: Test): readonly string[] {
  if (operator === "notIn" || operator === "doesNotExist") return [];
  if (operator === "exists") return ["any"];
  const known = values.filter((value) => typeof value === "string");
  return known.slice(0, operator === "in" ? mostValues : 1);
}

function withValues(draft: PodDraft, test: Test): readonly PodDraft[] {
  const { field, key, operator } = test;
  const named = valuesFor(test);
  if (named.length === 0) return [draft];
  if (isAboutNamespaceName(test)) {
    return operator === "in" ? named.map((namespace) => ({ ...draft, namespace })) : [draft];
  }
  if (field === "label") return named.map((value) => ({ ...draft, labels: { ...draft.labels, [key]: value } }));
  if (field === "serviceAccount") return named.map((serviceAccount) => ({ ...draft, serviceAccount }));
  if (field === "namespaceLabel") {
    return named.map((value) => ({ ...draft, namespaceLabels: { ...draft.namespaceLabels, [key]: value } }));
  }
  return [draft];
}

function atLeastOne([first = nothingAsked, ...rest]: readonly PodDraft[]): readonly [PodDraft, ...PodDraft[]] {
  return [first, ...rest];
}
