import { isMap, isScalar, isSeq, type YAMLMap } from "yaml";
import { addedAfter, lineAt, pairOf, replaced, rewritten, startOf } from "./edits";
import type { Repair, Repairer, YamlObject } from "./types";
import { mapsAt, pairsBelow, specsOf, valueAt, valuesBelow } from "./visit";

/** Words that a field takes, as its API writes them. Case is all that may differ. */
const words: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "": {
    protocol: ["TCP", "UDP", "SCTP", "ICMP", "ICMPv6", "UDPLite"],
    operator: ["In", "NotIn", "Exists", "DoesNotExist"],
  },
  "networking.k8s.io": { policyTypes: ["Ingress", "Egress"] },
  "cilium.io": {
    protocol: ["TCP", "UDP", "SCTP", "ICMP", "ICMPv6", "ANY"],
    ...Object.fromEntries(
      ["fromEntities", "toEntities"].map((field) => [
        field,
        ["all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver", "ingress"],
      ]),
    ),
  },
  "projectcalico.org": { types: ["Ingress", "Egress"], action: ["Allow", "Deny", "Log", "Pass"] },
  "policy.networking.k8s.io": { action: ["Accept", "Allow", "Deny", "Pass"], tier: ["Admin", "Baseline"] },
  "security.istio.io": {
    action: ["ALLOW", "DENY", "CUSTOM", "AUDIT"],
    mode: ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"],
  },
};

/** Values of a policy that no API takes, and of which only one can be meant: a word in another case, a number in quotes, a range as one port. */
export const writtenValues: Repairer = function* (each) {
  const group = each.apiVersion.split("/")[0] ?? "";
  if (words[group] === undefined || group === "") return;
  for (const spec of specsOf(each)) {
    yield* wordsIn(each, spec, { ...words[""], ...words[group] });
    if (group === "networking.k8s.io") yield* portsIn(each, spec);
    if (group === "projectcalico.org") yield* calicoValues(each, spec);
  }
};

type Found = Omit<Repair, "file">;
const meaning = { rule: "not-understood", mayOpen: true, mayClose: true } as const;

function* wordsIn(
  each: YamlObject,
  spec: YAMLMap,
  known: Readonly<Record<string, readonly string[]>>,
): Iterable<Found> {
  for (const { field, scalar } of valuesBelow(spec)) {
    const { value } = scalar;
    const right = Object.hasOwn(known, field) ? known[field] : undefined;
    if (right === undefined || typeof value !== "string" || right.includes(value)) continue;
    const word = right.find((one) => one.toLowerCase() === value.toLowerCase());
    if (word === undefined) continue;
    yield {
      ...meaning,
      line: lineAt(each.text, scalar.range?.[0] ?? 0),
      what: `writes ${field} ${value} as ${word}`,
      edits: rewritten(each.text, scalar, word),
    };
  }
}

/** `port: "8000-8090"` in a NetworkPolicy is no port, a range is `port` and `endPort`; and `"8080"` is the name of none. */
function* portsIn(each: YamlObject, spec: YAMLMap): Iterable<Found> {
  for (const rule of [...mapsAt(spec, "ingress"), ...mapsAt(spec, "egress")]) {
    for (const port of mapsAt(rule, "ports")) {
      const pair = pairOf(port, "port");
      if (pair === undefined || !isScalar(pair.value)) continue;
      const value = valueAt(port, "port");
      const [, from, to] = /^(\d{1,5})\s*[-:]\s*(\d{1,5})$/.exec(String(value)) ?? [];
      const line = lineAt(each.text, startOf(pair));
      if (typeof value === "string" && /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65535) {
        yield { ...meaning, line, what: `writes the port "${value}" as a number`, edits: replaced(pair.value, value) };
      }
      if (from === undefined || to === undefined || pairOf(port, "endPort") !== undefined) continue;
      if (Number(from) >= Number(to) || Number(to) > 65535) continue;
      yield {
        ...meaning,
        line,
        what: `writes the ports ${from} to ${to} as port and endPort`,
        edits: [...replaced(pair.value, from), ...addedAfter(each.text, port, pair, "endPort", Number(to))],
      };
    }
  }
}

/** Calico's order is a number, and its selectors compare with `==` and join with `&&` and `||`. */
function* calicoValues(each: YamlObject, spec: YAMLMap): Iterable<Found> {
  for (const { pair } of pairsBelow(spec)) {
    const { value: node } = pair;
    if (!isScalar(node) || isMap(node) || isSeq(node)) continue;
    const value: unknown = node.value;
    const line = lineAt(each.text, startOf(pair));
    if (pair.key.value === "order" && typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value)) {
      yield { ...meaning, line, what: `writes the order "${value}" as a number`, edits: replaced(node, value) };
    }
    if (!/selector$/i.test(pair.key.value) || typeof value !== "string") continue;
    const right = calicoSelector(value);
    if (right === value || !each.text.slice(node.range?.[0], node.range?.[1]).includes(value)) continue;
    yield {
      ...meaning,
      line,
      what: `writes the selector ${value} as ${right}`,
      edits: node.range
        ? [
            {
              from: node.range[0],
              to: node.range[1],
              text: each.text.slice(node.range[0], node.range[1]).replace(value, () => right),
            },
          ]
        : [],
    };
  }
}

/** A selector with the operators of Calico in place of those of other languages, outside of its texts in quotes. */
function calicoSelector(selector: string): string {
  return selector
    .split(/('[^']*'|"[^"]*")/)
    .map((piece, index) =>
      index % 2 === 1
        ? piece
        : piece
            .replace(/(?<![=!<>])=(?!=)/g, "==")
            .replace(/(?<!&)&(?!&)|\bAND\b|\band\b/g, "&&")
            .replace(/(?<!\|)\|(?!\|)|\bOR\b|\bor\b/g, "||"),
    )
    .join("");
}
