/**
 * When an object counts as up. Custom resources and policies do as soon as the API server has stored them; workloads
 * when their rollout is done, which can only happen where a node is ready; anything annotated `pulumi.com/waitFor`
 * when its condition holds.
 */
import { evaluateJsonPath, JsonPathError, parseJsonPath } from "./jsonpath";
import { annotationIsTrue, annotationOf, annotations, metadataOf } from "./objects";
import { isPlainMap, type Plain, type PlainMap } from "./properties";

/** Why the object is not up yet, or undefined when it is. A final failure is thrown as {@link FailedForGood}. */
export type Readiness = (object: PlainMap) => string | undefined;

export class FailedForGood extends Error {}

export class WaitForError extends Error {}

function map(value: Plain | undefined): PlainMap {
  return isPlainMap(value) ? value : {};
}

function number(value: Plain | undefined, otherwise = 0): number {
  return typeof value === "number" ? value : otherwise;
}

function conditions(object: PlainMap): PlainMap[] {
  const list = map(object["status"])["conditions"];
  return Array.isArray(list) ? list.filter(isPlainMap) : [];
}

export function conditionStatus(object: PlainMap, type: string): string | undefined {
  const found = conditions(object).find((condition) => condition["type"] === type);
  return found === undefined ? undefined : String(found["status"]);
}

function conditionMessage(object: PlainMap, type: string): string {
  const found = conditions(object).find((condition) => condition["type"] === type);
  const reason = [found?.["reason"], found?.["message"]].filter((part) => typeof part === "string" && part !== "");
  return reason.join(": ");
}

function observed(object: PlainMap): boolean {
  const seen = number(map(object["status"])["observedGeneration"], -1);
  return seen >= number(metadataOf(object)["generation"]);
}

/**
 * Reasons for which @pulumi/kubernetes gives up a Job at once; where one failed for another, such as its podFailurePolicy,
 * it waits for its timeout. The lab does as it does: what hangs there must not look well here.
 */
const finalForJobs = /^(BackoffLimitExceeded|DeadlineExceeded)\b/;

const rollout: Readonly<Record<string, Readiness>> = {
  "apps/v1/Deployment": (object) => {
    const status = map(object["status"]);
    const wanted = number(map(object["spec"])["replicas"], 1);
    if (!observed(object)) return "the controller has not seen the change yet";
    if (conditionStatus(object, "Progressing") === "False") {
      throw new FailedForGood(conditionMessage(object, "Progressing") || "the rollout does not progress");
    }
    if (number(status["updatedReplicas"]) < wanted)
      return `${number(status["updatedReplicas"])} of ${wanted} replicas are updated`;
    if (number(status["replicas"]) > wanted) return `${number(status["replicas"]) - wanted} old replicas still run`;
    const available = number(status["availableReplicas"]);
    return available < wanted ? `${available} of ${wanted} replicas are available` : undefined;
  },
  "apps/v1/StatefulSet": (object) => {
    const status = map(object["status"]);
    const wanted = number(map(object["spec"])["replicas"], 1);
    if (!observed(object)) return "the controller has not seen the change yet";
    if (number(status["readyReplicas"]) < wanted)
      return `${number(status["readyReplicas"])} of ${wanted} replicas are ready`;
    return status["currentRevision"] === status["updateRevision"] ? undefined : "old replicas still run";
  },
  "apps/v1/DaemonSet": (object) => {
    const status = map(object["status"]);
    const wanted = number(status["desiredNumberScheduled"]);
    if (!observed(object)) return "the controller has not seen the change yet";
    if (number(status["updatedNumberScheduled"]) < wanted)
      return `${number(status["updatedNumberScheduled"])} of ${wanted} pods are updated`;
    return number(status["numberAvailable"]) < wanted
      ? `${number(status["numberAvailable"])} of ${wanted} pods are available`
      : undefined;
  },
  "batch/v1/Job": (object) => {
    if (conditionStatus(object, "Complete") === "True") return undefined;
    if (conditionStatus(object, "Failed") === "True") {
      const why = conditionMessage(object, "Failed") || "the job failed";
      if (finalForJobs.test(why)) throw new FailedForGood(why);
      return why;
    }
    return map(object["spec"])["suspend"] === true ? undefined : "the job is not complete";
  },
  "v1/Pod": (object) => {
    const phase = map(object["status"])["phase"];
    if (phase === "Succeeded" || conditionStatus(object, "Ready") === "True") return undefined;
    if (phase === "Failed")
      throw new FailedForGood(`the pod failed: ${String(map(object["status"])["reason"] ?? "no reason given")}`);
    return (
      conditionMessage(object, "Ready") ||
      conditionMessage(object, "PodScheduled") ||
      `the pod is ${String(phase ?? "new")}`
    );
  },
  "v1/Service": (object) => {
    if (map(object["spec"])["type"] !== "LoadBalancer") return undefined;
    const ingress = map(map(object["status"])["loadBalancer"])["ingress"];
    return Array.isArray(ingress) && ingress.length > 0 ? undefined : "no address has been given to the load balancer";
  },
};

