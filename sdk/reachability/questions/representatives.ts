/** Pods that might be started, so that a rule is not judged by the pods there happen to be. */
import type { PodEndpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import type { Condition } from "../model/selectors/conditions";
import { conditionsOf } from "../model/peer-terms";
import type { WorkloadPort } from "../model/snapshot";
import { directionOf } from "../engine/evaluate";
import { podsFitting, type PodDraft } from "./fitting-pods";

type Draft = Pick<PodDraft, "labels" | "serviceAccount"> & { readonly namespace: string };

/** Representatives declare their ports from here downwards. */
const highest = 65_499;

/**
 * A pod without labels in each namespace, and one that just fits each selector of the policies. They declare every port
 * that policies name, at numbers that nobody uses.
 */
export function representatives(engine: Engine): PodEndpoint[] {
  const { snapshot } = engine;
  const drafts = new Map<string, Draft>();
  const add = ({ namespace, labels, serviceAccount }: Draft): void => {
    const account = serviceAccount === undefined ? {} : { serviceAccount };
    const key = JSON.stringify([namespace, Object.entries(labels).sort(), serviceAccount]);
    drafts.set(key, { namespace, labels, ...account });
  };
  const names = new Set<string>();
  const namespaces = [...snapshot.namespaces.keys()];
  for (const namespace of namespaces) add({ namespace, labels: {} });
  const visit = (where: Condition, home: string | undefined): void => {
    for (const draft of podsFitting(where)) {
      const namespace = draft.namespace ?? home ?? namespaces[0];
      const isTold = Object.keys(draft.labels).length > 0 || draft.serviceAccount !== undefined;
      if (namespace !== undefined && isTold) add({ ...draft, namespace });
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
  return [...drafts.values()].flatMap((draft) =>
    engine.endpoints
      .resolve({ kind: "freshPod", ...draft })
      .filter((end) => end.kind === "pod")
      .map((pod): PodEndpoint => ({ ...pod, ports, portsUnknown: false })),
  );
}
