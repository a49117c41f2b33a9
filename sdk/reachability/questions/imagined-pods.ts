/** Pods that may exist somewhere: one of each kind that conditions tell apart. */
import {
  evaluate as evaluateCondition,
  isAboutNamespaceName,
  type Condition,
  type Lookup,
  type Test,
} from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import { isUnknown } from "../model/unknown";

/** A kind of pod that may exist somewhere: what sets it apart from a pod without labels in a namespace nobody names. */
export interface ImaginedPod {
  /** `any pod in shop, with the label app=web`. */
  readonly name: string;
  readonly namespace: string;
  /** One for each thing that sets it apart; none for the pod that nothing does. */
  readonly traits: readonly string[];
  /** How conditions see it. */
  readonly lookup: Lookup;
}

/** More kinds than this are not gone through: two selectors with dozens of values each would need minutes. */
const mostKinds = 20_000;

/** A namespace that no policy names: what a policy does there, it does wherever nobody thought of. */
const elsewhere = "a-namespace-that-nobody-names";

/**
 * Every kind of pod that conditions can tell apart: each combination of the values that they test for, of any other value
 * and of none, so that two pods of one kind are the same to all conditions. Those with the fewest traits come first.
 *
 * @returns Undefined where there are too many, or a value is compared in a way that leaves no list of kinds.
 */
export function imaginePods(conditions: readonly Condition[]): readonly ImaginedPod[] | undefined {
  const domains = domainsOf(conditions);
  if (domains === undefined) return undefined;
  const count = domains.reduce((product, { values }) => product * (values.length + 1), 1);
  if (count > mostKinds) return undefined;
  let kinds: readonly (readonly Trait[])[] = [[]];
  for (const { field, key, values } of domains) {
    kinds = kinds.flatMap((traits) => [traits, ...values.map((value) => [...traits, { field, key, value }])]);
  }
  return kinds.map(asPod).sort((a, b) => a.traits.length - b.traits.length);
}

type Field = Test["field"];

interface Trait {
  readonly field: Field;
  readonly key: string;
  readonly value: string;
}

/** Values of one field that make a difference; the pod without the trait is not among them. */
interface Domain {
  readonly field: Field;
  readonly key: string;
  readonly values: readonly string[];
}

/** What a pod may have or not. Reserved identities, the mesh and the cluster's name do not differ between pods here. */
const telling: ReadonlySet<Field> = new Set<Field>([
  "namespace",
  "namespaceLabel",
  "label",
  "serviceAccount",
  "serviceAccountLabel",
]);

function domainsOf(conditions: readonly Condition[]): readonly Domain[] | undefined {
  const byField = new Map<string, Test[]>();
  for (const test of conditions.flatMap(testsOf)) {
    if (!telling.has(test.field)) continue;
    // a namespace's name is a label as well
    const seen: Test = isAboutNamespaceName(test) ? { ...test, field: "namespace", key: "" } : test;
    const name = JSON.stringify([seen.field, seen.key]);
    byField.set(name, [...(byField.get(name) ?? []), seen]);
  }
  const domains: Domain[] = [];
  for (const tests of byField.values()) {
    const values = valuesOf(tests);
    const [first] = tests;
    if (values === undefined || first === undefined) return undefined;
    domains.push({ field: first.field, key: first.key, values });
  }
  return domains;
}

function testsOf(condition: Condition): readonly Test[] {
  switch (condition.op) {
    case "constant":
      return [];
    case "test":
      return [condition];
    case "not":
      return testsOf(condition.of);
    default:
      return condition.of.flatMap(testsOf);
  }
}

/** Values of which one is as good as any other that no test names. */
const others: readonly string[] = ["", "0", "q"];

/** The values that tests of one field name, one more that fits where a text is looked for, and one that is none of them. */
function valuesOf(tests: readonly Test[]): readonly string[] | undefined {
  const all: readonly LabelValue[] = tests.flatMap(({ values }) => values);
  const values = new Set(all.filter((value): value is string => !isUnknown(value)));
  if (all.some(isUnknown)) return undefined;
  const texts = tests.filter(({ operator }) => /^(contains|startsWith|endsWith)$/.test(operator));
  const [text] = texts;
  // values can be told apart by two texts in more ways than a list shows
  if (texts.some(({ operator, values: [looked] }) => operator !== text?.operator || looked !== text.values[0])) {
    return undefined;
  }
  const isFree = (value: string): boolean => !values.has(value) && (text === undefined || !holds(text, value));
  if (text !== undefined) values.add(another(text, values));
  // a namespace and an account always have a name: without the trait it is one that no test names
  const isNamed = tests.some(({ field }) => field === "namespace" || field === "serviceAccount");
  if (!isNamed || text !== undefined) {
    const other = others.find((value) => isFree(value) && !(isNamed && value === ""));
    if (other !== undefined) values.add(other);
    else if (text === undefined) values.add(`${[...values].join("")}q`);
  }
  return [...values];
}

/** A value that fits a text and that no other test names. */
function another({ operator, values: [text] }: Test, used: ReadonlySet<string>): string {
  let value = String(text);
  while (used.has(value)) value = operator === "endsWith" ? `x${value}` : `${value}x`;
  return value;
}

function holds(test: Test, value: string): boolean {
  return evaluateCondition(test, () => value) > 0;
}

function asPod(traits: readonly Trait[]): ImaginedPod {
  const values = new Map(traits.map(({ field, key, value }) => [`${field} ${key}`, value]));
  const namespace = values.get("namespace ") ?? elsewhere;
  const lookup: Lookup = (field, key) => {
    if (isAboutNamespaceName({ field, key })) return namespace;
    if (field === "serviceAccount") return values.get(`${field} ${key}`) ?? "an-account-that-nobody-names";
    if (field === "cluster") return "default";
    return values.get(`${field} ${key}`);
  };
  const words = traits.map(describe);
  const name = words.length === 0 ? "any pod in a namespace that is not declared" : `any pod ${words.join(", ")}`;
  return { name, namespace, traits: words, lookup };
}

function describe({ field, key, value }: Trait): string {
  switch (field) {
    case "namespace":
      return `in ${value}`;
    case "namespaceLabel":
      return `in a namespace with the label ${key}=${value}`;
    case "serviceAccount":
      return `with the service account ${value}`;
    case "serviceAccountLabel":
      return `whose service account has the label ${key}=${value}`;
    default:
      return `with the label ${key}=${value}`;
  }
}
