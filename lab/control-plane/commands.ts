import path from "node:path";
import type { Credentials } from "./credentials";
import type { Command } from "./protocol";

/** Where things lie in a data folder. Paths without a folder are relative to it, each process runs there. */
export interface Layout {
  readonly dataDir: string;
  readonly logs: string;
  /** Serving certificate and key, made by kube-apiserver at its first start. */
  readonly certificates: string;
  readonly certificateAuthority: string;
  /** For the user of the lab. */
  readonly kubeconfig: string;
  readonly managerKubeconfig: string;
  /** The port of the last run, so that kubeconfigs in other hands stay valid. */
  readonly portFile: string;
  /** Requests by the API server's own account, JSON lines, where they are kept; and what is kept of them. */
  readonly auditLog: string;
  readonly auditPolicy: string;
}

export function layoutOf(dataDir: string): Layout {
  const certificates = path.join(dataDir, "certificates");
  return {
    dataDir,
    logs: path.join(dataDir, "logs"),
    certificates,
    certificateAuthority: path.join(certificates, "apiserver.crt"),
    kubeconfig: path.join(dataDir, "kubeconfig"),
    managerKubeconfig: path.join(dataDir, "controller-manager.kubeconfig"),
    portFile: path.join(dataDir, "port"),
    auditLog: path.join(dataDir, "logs", "audit.log"),
    auditPolicy: path.join(dataDir, "audit-policy.json"),
  };
}

/** Only what a program needs to run: an ETCD_… or KUBE… variable of the user must not steer the lab. */
export function bareEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "TMPDIR", "LANG", "SYSTEMROOT"]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

const socket = "etcd.sock";

/**
 * etcd on Unix sockets inside the data folder, so that no other user of the machine reaches the store; the advertised
 * addresses are never dialled by a single member. fsync is off: a power cut may cost the lab's data, a kill does not.
 */
export function etcdCommand(program: string, layout: Layout): Command {
  return {
    name: "etcd",
    path: program,
    args: [
      "--name=lab",
      "--data-dir=etcd",
      "--unsafe-no-fsync",
      "--log-level=warn",
      `--listen-client-urls=unix://${socket}`,
      "--advertise-client-urls=http://localhost:1",
      "--listen-peer-urls=unix://etcd-peer.sock",
      "--initial-advertise-peer-urls=http://localhost:2",
      "--initial-cluster=lab=http://localhost:2",
    ],
    env: bareEnvironment(),
    log: path.join(layout.logs, "etcd.log"),
  };
}

/** What the API server writes of requests: who, what, which object, with which answer; no bodies, which may hold secrets. */
export const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata" }],
} as const;

/** kube-apiserver on loopback: bearer tokens only, nothing anonymous, RBAC. */
export function apiServerCommand(
  program: string,
  layout: Layout,
  options: {
    port: number;
    credentials: Credentials;
    serviceCidr: string;
    hasControllerManager: boolean;
    /** Every request is written to {@link Layout.auditLog}. */
    auditLog: boolean;
    extraArgs: readonly string[];
  },
): Command {
  return {
    name: "kube-apiserver",
    path: program,
    args: [
      `--etcd-servers=unix://${socket}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--secure-port=${options.port}`,
      `--cert-dir=${layout.certificates}`,
      "--anonymous-auth=false",
      "--authorization-mode=RBAC",
      `--token-auth-file=${options.credentials.tokenFile}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${options.credentials.serviceAccountKey}`,
      `--service-account-signing-key-file=${options.credentials.serviceAccountKey}`,
      `--service-cluster-ip-range=${options.serviceCidr}`,
      // an address of loopback must not become an endpoint of the kubernetes Service
      "--endpoint-reconciler-type=none",
      // Cilium's and other agents' pods are privileged
      "--allow-privileged=true",
      "--profiling=false",
      // without its controller no namespace has the service account that this plugin gives to pods
      ...(options.hasControllerManager ? [] : ["--disable-admission-plugins=ServiceAccount"]),
      ...(options.auditLog
        ? [
            `--audit-policy-file=${layout.auditPolicy}`,
            `--audit-log-path=${layout.auditLog}`,
            "--audit-log-mode=blocking",
          ]
        : []),
      ...options.extraArgs,
    ],
    // a tenth of its work is collecting garbage while it starts and while stacks come and go; it has memory enough
    env: { ...bareEnvironment(), GOGC: "400" },
    log: path.join(layout.logs, "kube-apiserver.log"),
    // it would wait for its watches, which have no reason to end
    grace: 1000,
  };
}

/**
 * The controllers that make objects behave without a node: what deletes, what derives objects from others, and what
 * removes the finalizers that admission adds. Node, cloud and volume-binding controllers have nothing to do here.
 */
const controllers = [
  "namespace-controller",
  "garbage-collector-controller",
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "root-ca-certificate-publisher-controller",
  "replicaset-controller",
  "deployment-controller",
  "statefulset-controller",
  "daemonset-controller",
  "job-controller",
  "cronjob-controller",
  "ttl-after-finished-controller",
  "replicationcontroller-controller",
  "endpoints-controller",
  "endpointslice-controller",
  "disruption-controller",
  "resourcequota-controller",
  "clusterrole-aggregation-controller",
  "persistentvolumeclaim-protection-controller",
  "persistentvolume-protection-controller",
  "service-cidr-controller",
  "validatingadmissionpolicy-status-controller",
  "certificatesigningrequest-cleaner-controller",
] as const;

/** A controller that the lab's kube-controller-manager runs. */
export type Controller = (typeof controllers)[number];

/** kube-controller-manager. `without`: controllers that it does not run. */
export function controllerManagerCommand(
  program: string,
  layout: Layout,
  options: { credentials: Credentials; serviceCidr: string; without: readonly Controller[] },
): Command {
  return {
    name: "kube-controller-manager",
    path: program,
    args: [
      `--kubeconfig=${layout.managerKubeconfig}`,
      `--controllers=${controllers.filter((one) => !options.without.includes(one)).join(",")}`,
      "--leader-elect=false",
      // it serves nobody
      "--secure-port=0",
      `--service-account-private-key-file=${options.credentials.serviceAccountKey}`,
      `--root-ca-file=${layout.certificateAuthority}`,
      `--service-cluster-ip-range=${options.serviceCidr}`,
      "--kube-api-qps=300",
      "--kube-api-burst=600",
      "--concurrent-namespace-syncs=10",
      "--profiling=false",
    ],
    env: bareEnvironment(),
    log: path.join(layout.logs, "kube-controller-manager.log"),
    restart: true,
  };
}

/** A node that is only simulated. */
export function nodeCommand(program: string, layout: Layout): Command {
  return {
    name: "simulated-node",
    path: process.execPath,
    args: [program, layout.dataDir],
    env: bareEnvironment(),
    log: path.join(layout.logs, "simulated-node.log"),
    restart: true,
  };
}
