import { isMap, isPair, isScalar, isSeq, type Pair, type Scalar, type YAMLMap } from "yaml";
import { lineAt, pairOf, renamed } from "./edits";
import type { Repairer } from "./types";

/**
 * The fields of a NetworkPolicy by the place that they stand in (`kubectl explain networkpolicy.spec`, networking.k8s.io/v1).
 * A list's items stand at the place of the list.
 */
const fields: Readonly<Record<string, readonly string[]>> = {
  spec: ["podSelector", "policyTypes", "ingress", "egress"],
  ingress: ["from", "ports"],
  egress: ["to", "ports"],
  from: ["podSelector", "namespaceSelector", "ipBlock"],
  to: ["podSelector", "namespaceSelector", "ipBlock"],
  ports: ["protocol", "port", "endPort"],
  ipBlock: ["cidr", "except"],
  podSelector: ["matchLabels", "matchExpressions"],
  namespaceSelector: ["matchLabels", "matchExpressions"],
  matchExpressions: ["key", "operator", "values"],
};

/**
 * A field of a NetworkPolicy that differs from one known field of its place in case, a dash or an underscore, or in two letters that
 * changed places; only where that field is not there as well.
 */
export const misspeltField: Repairer = function* (each) {
  if (each.kind !== "NetworkPolicy" || each.object["apiVersion"] !== "networking.k8s.io/v1") return;
  const root: unknown = each.document.contents;
  if (!isMap(root)) return;
  const spec: unknown = root.get("spec", true);
  if (!isMap(spec)) return;
  for (const { pair, right } of misspeltIn(spec, "spec")) {
    const offset = pair.key.range?.[0] ?? 0;
    yield {
      line: lineAt(each.text, offset),
      rule: "not-understood",
      what: `writes the field ${pair.key.value} as ${right}`,
      edits: renamed(pair, right),
    };
  }
};

interface Misspelt {
  readonly pair: Pair<Scalar<string>>;
  readonly right: string;
}

function* misspeltIn(map: YAMLMap, place: string): Iterable<Misspelt> {
  const known = fields[place];
  if (known === undefined) return;
  for (const pair of map.items) {
    if (!isPair(pair) || !isScalar(pair.key) || typeof pair.key.value !== "string") continue;
    const key = pair.key.value;
    const named = pair as Pair<Scalar<string>>;
    const alike = known.includes(key) ? [] : known.filter((field) => isAlike(key, field));
    const [right] = alike;
    if (right !== undefined && alike.length === 1 && pairOf(map, right) === undefined) yield { pair: named, right };
    const next = known.includes(key) ? key : (right ?? "");
    for (const inner of mapsOf(pair.value)) yield* misspeltIn(inner, next);
  }
}

function mapsOf(value: unknown): YAMLMap[] {
  if (isMap(value)) return [value];
  return isSeq(value) ? value.items.filter((item) => isMap(item)) : [];
}

function isAlike(written: string, field: string): boolean {
  if (plain(written) === plain(field)) return true;
  if (written.length !== field.length) return false;
  const differing = [...field].flatMap((letter, index) => (letter === written[index] ? [] : [index]));
  const [first = 0, second = 0] = differing;
  return (
    differing.length === 2 &&
    second === first + 1 &&
    written[first] === field[second] &&
    written[second] === field[first]
  );
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[-_]/g, "");
}
