import type { ClusterNode } from "./node";
import type { Container, Pod } from "./objects";

type Status = Record<string, unknown>;

function condition(type: string, holds: boolean, at: string): Status {
  return { type, status: holds ? "True" : "False", lastTransitionTime: at, lastProbeTime: null };
}

function addresses(node: ClusterNode, address: string, at: string): Status {
  return {
    hostIP: node.address,
    hostIPs: [{ ip: node.address }],
    podIP: address,
    podIPs: [{ ip: address }],
    startTime: at,
  };
}

/** A container as a kubelet reports it. No image is ever pulled: the lab answers in its place. */
function container({ name, image = "" }: Container, state: Status, running: boolean): Status {
  return { name, image, imageID: "", restartCount: 0, ready: running, started: running, state };
}

function ended(exitCode: number, at: string, message?: string): Status {
  const reason = exitCode === 0 ? "Completed" : "Error";
  return { terminated: { exitCode, reason, startedAt: at, finishedAt: at, ...(message ? { message } : {}) } };
}

/**
 * The status of a pod that runs and answers; with `listens` false one whose containers are not ready yet. A pod with
 * readiness gates is not ready: nobody here sets their conditions.
 */
export function runningStatus(pod: Pod, node: ClusterNode, address: string, at = timestamp(), listens = true): Status {
  const gated = (pod.spec.readinessGates ?? []).length > 0;
  return {
    phase: "Running",
    ...addresses(node, address, at),
    conditions: [
      ...["PodScheduled", "PodReadyToStartContainers", "Initialized"].map((type) => condition(type, true, at)),
      condition("ContainersReady", listens, at),
      condition("Ready", listens && !gated, at),
    ],
    initContainerStatuses: (pod.spec.initContainers ?? []).map((each) => container(each, ended(0, at), false)),
    containerStatuses: pod.spec.containers.map((each) => container(each, { running: { startedAt: at } }, listens)),
  };
}

/** The status of a pod whose containers have ended, all of them with the same exit code. */
export function endedStatus(
  pod: Pod,
  node: ClusterNode,
  address: string,
  result: { readonly exitCode: number; readonly message?: string },
  at = timestamp(),
): Status {
  const { exitCode, message } = result;
  return {
    phase: exitCode === 0 ? "Succeeded" : "Failed",
    ...addresses(node, address, at),
    conditions: [
      ...["PodScheduled", "Initialized"].map((type) => condition(type, true, at)),
      ...["ContainersReady", "Ready"].map((type) => condition(type, false, at)),
    ],
    containerStatuses: pod.spec.containers.map((each) => container(each, ended(exitCode, at, message), false)),
  };
}

/** The status of a pod that no node takes. */
export function unschedulableStatus(message: string, at = timestamp()): Status {
  return {
    phase: "Pending",
    conditions: [{ ...condition("PodScheduled", false, at), reason: "Unschedulable", message }],
  };
}

/** Kubernetes takes times in whole seconds. */
function timestamp(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, "Z");
}
