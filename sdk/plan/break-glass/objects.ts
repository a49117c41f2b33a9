/** The objects of an open bypass: its timer, and the policies that the timer owns. */
import { bypassAnnotations, timerLabel } from "../bypass-label";
import type { KubeObject } from "../../reachability";
import { managedByLabel } from "../documents";
import type { GrantedPolicy } from "./grants";
import { timerPlaceholder, timerPrefix } from "./grants";

/** What a bypass states about itself. */
export interface BypassStatement {
  /** Name of the timer. */
  readonly timer: string;
  readonly namespace: string;
  /** Whose pods it is for: `shop/api`, or `namespace shop`. */
  readonly of: string;
  readonly owner: string;
  readonly reason: string;
  /** The user that opens it, as the API server knows them. */
  readonly requester: string;
}

/** The name of a new timer. @param random 8 to 16 lower-case letters and digits */
export function timerName(grant: string, random: string): string {
  return `${timerPrefix}${grant}-${random}`;
}

/**
 * The timer: a Job that runs no pod and fails at its deadline. Its deletion, at once by the TTL controller, takes the
 * policies that it owns along. Nothing of ours has to run for that. The template is only there because a Job has one.
 */
export function timerJob(statement: BypassStatement, seconds: number): KubeObject {
  const { timer, namespace } = statement;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: timer,
      namespace,
      labels: { ...managedByLabel, [timerLabel]: timer },
      annotations: statementAnnotations(statement),
    },
    spec: timerSpec(seconds),
  };
}

/** What a bypass states, as annotations of its parts. */
export function statementAnnotations(statement: BypassStatement): Readonly<Record<string, string>> {
  const { of, owner, reason, requester } = statement;
  return {
    [bypassAnnotations.of]: of,
    [bypassAnnotations.owner]: owner,
    [bypassAnnotations.reason]: reason,
    [bypassAnnotations.requester]: requester,
  };
}

/** A Job that ends by its deadline alone, and goes with its end. */
function timerSpec(seconds: number): Readonly<Record<string, unknown>> {
  const restricted = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true };
  return {
    parallelism: 0,
    activeDeadlineSeconds: seconds,
    ttlSecondsAfterFinished: 0,
    template: {
      spec: {
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: "never-started",
            image: "none.invalid/never-started:0",
            resources: { requests: { cpu: "1m", memory: "1Mi" }, limits: { cpu: "1m", memory: "1Mi" } },
            securityContext: restricted,
          },
        ],
      },
    },
  };
}

/** The owner that ends an object of a bypass with its timer. @param uid Of the timer */
export function timerOwner(timer: string, uid: string): Readonly<Record<string, string>> {
  return { apiVersion: "batch/v1", kind: "Job", name: timer, uid };
}

/**
 * A policy of an open bypass, owned by its timer.
 *
 * @param uid Of the timer.
 * @param until When it ends, RFC 3339 in UTC with whole seconds.
 */
export function bypassPolicy(
  statement: BypassStatement,
  policy: GrantedPolicy,
  uid: string,
  until: string,
): KubeObject {
  const { timer, namespace } = statement;
  const annotations = { ...statementAnnotations(statement), [bypassAnnotations.until]: until };
  return ownedPolicy(policy, timer, uid, { namespace, labels: { [timerLabel]: timer }, annotations });
}

/** Names of what an update tries the end of bypasses with: no timers, and no bypasses to their guards. */
const trialPrefix = "trial-of-break-glass-";

/** On what an update tries the end with: its name. */
const trialLabel = "pulumi-cluster-security/break-glass-trial";

/** The name of a trial. @param random Lower-case letters and digits */
export function trialName(random: string): string {
  return `${trialPrefix}${random}`;
}

/** The timer of a trial: like that of a bypass, for 30 seconds. */
export function trialJob(namespace: string, name: string): KubeObject {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace, labels: { ...managedByLabel, [trialLabel]: name } },
    spec: timerSpec(trialSeconds),
  };
}

/** So long the timer of a trial runs. */
export const trialSeconds = 30;

/**
 * What the timer of a trial owns: an object of the kind that a bypass is written in, with the same content. It selects pods with
 * the trial's name in the label of timers. No pod has it, and only members of the groups of a grant could put it there.
 *
 * @param uid Of the timer.
 */
export function trialPolicy(namespace: string, name: string, policy: GrantedPolicy, uid: string): KubeObject {
  return ownedPolicy(policy, name, uid, { namespace, labels: { [trialLabel]: name } });
}

/** A policy named after the timer that owns it, with the timer's name where its content has a place for it. */
function ownedPolicy(
  { apiVersion, kind, namePrefix = "", spec }: GrantedPolicy,
  timer: string,
  uid: string,
  { namespace, labels, ...rest }: Pick<NonNullable<KubeObject["metadata"]>, "namespace" | "labels" | "annotations">,
): KubeObject {
  return {
    apiVersion,
    kind,
    metadata: {
      name: `${namePrefix}${timer}`,
      namespace,
      labels: { ...managedByLabel, ...labels },
      ...rest,
      ownerReferences: [timerOwner(timer, uid)],
    },
    spec: filled(spec, timer),
  };
}

/** The data with the timer's name where it goes. */
function filled<T>(value: T, timer: string): T {
  if (typeof value === "string") return value.replaceAll(timerPlaceholder, timer) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => filled(item, timer)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item as unknown, timer)])) as T;
}
