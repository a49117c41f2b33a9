/** Pods that might be started, so that a rule is not judged by the pods there happen to be. */
import type { PodEndpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import type { Condition } from "../model/selectors/conditions";
import type { PeerTerm } from "../model/rules";
import type { WorkloadPort } from "../model/snapshot";
import { isUnknown } from "../model/unknown";
import { directionOf } from "../engine/evaluate";

/** Representatives declare their ports from here downwards. */
const highest = 65_499;

/** As many values of one `In` as get a pod each. */
const mostValues = 16;

/**
 * A pod without labels in each namespace, and one that just fits each selector of the policies. They declare every port
 * that policies name, at numbers that nobody uses.
 */
export function representatives(engine: Engine): PodEndpoint[] {
  const { snapshot } = engine;
  const drafts = new Map<string, { namespace: string; labels: Record<string, string> }>();
  const add = (namespace: string, labels: Record<string, string>): void => {
    drafts.set(JSON.stringify([namespace, Object.entries(labels).sort()]), { namespace, labels });
  };
  const names = new Set<string>();
  const namespaces = [...snapshot.namespaces.keys()];
  for (const namespace of namespaces) add(namespace, {});
  const visit = (where: Condition, home: string | undefined): void => {
    for (const { namespace, labels } of fitting(where)) {
      const places = namespace ?? home ?? namespaces[0];
      if (places !== undefined && Object.keys(labels).length > 0) add(places, labels);
    }
  };
  for (const policy of snapshot.rules.policies) {
    visit(policy.subject.where, policy.origin.namespace);
    for (const direction of ["ingress", "egress"] as const) {
      for (const rule of directionOf(policy, direction)?.rules ?? []) {
        for (const { name } of rule.l4.named) names.add(name);
        for (const term of rule.peers) for (const where of conditionsOf(term)) visit(where, policy.origin.namespace);
      }
    }
  }
  const ports = [...names].flatMap((name, index) =>
    (["TCP", "UDP", "SCTP"] as const).map((protocol): WorkloadPort => ({ name, protocol, port: highest - index })),
  );
  return [...drafts.values()].flatMap(({ namespace, labels }) =>
    engine.endpoints
      .resolve({ kind: "freshPod", namespace, labels })
      .filter((end) => end.kind === "pod")
      .map((pod): PodEndpoint => ({ ...pod, ports, portsUnknown: false })),
  );
}

function conditionsOf(term: PeerTerm): Condition[] {
  switch (term.kind) {
    case "pods":
    case "identities":
      return [term.where];
    case "and":
    case "or":
      return term.of.flatMap(conditionsOf);
    case "not":
      return conditionsOf(term.of);
    default:
      return [];
  }
}

interface Draft {
  readonly namespace: string | undefined;
  readonly labels: Record<string, string>;
}

/** Pods that fit a condition with no more labels than it asks for. */
function fitting(where: Condition): Draft[] {
  let drafts: Draft[] = [{ namespace: undefined, labels: {} }];
  for (const part of where.op === "and" ? where.of : [where]) {
    if (part.op !== "test" || part.operator === "notIn" || part.operator === "doesNotExist") continue;
    const known = part.values.filter((value): value is string => !isUnknown(value)).slice(0, mostValues);
    const values = part.operator === "in" ? known : part.operator === "exists" ? ["any"] : known.slice(0, 1);
    const isName = part.field === "namespace" || (part.field === "namespaceLabel" && part.key === nameLabel);
    if (isName && part.operator === "in") {
      drafts = drafts.flatMap((draft) => values.map((namespace) => ({ ...draft, namespace })));
    } else if (part.field === "label") {
      drafts = drafts.flatMap((draft) =>
        values.map((value) => ({ ...draft, labels: { ...draft.labels, [part.key]: value } })),
      );
    }
    if (drafts.length > mostValues * mostValues) return drafts.slice(0, mostValues * mostValues);
  }
  return drafts;
}

const nameLabel = "kubernetes.io/metadata.name";
