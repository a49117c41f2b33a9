import type { EnforcerProfile } from "../model/profile";
import { all, test, type Condition, type Field, type Operator } from "../model/selectors/conditions";
import { ciliumKey } from "./cilium-selectors";
import { NotReadable, onlyFields, readLabelValue, readList, readMap, readString, required } from "./fields";
import { checkLabelKey } from "./names";

const operators: Readonly<Record<string, Operator>> = {
  In: "in",
  NotIn: "notIn",
  Exists: "exists",
  DoesNotExist: "doesNotExist",
};

/** Where a key of a selector looks; the Kubernetes dialects look at one kind of labels only. */
export type KeyMapping = (key: string, path: string) => { field: Field; key: string };

/**
 * A `LabelSelector` (meta/v1). Empty or without terms it selects everything; the caller decides what its absence means.
 *
 * @throws NotReadable where it is not a valid selector.
 */
export function readLabelSelector(value: unknown, path: string, mapKey: KeyMapping): Condition {
  const selector = readMap(value, path) ?? {};
  onlyFields(selector, path, ["matchLabels", "matchExpressions"]);
  const conditions: Condition[] = [];
  const labels = readMap(selector["matchLabels"], `${path}.matchLabels`) ?? {};
  for (const [key, wanted] of Object.entries(labels)) {
    const place = mapKey(key, `${path}.matchLabels`);
    conditions.push(test(place.field, place.key, "in", readLabelValue(wanted, `${path}.matchLabels[${key}]`)));
  }
  const expressions = readList(selector["matchExpressions"], `${path}.matchExpressions`) ?? [];
  for (const [index, expression] of expressions.entries()) {
    conditions.push(readExpression(expression, `${path}.matchExpressions[${index}]`, mapKey));
  }
  return all(...conditions);
}

function readExpression(value: unknown, path: string, mapKey: KeyMapping): Condition {
  const expression = required(readMap(value, path), path);
  onlyFields(expression, path, ["key", "operator", "values"]);
  const key = required(readString(expression["key"], `${path}.key`), `${path}.key`);
  const name = required(readString(expression["operator"], `${path}.operator`), `${path}.operator`);
  const operator = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (operator === undefined) {
    const message = `${path}.operator must be In, NotIn, Exists or DoesNotExist, not ${JSON.stringify(name)}`;
    throw new NotReadable(`${path}.operator`, message, "invalid-value");
  }
  const values = (readList(expression["values"], `${path}.values`) ?? []).map((each, index) =>
    readLabelValue(each, `${path}.values[${index}]`),
  );
  const takesValues = operator === "in" || operator === "notIn";
  if (takesValues !== values.length > 0) {
    const message = takesValues
      ? `${path}.values must not be empty for ${name}`
      : `${path}.values must be empty for ${name}`;
    throw new NotReadable(`${path}.values`, message, "invalid-value");
  }
  const place = mapKey(key, `${path}.key`);
  return test(place.field, place.key, operator, ...values);
}

export const podLabels: KeyMapping = (key, path) => {
  checkLabelKey(key, path);
  return { field: "label", key };
};
/**
 * Where the pod selectors of Kubernetes' own policies look under an enforcer. Cilium reads them against identity labels, so
 * that its names for the namespace, the service account and the cluster are labels of every pod (NewESFromK8sLabelSelector);
 * for everybody else they are labels that no pod has.
 */
export function podLabelsOf({ selectsIdentityLabels }: EnforcerProfile): KeyMapping {
  if (!selectsIdentityLabels) return podLabels;
  return (key, path) => {
    checkLabelKey(key, path);
    return ciliumKey(key, path);
  };
}

export const namespaceLabels: KeyMapping = (key, path) => {
  checkLabelKey(key, path);
  return { field: "namespaceLabel", key };
};
