/** A pod for looking about in an emergency: a copy of a workload's, which no production traffic reaches. */
import type { KubeObject } from "../../reachability";
import { controllerLabels } from "../../reachability/model/controller-label-keys";
import { mapOf } from "../../reachability/model/plain";
import { timerLabel } from "../bypass-label";
import { managedByLabel } from "../documents";
import type { BypassStatement } from "./objects";
import { statementAnnotations } from "./objects";

/** What a debug pod is made of. */
export interface DebugPodRequest {
  readonly statement: BypassStatement;
  /** The pods of the workload, as their template has them. */
  readonly template: { readonly metadata?: unknown; readonly spec?: unknown };
  /** Kind of the workload. */
  readonly kind: string;
  /** Keys of labels that policies know the pod by: without them it would be another pod to them. */
  readonly identity: ReadonlySet<string>;
  /** Services of the namespace. */
  readonly services: readonly KubeObject[];
  readonly seconds: number;
}

/** A debug pod without its owners, and what becomes of the Services that select the workload. */
export interface DebugPod {
  readonly pod: KubeObject;
  /** Labels that the pod does not have, so that a Service does not select it. */
  readonly dropped: readonly string[];
  /** Services that select it all the same, by labels that policies know it by. It is never ready, so they send nothing. */
  readonly selectedBy: readonly string[];
  /** Of these, Services that send to pods that are not ready, too (`publishNotReadyAddresses`). */
  readonly reachedBy: readonly string[];
  /** A controller of this kind would take the pod for its own, unless it has another controller. */
  readonly needsController: boolean;
}

/** Never set by anybody: the pod is never ready, and Services send nothing to it. */
const neverReady = "pulumi-cluster-security/break-glass-debug-pod";

/** Kinds whose selector the copy may match: their controllers adopt pods without a controller. */
const adopting: ReadonlySet<string> = new Set(["DaemonSet", "ReplicaSet", "ReplicationController"]);

/** Longest time that the pod may take to end, in seconds. */
const longestGoodbye = 5;

/** The debug pod of a bypass: named like its timer, with the timer's label, and at its end after the same time. */
export function debugPod(request: DebugPodRequest): DebugPod {
  const { statement, template, kind, identity, services, seconds } = request;
  const { timer, namespace } = statement;
  const { labels: own = {}, annotations = {} } = mapOf(template.metadata) as {
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  const given = Object.fromEntries(Object.entries(own).filter(([key]) => !controllerLabels.has(key)));
  const dropped = droppedLabels(given, identity, services);
  const labels = Object.fromEntries(Object.entries(given).filter(([key]) => !dropped.has(key)));
  const selectedBy = services.filter((service) => selects(service, labels));
  return {
    pod: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: timer,
        namespace,
        labels: { ...labels, ...managedByLabel, ...pickManagedBy(labels), [timerLabel]: timer },
        annotations: { ...annotations, ...statementAnnotations(statement) },
      },
      spec: specOf(mapOf(template.spec), seconds),
    },
    dropped: [...dropped].sort(),
    selectedBy: selectedBy.map(nameOf),
    reachedBy: selectedBy.filter(({ spec }) => mapOf(spec)["publishNotReadyAddresses"] === true).map(nameOf),
    needsController: adopting.has(kind),
  };
}

/** A policy may know the pod by who manages it. */
function pickManagedBy(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.keys(managedByLabel).flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])),
  );
}

/** What Services select the pod by, and no policy knows it by. */
function droppedLabels(
  labels: Readonly<Record<string, string>>,
  identity: ReadonlySet<string>,
  services: readonly KubeObject[],
): ReadonlySet<string> {
  return new Set(
    services
      .filter((service) => selects(service, labels))
      .flatMap((service) => Object.keys(selectorOf(service)).filter((key) => !identity.has(key))),
  );
}

function selectorOf({ spec }: KubeObject): Readonly<Record<string, unknown>> {
  return mapOf(mapOf(spec)["selector"]);
}

/** A Service without a selector selects nothing. */
function selects(service: KubeObject, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(selectorOf(service));
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

/** As `kubectl debug --copy-to` does it: without probes, which would end what is looked into, and on any node. */
function specOf(spec: Readonly<Record<string, unknown>>, seconds: number): Readonly<Record<string, unknown>> {
  const { nodeName: _node, hostname: _hostname, ...rest } = spec;
  const containers = listOf(spec["containers"]).map(withoutProbes);
  const initContainers = listOf(spec["initContainers"]).map(withoutProbes);
  const given = listOf(spec["volumes"]).filter(({ name }) => !String(name).startsWith("kube-api-access-"));
  const volumes = [...given, ...claimedVolumes([...containers, ...initContainers], given)];
  const grace = spec["terminationGracePeriodSeconds"];
  return {
    ...rest,
    containers,
    ...(initContainers.length === 0 ? {} : { initContainers }),
    ...(volumes.length === 0 ? {} : { volumes }),
    activeDeadlineSeconds: seconds,
    terminationGracePeriodSeconds: Math.min(typeof grace === "number" ? grace : longestGoodbye, longestGoodbye),
    readinessGates: [{ conditionType: neverReady }],
  };
}

function withoutProbes(container: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { livenessProbe: _liveness, readinessProbe: _readiness, startupProbe: _startup, ...rest } = container;
  const mounts = listOf(container["volumeMounts"]).filter(({ name }) => !String(name).startsWith("kube-api-access-"));
  return container["volumeMounts"] === undefined ? rest : { ...rest, volumeMounts: mounts };
}

/** A StatefulSet's claims are of its own pods: the copy has empty folders in their place. */
function claimedVolumes(
  containers: readonly Readonly<Record<string, unknown>>[],
  volumes: readonly Readonly<Record<string, unknown>>[],
): readonly Readonly<Record<string, unknown>>[] {
  const known = new Set(volumes.map(({ name }) => name));
  const mounted = containers.flatMap(({ volumeMounts }) => listOf(volumeMounts).map(({ name }) => name));
  return [...new Set(mounted.filter((name) => !known.has(name)))].map((name) => ({ name, emptyDir: {} }));
}

function nameOf({ metadata }: KubeObject): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map((item: unknown) => mapOf(item)) : [];
}
