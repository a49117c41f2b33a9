/** The objects that verification creates in a cluster: Jobs whose pods listen or probe, and the canary's own namespace. */
import type { KubeObject } from "../../reachability";
import { controllerLabels } from "../../reachability/model/controller-label-keys";
import type { ProberSettings } from "./protocol";
import { reportPath, reportVariable, settingsVariable } from "./protocol";
import { listeningScript, proberScript } from "./script";

/** Label of every object that verification creates; its value is the run. */
export const runLabel = "pulumi-cluster-security/verify";

/** Annotation of the canary's namespace: after this moment (ISO 8601) it is a leftover, which the next run removes. */
export const untilAnnotation = "pulumi-cluster-security/verify-until";

/**
 * A condition that nobody ever sets: a pod that waits for it is never ready, so no Service sends it traffic (Pod v1,
 * readinessGates).
 */
export const neverReady = "pulumi-cluster-security/never-ready";

/** What runs in the pods. */
export interface ProberImage {
  /** An image with Node.js 18 or later. */
  readonly image: string;
  /** The program in it. Default `node`. */
  readonly command?: string;
  /** Names of secrets for pulling it, in every namespace in which pods are made. Default: those of the service account. */
  readonly pullSecrets?: readonly string[];
}

/** The image that is used where none is named. */
export const defaultProberImage = "node:22-alpine";

/** For whom a pod of the prober stands. */
export interface StandsFor {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** The ports, so that policies find them by name. */
  readonly ports: readonly ProberPort[];
}

export interface ProberPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
}

/** The container: the prober with its settings, as little as it needs, nothing that it may do. */
export function proberContainer(
  name: string,
  { image, command = "node" }: ProberImage,
  settings: ProberSettings,
  ports: readonly ProberPort[] = [],
): Record<string, unknown> {
  const named = new Set<string>();
  return {
    name,
    image,
    command: [command, "-e", proberScript],
    env: [
      { name: settingsVariable, value: JSON.stringify(settings) },
      { name: reportVariable, value: reportPath },
    ],
    ports: ports.map(({ name: portName, port, protocol }) => {
      // a name may occur once in a container
      const fresh = portName !== undefined && !named.has(portName);
      if (portName !== undefined) named.add(portName);
      return { ...(fresh ? { name: portName } : {}), containerPort: port, protocol };
    }),
    ...(settings.ready === undefined
      ? {}
      : {
          // asked until it listens and never again: a Node.js each second is too much for a pod that stays
          startupProbe: {
            exec: { command: [command, "-e", listeningScript(settings.ready)] },
            periodSeconds: 1,
            timeoutSeconds: 5,
            failureThreshold: 120,
          },
        }),
    terminationMessagePath: reportPath,
    terminationMessagePolicy: "File",
    resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "128Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
}

/** What all pods of the prober have in common. Fits the Pod Security Standard `restricted`. */
export function proberPodSpec(container: Record<string, unknown>): Record<string, unknown> {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 1,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65534,
      runAsGroup: 65534,
      seccompProfile: { type: "RuntimeDefault" },
      // it listens on whatever port the workload does, 80 included
      sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
    },
    containers: [container],
  };
}

/** Sidecars would answer in the prober's place, and keep its Job from ending. */
export const withoutSidecars: Readonly<Record<string, string>> = {
  "sidecar.istio.io/inject": "false",
  "linkerd.io/inject": "disabled",
};

/**
 * A Job with one pod that stands for a workload. A Job, because it ends by itself and takes its pod with it, even where
 * whoever made it was killed; and because a pod that has a controller is adopted by no ReplicaSet or StatefulSet whose
 * selector it matches.
 */
export function proberJob(
  run: string,
  name: string,
  standsFor: StandsFor,
  image: ProberImage,
  settings: ProberSettings,
): KubeObject {
  const { namespace, serviceAccount, ports } = standsFor;
  // without those of controllers it does not look as if it belonged to one
  const labels = Object.fromEntries(Object.entries(standsFor.labels).filter(([key]) => !controllerLabels.has(key)));
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      namespace,
      labels: { "app.kubernetes.io/managed-by": "pulumi-cluster-security", [runLabel]: run },
    },
    spec: {
      backoffLimit: 0,
      // 30 s more than the prober takes by itself at the most
      activeDeadlineSeconds: settings.deadline + 30,
      ttlSecondsAfterFinished: 60,
      template: {
        metadata: { labels, annotations: { ...withoutSidecars, [runLabel]: run } },
        spec: {
          ...proberPodSpec(proberContainer("prober", image, settings, ports)),
          restartPolicy: "Never",
          nodeSelector: { "kubernetes.io/os": "linux" },
          serviceAccountName: serviceAccount,
          readinessGates: [{ conditionType: neverReady }],
          ...(image.pullSecrets ? { imagePullSecrets: image.pullSecrets.map((secret) => ({ name: secret })) } : {}),
        },
      },
    },
  };
}

/** The name of a run's Job. */
export function jobNameOf(run: string, what: "listen" | "probe", number: number): string {
  return `cluster-security-${run}-${what}-${number}`;
}

/** Whether a workload is such a Job: of a run that was killed, or that goes on beside this one. */
export function isProbeJob({ kind, name }: { readonly kind: string; readonly name: string }): boolean {
  return kind === "Job" && /^cluster-security-[0-9a-f]{8}-(listen|probe)-\d+$/.test(name);
}

/** The canary's namespace. */
export function canaryNamespace(run: string, until: Date): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: `cluster-security-canary-${run}`,
      labels: {
        "app.kubernetes.io/managed-by": "pulumi-cluster-security",
        [runLabel]: run,
        "pod-security.kubernetes.io/enforce": "restricted",
      },
      annotations: { [untilAnnotation]: until.toISOString() },
    },
  };
}

/** Opens or closes the canary's namespace altogether. A clusterwide default deny may hold it too, hence the first. */
export function canaryPolicy(namespace: string, which: "allow-all" | "deny-all"): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: which, namespace },
    spec: {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ...(which === "allow-all" ? { ingress: [{}], egress: [{}] } : {}),
    },
  };
}
