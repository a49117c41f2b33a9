import { flowsAnnotation, ownersAnnotation } from "./documents";
import type { Half } from "./halves";
import { describeFlow } from "./halves";
import type { ModelFlow } from "./model";

/** Flows that are written out on a policy; annotations of one object share 256 KiB. */
const mostFlowsWritten = 100;

/** Says on a policy which flows it is for, and who answers for them. */
export function flowAnnotations(halves: readonly Half[]): Readonly<Record<string, string>> {
  const flows = [...new Set(halves.map((half) => half.flow))];
  const owners = [...new Set(flows.map((flow) => flow.owner))].sort();
  return { [flowsAnnotation]: listFlows(flows), [ownersAnnotation]: owners.join(", ") };
}

function listFlows(flows: readonly ModelFlow[]): string {
  const lines = flows.slice(0, mostFlowsWritten).map(describeFlow);
  const rest = flows.length - lines.length;
  return [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n");
}
