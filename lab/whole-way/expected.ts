/** What a deployment will allow, before it is made: the cluster as it is, under what `pulumi preview` says there will be. */
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation";
import { readPulumiPreview } from "../../sdk/cli/sources/pulumi-preview";
import { ApiClient, connect, readLiveObjects, withoutOwned } from "../../sdk/cluster/index";
import type { Reachability, SourcedObject } from "../../sdk/reachability/index";
import { buildSnapshot, compile, inferProfile } from "../../sdk/reachability/index";
import type { ControlPlane } from "../control-plane/index";
import { labContext } from "../control-plane/index";
import { report } from "../start/engine-run";
import { StoryError } from "../start/stage";

/** The objects of the lab's cluster that verdicts depend on. */
export async function liveObjects(controlPlane: ControlPlane): Promise<readonly SourcedObject[]> {
  const connection = await connect({ context: labContext, kubeconfig: controlPlane.kubeconfigPath });
  const { objects, problems } = await readLiveObjects(new ApiClient(connection), { cluster: "lab" });
  const hole = problems.find(({ affectsVerdicts }) => affectsVerdicts);
  if (hole) throw new StoryError(`the cluster cannot be read: ${hole.message}`);
  return withoutOwned(objects);
}

/** What these objects allow. */
export function judgeObjects(objects: readonly SourcedObject[]): Reachability {
  return compile(buildSnapshot(objects, { profile: inferProfile(objects) }));
}

/** Previews a stack and computes what the cluster will allow once it is deployed. @throws StoryError where it fails */
export async function expectedReachability(
  stack: Stack,
  controlPlane: ControlPlane,
  signal: AbortSignal,
): Promise<Reachability> {
  const steps: unknown[] = [];
  let ended = false;
  const listen = (event: EngineEvent): void => {
    const metadata = event.resourcePreEvent?.metadata;
    if (metadata) steps.push({ op: metadata.op, urn: metadata.urn, newState: metadata.new });
    if (event.summaryEvent ?? event.cancelEvent) ended = true;
  };
  const preview = await report(signal, (options) =>
    stack.preview({
      ...options,
      onEvent: (event) => {
        options.onEvent(event);
        listen(event);
      },
    }),
  );
  if (!preview.succeeded) throw new StoryError("the preview failed", preview.output);
  // under load the last events may come after the process has ended
  for (let waited = 0; !ended && waited < 3000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20));
  if (!ended) throw new StoryError("the engine's events were cut off: what the preview plans is not known");
  const planned = readPulumiPreview({ steps }, undefined);
  const hole = planned.problems.find(({ affectsVerdicts }) => affectsVerdicts);
  if (hole) throw new StoryError(`the preview cannot be judged: ${hole.message}`);
  return judgeObjects([...(await liveObjects(controlPlane)), ...planned.objects]);
}
