/** Labels that kustomizations put on objects, as kustomize's label transformer does. */
import type { SourcedObject } from "../../reachability";
import { isMap, listOf, mapOf, type Fields } from "../../reachability/model/plain";

/** `commonLabels`, or one entry of `labels`. */
export interface AddedLabels {
  readonly pairs: Readonly<Record<string, string>>;
  /** Selectors ask for them, too: of controllers, of Services, and of NetworkPolicies that have `matchLabels` already. */
  readonly selectors: boolean;
  /** Pods of controllers get them, too. Always where selectors ask for them. */
  readonly templates: boolean;
}

/** The labels that a kustomization adds. */
export function labelsOf(kustomization: Fields): readonly AddedLabels[] {
  const common = { pairs: kustomization["commonLabels"], includeSelectors: true, includeTemplates: true };
  return [common, ...listOf(kustomization["labels"]).map(mapOf)].flatMap((entry) => {
    const pairs = textsIn(entry["pairs"]);
    const selectors = entry["includeSelectors"] === true;
    if (Object.keys(pairs).length === 0) return [];
    return [{ pairs, selectors, templates: selectors || entry["includeTemplates"] === true }];
  });
}

/** The entries of a map that are texts. */
export function textsIn(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(mapOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** An object with the labels of several kustomizations, the innermost first. */
export function withLabels(each: SourcedObject, added: readonly AddedLabels[]): SourcedObject {
  if (added.length === 0) return each;
  const object = added.reduce<Fields>((known, labels) => labelled(known, labels), { ...each.object });
  return { ...each, object: object as unknown as SourcedObject["object"] };
}

function labelled(object: Fields, { pairs, selectors, templates }: AddedLabels): Fields {
  const { kind } = object;
  let result = put(object, ["metadata", "labels"], pairs, true);
  if (templates) {
    result = put(result, ["spec", "template", "metadata", "labels"], pairs, isMap(at(result, ["spec", "template"])));
    const job = ["spec", "jobTemplate", "spec", "template"];
    result = put(result, [...job, "metadata", "labels"], pairs, isMap(at(result, job)));
  }
  if (!selectors) return result;
  if (kind === "Service") return put(result, ["spec", "selector"], pairs, false);
  if (kind === "NetworkPolicy" && String(object["apiVersion"]).startsWith("networking.k8s.io/")) {
    return withPolicyLabels(result, pairs);
  }
  return isMap(at(result, ["spec", "template"]))
    ? put(result, ["spec", "selector", "matchLabels"], pairs, false)
    : result;
}

/** kustomize adds to `matchLabels` that are there and makes none: `podSelector: {}` stays everybody. */
function withPolicyLabels(policy: Fields, pairs: Fields): Fields {
  const spec = policy["spec"];
  if (!isMap(spec)) return policy;
  const peers = (rules: unknown, side: string): unknown =>
    Array.isArray(rules) ? rules.map((rule: unknown) => withPeerLabels(rule, side, pairs)) : rules;
  const sides = Object.fromEntries(
    Object.entries({ ingress: "from", egress: "to" }).flatMap(([section, side]) =>
      section in spec ? [[section, peers(spec[section], side)]] : [],
    ),
  );
  return { ...policy, spec: { ...put(spec, ["podSelector", "matchLabels"], pairs, false), ...sides } };
}

function withPeerLabels(rule: unknown, side: string, pairs: Fields): unknown {
  if (!isMap(rule) || !Array.isArray(rule[side])) return rule;
  const found = rule[side] as readonly unknown[];
  return {
    ...rule,
    [side]: found.map((peer) => (isMap(peer) ? put(peer, ["podSelector", "matchLabels"], pairs, false) : peer)),
  };
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((found, key) => mapOf(found)[key], value);
}

/** Adds fields to the map at a path; one that is not there is made only where that is wanted. */
function put(value: Fields, path: readonly string[], fields: Fields, create: boolean): Fields {
  const [first, ...rest] = path;
  if (first === undefined) return { ...value, ...fields };
  const inner = value[first];
  // what is not known stays so
  const isAbsent = inner === undefined || inner === null;
  if (isAbsent ? !create : !isMap(inner)) return value;
  return { ...value, [first]: put(mapOf(inner), rest, fields, create) };
}
