/** A CronJob that audits the cluster it runs in: what it needs, and nothing else. */
import type { KubeObject } from "../reachability";
import { readingRole } from "./role";

export interface AuditCronJobOptions {
  /** The name of all objects. */
  readonly name: string;
  readonly namespace: string;
  /** An image that holds `cluster-security` on its path. */
  readonly image: string;
  /** ConfigMap with the baseline: each key is a file. */
  readonly baselineConfigMap: string;
  /** In the form of cron. */
  readonly schedule: string;
  readonly failOn: string;
}

/** Where the baseline lies in the container. */
const baselineFolder = "/baseline";

/**
 * Service account, role, bindings and CronJob. The pod meets the profile `restricted` of the Pod Security Standards; of the
 * cluster it may get and list. A run that finds drift fails, so that whatever watches failed Jobs tells of it.
 */
export function auditCronJob(options: AuditCronJobOptions): KubeObject[] {
  const { name, namespace, schedule } = options;
  const metadata = { name, namespace, labels: { "app.kubernetes.io/name": name } };
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata, automountServiceAccountToken: false },
    ...readingRole({ name, serviceAccount: { namespace, name }, audit: true }),
    {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata,
      spec: {
        schedule,
        // one after the other: a run that hangs is ended before the next would begin beside it
        concurrencyPolicy: "Forbid",
        startingDeadlineSeconds: 300,
        successfulJobsHistoryLimit: 1,
        failedJobsHistoryLimit: 3,
        jobTemplate: {
          spec: {
            backoffLimit: 0,
            activeDeadlineSeconds: 600,
            template: { metadata: { labels: metadata.labels }, spec: podSpec(options) },
          },
        },
      },
    },
  ];
}

function podSpec({ name, image, baselineConfigMap, failOn }: AuditCronJobOptions): KubeObject["spec"] {
  const command = ["cluster-security", "audit", "--context", "in-cluster", "--baseline", baselineFolder];
  return {
    serviceAccountName: name,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    restartPolicy: "Never",
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65534,
      runAsGroup: 65534,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "audit",
        image,
        command: [...command, "--fail-on", failOn],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "1Gi" } },
        volumeMounts: [{ name: "baseline", mountPath: baselineFolder, readOnly: true }],
      },
    ],
    volumes: [{ name: "baseline", configMap: { name: baselineConfigMap } }],
  };
}
