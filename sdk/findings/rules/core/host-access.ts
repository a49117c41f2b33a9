import type { Workload } from "../../../reachability";
import { isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import type { Fields } from "../../plain";
import { listOf, mapOf } from "../../plain";
import { containersOf, podSpecOf } from "../../pod-specs";
import { findingOf } from "../../report";
import { describeWorkload, isExempt, sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Pods that policies cannot hold: on the host network a pod is the node to every enforcer, and a privileged container,
 * or one that may administer the network, can leave its own network namespace.
 */
export const hostAccess: Rule = {
  id: "host-access",
  title: "A workload can bypass pod policies",
  severity: "medium",
  why: "To the CNI a pod on the host network is the node, and a privileged container can leave its own network namespace.",
  description:
    "No workload outside tier 0 is on the host network, shares the host's processes or memory, mounts a directory of the " +
    "host, is privileged, or adds the capabilities NET_ADMIN, NET_RAW, SYS_ADMIN, SYS_PTRACE or ALL.",
  remediation: "Remove the privilege, or move the workload to a namespace of the platform.",
  controls: [controls.cisMinimiseHostNetwork, controls.nsaHostNetwork, controls.nistLeastPrivilege],
  check: checkHostAccess,
};

const powerful: ReadonlySet<string> = new Set([
  "NET_ADMIN",
  "NET_RAW",
  "SYS_ADMIN",
  "SYS_PTRACE",
  "ALL",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_SYS_ADMIN",
  "CAP_SYS_PTRACE",
]);

/** What a field says, or that it cannot be told. */
interface Reason {
  readonly text: string;
  readonly certain: boolean;
}

function* checkHostAccess(context: RuleContext): Iterable<Finding> {
  for (const workload of sortedWorkloads(context.reachability.snapshot)) {
    if (isExempt(context.tiers, workload.namespace)) continue;
    const all = reasonsOf(workload);
    const certain = all.filter((reason) => reason.certain);
    const reasons = certain.length > 0 ? certain : all;
    if (reasons.length === 0) continue;
    const can = certain.length > 0 ? "can" : "can possibly";
    yield findingOf(hostAccess, {
      subject: workloadSubject(workload),
      certainty: certain.length > 0 ? "definite" : "possible",
      message: `${describeWorkload(workload, context.standIns)} ${can} bypass pod policies`,
      because: reasons.map(({ text }) => text),
    });
  }
}

function reasonsOf(workload: Workload): Reason[] {
  const spec = podSpecOf(workload);
  return [
    ...flag(spec["hostNetwork"], "hostNetwork", "to policies the pod is the node"),
    ...flag(spec["hostPID"], "hostPID", "the pod sees the node's processes and their networks"),
    ...flag(spec["hostIPC"], "hostIPC", "the pod shares memory with the node's processes"),
    ...unreadable(spec["volumes"], "volumes"),
    ...listOf(spec["volumes"]).flatMap((volume, index) => hostPathOf(volume, `volumes[${index}]`)),
    ...["containers", "initContainers", "ephemeralContainers"].flatMap((list) => [
      ...unreadable(spec[list], list),
      ...listOf(spec[list]).flatMap((container, index) => unknownItem(container, `${list}[${index}]`)),
    ]),
    ...containersOf(workload).flatMap(({ path, fields }) => containerReasons(fields, `${path}.securityContext`)),
  ];
}

/** A switch that is on; one that is neither true nor false cannot be told. */
function flag(value: unknown, path: string, consequence: string): Reason[] {
  if (value === undefined || value === null || value === false) return [];
  return value === true
    ? [{ text: `${path} is true: ${consequence}`, certain: true }]
    : [{ text: `${path} is not known yet, or neither true nor false`, certain: false }];
}

function unreadable(value: unknown, path: string): Reason[] {
  if (value === undefined || value === null || Array.isArray(value)) return [];
  return [{ text: `${path} is not known yet, or no list`, certain: false }];
}

/** Something that should be a map. */
function unknownItem(item: unknown, path: string): Reason[] {
  if (item === undefined || item === null) return [];
  if (typeof item === "object" && !Array.isArray(item) && !isUnknown(item)) return [];
  return [{ text: `${path} is not known yet, or no map`, certain: false }];
}

function hostPathOf(volume: unknown, path: string): Reason[] {
  const hostPath = mapOf(volume)["hostPath"];
  const unreadableVolume = unknownItem(volume, path);
  if (unreadableVolume.length > 0) return unreadableVolume;
  if (hostPath === undefined || hostPath === null) return [];
  return [{ text: `${path}.hostPath mounts a directory of the node`, certain: !isUnknown(hostPath) }];
}

function containerReasons(container: Fields, path: string): Reason[] {
  const unreadableContext = unknownItem(container["securityContext"], path);
  if (unreadableContext.length > 0) return unreadableContext;
  const context = mapOf(container["securityContext"]);
  const capabilities = mapOf(context["capabilities"]);
  const added = listOf(capabilities["add"]).filter(
    (name): name is string => typeof name === "string" && powerful.has(name.toUpperCase()),
  );
  const unclear =
    unknownItem(context["capabilities"], path).length > 0 ||
    unreadable(capabilities["add"], path).length > 0 ||
    listOf(capabilities["add"]).some((name) => typeof name !== "string" || isUnknown(name));
  return [
    ...flag(context["privileged"], `${path}.privileged`, "the container can do what the node can"),
    ...(added.length === 0
      ? []
      : [
          { text: `${path}.capabilities.add has ${added.map((name) => name.toUpperCase()).join(", ")}`, certain: true },
        ]),
    ...(unclear ? [{ text: `${path}.capabilities is not known yet, or cannot be read`, certain: false }] : []),
  ];
}
