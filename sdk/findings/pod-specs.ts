import type { Workload } from "../reachability";
import type { Fields } from "./plain";
import { listOf, mapOf } from "./plain";

/** The pod's spec: of a Pod its own, of a CronJob that of its job's template, of the others that of their template. */
export function podSpecOf(workload: Workload): Fields {
  return mapOf(templateOf(workload)["spec"]);
}

function templateOf(workload: Workload): Fields {
  const { object } = workload;
  if (workload.kind === "Pod") return object;
  const spec = mapOf(object.spec);
  const holder = workload.kind === "CronJob" ? mapOf(mapOf(spec["jobTemplate"])["spec"]) : spec;
  return mapOf(holder["template"]);
}

/** A container with its path below the pod's spec, `initContainers[0]`. */
export interface Container {
  readonly path: string;
  readonly fields: Fields;
}

/** The containers of a pod, in the order of their lists. */
export function containersOf(workload: Workload): Container[] {
  const spec = podSpecOf(workload);
  return ["containers", "initContainers", "ephemeralContainers"].flatMap((list) =>
    listOf(spec[list]).map((container, index) => ({ path: `${list}[${index}]`, fields: mapOf(container) })),
  );
}
