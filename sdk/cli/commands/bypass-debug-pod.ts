/** A pod that is made for a bypass, in place of labels on pods of production. */
import type { BypassStatement, DebugPod } from "../../plan";
import { debugPod, timerLabel } from "../../plan";
import { buildSnapshot, compile, isPolicy, podTemplateOf, type Workload } from "../../reachability";
import { CliError, usageError } from "../errors";
import { exitCodes } from "../exit-codes";
import type { Loaded } from "../snapshot";
import { hasLabels } from "./bypass-paths";

type Labels = Readonly<Record<string, string>>;

/**
 * A copy of the workload's pods for a bypass.
 *
 * @param about Labels that the grant selects pods by, and those of the pods that were asked for.
 * @throws CliError where there is no such workload, or where its copy would get production traffic.
 */
export function debugPodOf(
  { objects, snapshot }: Loaded,
  workload: string | undefined,
  statement: BypassStatement,
  about: { readonly granted: Labels; readonly labels: Labels },
  seconds: number,
): DebugPod {
  const { namespace, of } = statement;
  if (workload === undefined) throw usageError(`--debug-pod: name a workload: ${namespace}/NAME`);
  const found = copied(snapshot.workloads, namespace, workload, about.labels);
  if (found === undefined) {
    throw new CliError(`--debug-pod: the cluster has no workload of ${of} whose pods could be copied`, exitCodes.no);
  }
  if (found.hostNetwork || found.hostNetworkUnknown) {
    throw new CliError(`--debug-pod: pods of ${found.id} use the host network, where no policy applies`, exitCodes.no);
  }
  const template = podTemplateOf(found.object);
  if (template === undefined || /kubevirt\.io/.test(found.object.apiVersion)) {
    throw new CliError(`--debug-pod: ${found.id} has no template of a pod`, exitCodes.no);
  }
  const identity = new Set([...Object.keys(about.granted), ...keysInPolicies(objects, Object.keys(found.labels))]);
  const services = objects
    .map(({ object }) => object)
    .filter(
      ({ kind, apiVersion, metadata }) =>
        kind === "Service" && apiVersion === "v1" && metadata?.namespace === namespace,
    );
  const made = debugPod({ statement, template, kind: found.kind, identity, services, seconds });
  if (made.reachedBy.length === 0) return made;
  const names = made.reachedBy.join(", ");
  throw new CliError(
    `--debug-pod: ${names} would send production traffic to the copy: it selects pods by labels that policies know them by, ` +
      "and sends to pods that are not ready, too (publishNotReadyAddresses). Open a running pod with --pod.",
    exitCodes.no,
  );
}

/** Which keys of labels policies name, in whatever way their API writes them: `app`, `k8s:app`, `app == 'api'`. */
function keysInPolicies(objects: Loaded["objects"], keys: readonly string[]): readonly string[] {
  const policies = objects.filter(({ object }) => isPolicy(object.apiVersion, object.kind));
  const text = JSON.stringify(policies.map(({ object }) => [object.spec, object["specs"]]));
  const isNamed = (key: string): boolean =>
    new RegExp(`(^|[^\\w./-])${key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}([^\\w./-]|$)`).test(text);
  return keys.filter(isNamed);
}

/** The workload whose pods are copied: of that name, otherwise any that makes pods with the labels. */
function copied(workloads: readonly Workload[], namespace: string, name: string, labels: Labels): Workload | undefined {
  const own = workloads.filter((one) => hasLabels(one, namespace, labels));
  return own.find((one) => one.name === name) ?? own[0];
}

/** The cluster with the copy in it, before it is opened. */
export function withDebugPod(loaded: Loaded, { pod }: DebugPod): Loaded {
  const { [timerLabel]: _timer, ...labels } = pod.metadata?.labels ?? {};
  const closed = { ...pod, metadata: { ...pod.metadata, labels } };
  const objects = [...loaded.objects, { object: closed }];
  const snapshot = buildSnapshot(objects, { profile: loaded.snapshot.profile });
  return { ...loaded, objects, snapshot, reachability: compile(snapshot) };
}

/** What is said of a debug pod before it is made. */
export function describeDebugPod({ dropped, selectedBy }: DebugPod): string[] {
  return [
    ...(dropped.length === 0 ? [] : [`It has no label ${dropped.join(", ")}, so that no Service selects it.`]),
    ...(selectedBy.length === 0
      ? []
      : [
          `${selectedBy.join(", ")}: selects it by labels that policies know it by. It is never ready, so nothing is sent to it.`,
        ]),
  ];
}
