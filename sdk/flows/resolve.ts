/** Whom the engine is asked about for a recorded end: by labels, else by name. */
import type { Peer, Snapshot, Workload } from "../reachability";
import { withoutControllerLabels } from "../reachability";
import type { RecordedEnd, RecordedPod } from "./record";

/** The ends that a recorded one may be: where there are several, the record does not tell them apart. */
export interface ResolvedEnd {
  readonly peers: readonly Peer[];
  /** Found by a name and not by labels. */
  readonly byName: boolean;
}

/** @returns A sentence where nobody can be asked about. */
export function resolveEnd(end: RecordedEnd, snapshot: Snapshot): ResolvedEnd | string {
  switch (end.kind) {
    case "pod":
      return resolvePod(end, snapshot);
    case "address":
      return { peers: [{ kind: "address", address: end.address }], byName: false };
    case "node":
      return {
        peers: [{ kind: "node", where: end.where, ...(end.address === undefined ? {} : { address: end.address }) }],
        byName: false,
      };
    case "kubeApiserver":
      return {
        peers: [{ kind: "kubeApiserver", ...(end.address === undefined ? {} : { address: end.address }) }],
        byName: false,
      };
    case "ingressProxy":
      return "Cilium's ingress proxy";
    case "unresolvable":
      return end.name;
  }
}

function resolvePod(pod: RecordedPod, snapshot: Snapshot): ResolvedEnd | string {
  const here = snapshot.workloads.filter(({ namespace, hostNetwork }) => namespace === pod.namespace && !hostNetwork);
  const named = here.filter((workload) => isNamed(pod, workload));
  const { labels } = pod;
  if (labels === undefined) {
    if (named.length > 0) return { peers: named.map(peerOf), byName: true };
    return `${pod.namespace}/${pod.workload ?? pod.pod ?? "a pod without name"}: its labels are not recorded, and no workload has its name`;
  }
  const fitting = here.filter((workload) => fits(labels, pod.sharedLabels === true, workload));
  const both = fitting.filter((workload) => named.includes(workload));
  const found = both.length > 0 ? both : fitting;
  if (found.length > 0) return { peers: found.map(peerOf), byName: false };
  if (pod.sharedLabels === true) {
    return `${pod.namespace}/${pod.pod ?? "a pod without name"}: no workload has the labels that its record shares with others`;
  }
  // gone since, or labelled by hand: policies see the labels
  return {
    peers: [
      {
        kind: "freshPod",
        namespace: pod.namespace,
        labels: withoutControllerLabels(labels),
        ...(pod.serviceAccount === undefined ? {} : { serviceAccount: pod.serviceAccount }),
      },
    ],
    byName: false,
  };
}

function peerOf({ id }: Workload): Peer {
  return { kind: "workload", id };
}

/** Whether a pod of the workload may have been recorded with these labels: with all of its own, or with what it shares. */
function fits(recorded: Readonly<Record<string, string>>, shared: boolean, { labels }: Workload): boolean {
  const holds = (all: Readonly<Record<string, string>>, some: Readonly<Record<string, string>>): boolean =>
    Object.entries(withoutControllerLabels(some)).every(([key, value]) => all[key] === value);
  return holds(labels, recorded) && (shared || holds(recorded, labels));
}

/** `web` of the pods `web-5d4b9c7f6d-abcde` and `web-0`, and of what Calico writes: `web-5d4b9c7f6d-*`, `db-*`. */
function isNamed({ workload, pod }: RecordedPod, { name, kind }: Workload): boolean {
  if (workload !== undefined) return workload === name;
  if (pod === undefined) return false;
  const rest = pod.startsWith(name) ? pod.slice(name.length) : undefined;
  if (rest === undefined) return false;
  if (rest === "") return true;
  return kind === "StatefulSet"
    ? /^-(?:\d+|\*)$/.test(rest)
    : /^(?:-[a-z0-9]{1,10})?-(?:[a-z0-9]{5}|\*)$/.test(rest) || /^-\*$/.test(rest);
}
