import { isPolicy } from "../reachability/index";
import type { DraftDocument } from "./documents";
import { flowsAnnotation, metadataExemption, ownersAnnotation, reviewAnnotation } from "./documents";
import { exceptionAnnotations } from "./exceptions";
import type { Half } from "./halves";
import { describeFlow } from "./halves";
import type { ModelFlow } from "./model";

/** Flows that are written out on a policy; annotations of one object share 256 KiB. */
const mostFlowsWritten = 100;

/** Says on a policy which flows it is for, and who answers for them. */
export function flowAnnotations(halves: readonly Half[]): Readonly<Record<string, string>> {
  const flows = [...new Set(halves.map((half) => half.flow))];
  const owners = [...new Set(flows.map((flow) => flow.owner))].sort();
  return {
    [flowsAnnotation]: listFlows(flows),
    [ownersAnnotation]: owners.join(", "),
    ...exceptionAnnotations(flows),
    ...reviewAnnotations(halves),
  };
}

/**
 * Tells the policy pack that a policy opens a credential service of the cloud on purpose, until when, and who answers for
 * it. Only what ends can be accepted there; where annotations count is the pack's to say (by default on clusterwide
 * objects and in namespaces of the platform).
 */
export function metadataAnnotations(halves: readonly Half[]): Readonly<Record<string, string>> {
  const flows = [...new Set(halves.filter(({ peer }) => peer.kind === "metadata").map(({ flow }) => flow))];
  const ends = flows.flatMap(({ expires }) => (expires === undefined ? [] : [expires])).sort();
  const [first] = ends;
  if (first === undefined || ends.length < flows.length) return {};
  const owners = [...new Set(flows.map(({ owner }) => owner.replaceAll(";", ",")))].sort().join(", ");
  const reasons = [...new Set(flows.map(({ reason }) => reason))].join("; ");
  return { [metadataExemption]: `owner=${owners}; expires=${first}; reason=${reasons}` };
}

/** The earliest day by which one of the flows is to be reviewed; nothing where none says one. */
export function reviewAnnotations(halves: readonly Half[]): Readonly<Record<string, string>> {
  const [first] = halves.flatMap(({ flow: { reviewBy } }) => (reviewBy === undefined ? [] : [reviewBy])).sort();
  return first === undefined ? {} : { [reviewAnnotation]: first };
}

/** The declaration's own day, on every policy that has none from its flows. */
export function withReviewDay(drafts: readonly DraftDocument[], day: string | undefined): readonly DraftDocument[] {
  if (day === undefined) return drafts;
  return drafts.map((draft) => {
    const { apiVersion, kind, metadata } = draft.object;
    if (!isPolicy(apiVersion, kind) || metadata.annotations?.[reviewAnnotation] !== undefined) return draft;
    const annotations = { ...metadata.annotations, [reviewAnnotation]: day };
    return { ...draft, object: { ...draft.object, metadata: { ...metadata, annotations } } };
  });
}

function listFlows(flows: readonly ModelFlow[]): string {
  const lines = flows.slice(0, mostFlowsWritten).map(describeFlow);
  const rest = flows.length - lines.length;
  return [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n");
}