/** Stored is not enough for a CustomResourceDefinition: objects of its kind must be served. Needs no node. */
const definition: Readiness = (object) => {
  if (conditionStatus(object, "NamesAccepted") === "False") {
    throw new FailedForGood(conditionMessage(object, "NamesAccepted"));
  }
  return conditionStatus(object, "Established") === "True" ? undefined : "it is not established yet";
};

function typeKey(object: PlainMap): string {
  return `${String(object["apiVersion"])}/${String(object["kind"])}`;
}

/** Whether the rollout of this kind is awaited at all (where nodes are ready). */
export function isRolledOut(object: PlainMap): boolean {
  return typeKey(object) in rollout;
}

export function rolloutReadiness(object: PlainMap): Readiness | undefined {
  return rollout[typeKey(object)];
}

export function definitionReadiness(object: PlainMap): Readiness | undefined {
  return object["kind"] === "CustomResourceDefinition" ? definition : undefined;
}

export function skipsAwait(object: PlainMap): boolean {
  return annotationIsTrue(object, annotations.skipAwait);
}

/**
 * Reads `pulumi.com/waitFor`: `condition=Ready`, `condition=Ready=False`, `jsonpath={.status.phase}=Running`,
 * `jsonpath={.status.address}` (present), or a JSON list of those, all of which must hold.
 * Throws {@link WaitForError} where it is not understood: an unclear condition must not count as met.
 */
export function waitForReadiness(object: PlainMap): Readiness | undefined {
  const text = annotationOf(object, annotations.waitFor);
  if (text === undefined) return undefined;
  const parts = waitForParts(text).map(readinessOf);
  return (current) => parts.map((part) => part(current)).find((reason) => reason !== undefined);
}

function waitForParts(text: string): string[] {
  if (!text.trim().startsWith("[")) return [text.trim()];
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw new WaitForError(`${annotations.waitFor}: ${JSON.stringify(text)} is not a JSON list`);
  }
  if (!Array.isArray(list) || list.length === 0 || !list.every((item) => typeof item === "string")) {
    throw new WaitForError(`${annotations.waitFor}: ${JSON.stringify(text)} must be a list of texts`);
  }
  return list as string[];
}

function readinessOf(text: string): Readiness {
  const condition = /^condition=([^=\s]+)(?:=(.+))?$/.exec(text);
  if (condition) {
    const [, type = "", wanted = "True"] = condition;
    return (object) => {
      const status = conditionStatus(object, type);
      if (status?.toLowerCase() === wanted.toLowerCase()) return undefined;
      return `condition ${type} is ${status ?? "absent"}, not ${wanted}`;
    };
  }
  const jsonpath = /^jsonpath=(\{.*\}|[^={]+)(?:=(.*))?$/.exec(text);
  if (!jsonpath)
    throw new WaitForError(`${annotations.waitFor}: ${JSON.stringify(text)} is neither condition=… nor jsonpath=…`);
  const [, path = "", quoted] = jsonpath;
  const wanted = quoted?.replace(/^(['"])(.*)\1$/, "$2");
  let steps: ReturnType<typeof parseJsonPath>;
  try {
    steps = parseJsonPath(path);
  } catch (error) {
    if (error instanceof JsonPathError) throw new WaitForError(`${annotations.waitFor}: ${error.message}`);
    throw error;
  }
  return (object) => {
    const found = evaluateJsonPath(steps, object);
    if (found.length > 0 && (wanted === undefined || found.every((value) => asText(value) === wanted)))
      return undefined;
    return wanted === undefined
      ? `${path} is absent`
      : `${path} is ${found.map(asText).join(", ") || "absent"}, not ${wanted}`;
  };
}

function asText(value: Plain): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/** Seconds to wait: the resource's customTimeouts, else its `pulumi.com/timeoutSeconds`, else `otherwise`. */
export function timeoutSeconds(customTimeout: number, object: PlainMap, otherwise: number): number {
  if (customTimeout > 0) return customTimeout;
  const annotated = Number(annotationOf(object, annotations.timeoutSeconds));
  return annotated > 0 ? annotated : otherwise;
}
