/**
 * Conditions on the labels of endpoints: what the selectors of all dialects are translated into.
 */
import { namespaceNameLabel } from "../namespace-labels";
import {
  isSomeValue,
  isUnknown,
  MAYBE,
  NO,
  tri,
  triAnd,
  triNot,
  triOr,
  YES,
  type SomeValue,
  type Tri,
} from "../unknown";
import type { LabelValue } from "./labels";

/**
 * What a test looks at: the pod's own labels, its namespace's labels or name, its service account's name or labels,
 * the cluster's name (Cilium), or a reserved identity (Cilium: world, host, …).
 */
export type Field =
  | "label"
  | "namespaceLabel"
  | "namespace"
  | "serviceAccount"
  | "serviceAccountLabel"
  | "cluster"
  | "reserved"
  /** How the pod takes part in the mesh, and its identity there; absent for what has none. */
  | "mesh"
  /** `all` where a sidecar takes all TCP that the pod sends; not known where annotations keep some of it from it. */
  | "sidecarOutbound"
  | "principal"
  | "meshNamespace"
  | "meshAccount"
  | "meshTrustDomain";

export type Operator =
  | "in"
  | "notIn"
  | "exists"
  | "doesNotExist"
  | "contains"
  | "startsWith"
  | "endsWith"
  /** A regular expression for the whole value. */
  | "matches";

/** A test of one value. `notIn` and `doesNotExist` hold where the key is absent, as in the Kubernetes API. */
export interface Test {
  readonly op: "test";
  readonly field: Field;
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly LabelValue[];
}

export type Condition =
  | Test
  | { readonly op: "and" | "or"; readonly of: readonly Condition[] }
  | { readonly op: "not"; readonly of: Condition }
  | { readonly op: "constant"; readonly value: Tri };

export const always: Condition = { op: "constant", value: YES };
export const never: Condition = { op: "constant", value: NO };
export const perhaps: Condition = { op: "constant", value: MAYBE };

export function test(field: Field, key: string, operator: Operator, ...values: LabelValue[]): Test {
  return { op: "test", field, key, operator, values };
}

/** Whether a test is about the name of the namespace, as such or as the label that every namespace has. */
export function isAboutNamespaceName({ field, key }: Pick<Test, "field" | "key">): boolean {
  return field === "namespace" || (field === "namespaceLabel" && key === namespaceNameLabel);
}

/** Pods of one namespace. */
export function inNamespace(namespace: LabelValue): Condition {
  return test("namespace", "", "in", namespace);
}

export function all(...conditions: readonly Condition[]): Condition {
  const of: Condition[] = [];
  for (const condition of conditions) {
    if (condition.op === "and") of.push(...condition.of);
    else if (condition.op !== "constant" || condition.value !== YES) of.push(condition);
  }
  if (of.length === 0) return always;
  return of.length === 1 ? (of[0] as Condition) : { op: "and", of };
}

export function any(...conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return never;
  return conditions.length === 1 ? (conditions[0] as Condition) : { op: "or", of: conditions };
}

export function not(condition: Condition): Condition {
  return { op: "not", of: condition };
}

/** Gives the value of a field; `undefined` where it is absent for certain; unknown where that is not known. */
export type Lookup = (field: Field, key: string) => LabelValue | undefined;

export function evaluate(condition: Condition, lookup: Lookup): Tri {
  switch (condition.op) {
    case "constant":
      return condition.value;
    case "not":
      return triNot(evaluate(condition.of, lookup));
    case "and": {
      let result: Tri = YES;
      for (const each of condition.of) {
        result = triAnd(result, evaluate(each, lookup));
        if (result === NO) break;
      }
      return result;
    }
    case "or": {
      let result: Tri = NO;
      for (const each of condition.of) {
        result = triOr(result, evaluate(each, lookup));
        if (result === YES) break;
      }
      return result;
    }
    case "test":
      return evaluateTest(condition, lookup(condition.field, condition.key));
  }
}

function evaluateTest(condition: Test, value: LabelValue | undefined): Tri {
  switch (condition.operator) {
    case "exists":
      return value === undefined ? NO : isUnknown(value) ? presence(condition, value) : YES;
    case "doesNotExist":
      return value === undefined ? YES : isUnknown(value) ? triNot(presence(condition, value)) : NO;
    case "in":
      return value === undefined ? NO : isOneOf(value, condition.values);
    case "notIn":
      return value === undefined ? YES : triNot(isOneOf(value, condition.values));
    case "contains":
    case "startsWith":
    case "endsWith":
    case "matches":
      return value === undefined ? NO : comparesText(condition, value);
  }
}

/** A namespace and a service account always have a name, even where it is not known yet. */
function presence(condition: Test, value: LabelValue): Tri {
  if (isSomeValue(value)) return YES;
  return condition.field === "namespace" || condition.field === "serviceAccount" || condition.field === "cluster"
    ? YES
    : MAYBE;
}

function isOneOf(value: LabelValue, values: readonly LabelValue[]): Tri {
  if (isSomeValue(value)) return isAmong(value, values);
  if (isUnknown(value)) return values.length === 0 ? NO : MAYBE;
  let result: Tri = NO;
  for (const each of values) {
    if (isUnknown(each)) result = triOr(result, MAYBE);
    else if (each === value) return YES;
  }
  return result;
}

/** Whether a value that is one of several is among the values asked for. */
function isAmong({ oneOf, pattern }: SomeValue, values: readonly LabelValue[]): Tri {
  if (oneOf === undefined) {
    const fitting = values.filter((each) => isUnknown(each) || pattern?.test(each) !== false);
    return fitting.length === 0 ? NO : MAYBE;
  }
  const answers = oneOf.map((each) => isOneOf(each, values));
  return answers.every((answer) => answer === answers[0]) ? (answers[0] ?? NO) : MAYBE;
}

function comparesText(condition: Test, value: LabelValue): Tri {
  const wanted = condition.values[0];
  if (wanted === undefined) return NO;
  if (isUnknown(value) || isUnknown(wanted)) return MAYBE;
  if (condition.operator === "matches") return tri(new RegExp(wanted).test(value));
  if (condition.operator === "contains") return tri(value.includes(wanted));
  return tri(condition.operator === "startsWith" ? value.startsWith(wanted) : value.endsWith(wanted));
}
