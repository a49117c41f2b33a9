/** Label selectors as k8s.io/apimachinery meta/v1 `LabelSelector` states them. */

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | null;
  readonly matchExpressions?: readonly LabelExpression[] | null;
}

export interface LabelExpression {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[] | null;
}

/**
 * "A label selector is a label query over a set of resources. The result of matchLabels and matchExpressions are ANDed.
 * An empty label selector matches all objects. A null label selector matches no objects": callers handle null themselves,
 * because the policy dialects give it other meanings.
 */
export function selectorMatches(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels[key] !== value) return false;
  }
  for (const expression of selector.matchExpressions ?? []) {
    if (!expressionMatches(expression, labels)) return false;
  }
  return true;
}

/** `NotIn` and `DoesNotExist` match where the key is absent (labels.Requirement.Matches). */
export function expressionMatches(expression: LabelExpression, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[expression.key];
  const values = expression.values ?? [];
  switch (expression.operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      throw new Error(`the oracle knows no label operator ${expression.operator}`);
  }
}
