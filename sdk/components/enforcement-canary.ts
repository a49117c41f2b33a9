import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ArgumentCheck } from "./arguments";
import { checkArguments, isAnything, isNamespace, isText } from "./arguments";
import type { ProberSettings, ProberTask } from "../cluster/index";
import {
  defaultProberImage,
  proberContainer,
  proberPodSpec,
  settingsVariable,
  withoutSidecars,
} from "../cluster/index";
import { typeToken } from "./type-tokens";

/** Arguments of `EnforcementCanary`. */
export interface EnforcementCanaryArgs {
  /** Namespace that the canary creates for itself. Defaults to `cluster-security-canary`. */
  namespace?: string;
  /** Image of its pods: any with Node.js 18 or later, no shell is needed. Defaults to `node:22-alpine`. */
  image?: string;
  /** The program in the image that runs JavaScript with `-e`. Defaults to `node`. */
  command?: string;
  /** Names of secrets for pulling the image, in that namespace. Defaults to none. */
  imagePullSecrets?: string[];
  /** Nodes on which the pods may run, such as those of a new pool. Defaults to every Linux node. */
  nodeSelector?: { [label: string]: string };
  /**
   * The checks run once, and again whenever this string changes: the version of the CNI, a date, a build. Defaults to never
   * again.
   */
  trigger?: string;
  /** Seconds that a check may take, the start of its pod included. Defaults to 300. */
  timeoutSeconds?: number;
}

const ownArguments: Readonly<Record<keyof EnforcementCanaryArgs, ArgumentCheck>> = {
  command: isText,
  image: isAnything,
  imagePullSecrets: isAnything,
  namespace: isNamespace,
  nodeSelector: isAnything,
  timeoutSeconds: isAnything,
  trigger: isAnything,
};

/** Summary of an `EnforcementCanary`. */
export interface CanaryPosture {
  /** Namespace of the canary. */
  namespace: string;
  /** Image of its pods. */
  image: string;
  /** What made the checks run the last time; empty where nothing did. */
  trigger: string;
  /** Names of the checks that stand before everything that depends on the component. */
  checks: string[];
}

/** A check: which pods probe which server, and what must come of it. */
interface Check {
  /** Also the name of its container, so that the failure of its Job names it. */
  readonly name: string;
  /** The pods that probe, by the value of their label. */
  readonly from: Role;
  readonly to: Role;
  readonly wanted: "c" | "b";
  readonly complaint: string;
}

/** `open` pods are selected by the deny-all and by an allow; `closed` ones by the deny-all alone. */
type Role = "open" | "closed";

const roleLabel = "pulumi-cluster-security/canary";
const port = 8080;

/** Without the first the others would prove nothing: where nothing connects, everything looks denied. */
const control: Check = {
  name: "allowed-pods-must-connect",
  from: "open",
  to: "open",
  wanted: "c",
  complaint:
    "The canary proves nothing: two pods that a NetworkPolicy allows to talk do not reach each other. Look at the CNI, and at clusterwide policies that deny",
};

const checks: readonly Check[] = [
  {
    name: "deny-all-must-block-egress",
    from: "closed",
    to: "open",
    wanted: "b",
    complaint:
      "NetworkPolicies are NOT ENFORCED on egress in this cluster: a pod under a deny-all opens connections. No policy of this stack protects anything until the CNI enforces them",
  },
  {
    name: "deny-all-must-block-ingress",
    from: "open",
    to: "closed",
    wanted: "b",
    complaint:
      "NetworkPolicies are NOT ENFORCED on ingress in this cluster: a pod under a deny-all is reached. No policy of this stack protects anything until the CNI enforces them",
  },
];

/**
 * Proves with packets, during `up`, that this cluster enforces NetworkPolicies: a namespace with a deny-all, and
 * awaited Jobs that try what it must block. `up` fails where the deny-all does not block, and also where a connection that is
 * allowed does not come about, since nothing would be proved then. What must not be deployed onto a cluster that does not
 * enforce `dependsOn` the component.
 *
 * The Job that failed is named for what must be: `deny-all-must-block-egress`. Its pod's termination message, which `up`
 * prints, says more.
 */
export class EnforcementCanary extends pulumi.ComponentResource {
  /** Namespace of the canary. */
  public readonly namespace: pulumi.Output<string>;
  /** Names of the checks that stand before everything that depends on the component. */
  public readonly checks: pulumi.Output<string[]>;
  /** All of it in one object. */
  public readonly posture: pulumi.Output<CanaryPosture>;

  constructor(name: string, args: EnforcementCanaryArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, ownArguments, true);
    const posture: CanaryPosture = {
      namespace: args.namespace ?? "cluster-security-canary",
      image: args.image ?? defaultProberImage,
      trigger: args.trigger ?? "",
      checks: [control, ...checks].map((check) => check.name),
    };
    super(typeToken("EnforcementCanary"), name, args, opts);

    const namespace = new k8s.core.v1.Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: posture.namespace,
          labels: {
            "app.kubernetes.io/managed-by": "pulumi-cluster-security",
            "pod-security.kubernetes.io/enforce": "restricted",
          },
        },
      },
      { parent: this },
    );
    const policies = policiesOf(name, posture.namespace, { parent: this, dependsOn: [namespace] });
    const servers = (["open", "closed"] as const).map((role) => {
      const options = { parent: this, dependsOn: [namespace, ...policies] };
      return [role, serverOf(name, posture.namespace, role, args, options)] as const;
    });
    const addresses = Object.fromEntries(servers) as Record<Role, k8s.core.v1.Service>;
    const run = (check: Check, before: pulumi.Resource[]): pulumi.Resource =>
      jobOf(name, posture, check, addresses[check.to], args, {
        parent: this,
        dependsOn: [...policies, ...servers.map(([, service]) => service), ...before],
      });
    const first = run(control, []);
    for (const check of checks) run(check, [first]);

    this.namespace = pulumi.output(posture.namespace);
    this.checks = pulumi.output(posture.checks);
    this.posture = pulumi.output(posture);
    this.registerOutputs({ namespace: this.namespace, checks: this.checks, posture: this.posture });
  }
}

/** Seconds that a pod of the canary may take to be ready, and a check to be done. */
function timeoutOf({ timeoutSeconds = 300 }: EnforcementCanaryArgs): number {
  return timeoutSeconds;
}

/** The provider gives up a little later, when the cluster has said why. */
function awaited(args: EnforcementCanaryArgs): { readonly customTimeouts: pulumi.CustomTimeouts } {
  return { customTimeouts: { create: `${timeoutOf(args) + 60}s` } };
}

type ChildOptions = Pick<pulumi.CustomResourceOptions, "parent" | "dependsOn">;

/** The deny-all, and what opens the canary's own port between its open pods and towards the closed ones: nothing else. */
function policiesOf(name: string, namespace: string, options: ChildOptions): pulumi.Resource[] {
  const open = { matchLabels: { [roleLabel]: "open" } };
  const ports = [{ protocol: "TCP", port }];
  return [
    new k8s.networking.v1.NetworkPolicy(
      `${name}-default-deny-all`,
      {
        metadata: { name: "default-deny-all", namespace },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
      options,
    ),
    new k8s.networking.v1.NetworkPolicy(
      `${name}-allow-open-pods`,
      {
        metadata: { name: "allow-open-pods", namespace },
        spec: {
          podSelector: open,
          policyTypes: ["Ingress", "Egress"],
          ingress: [{ from: [{ podSelector: {} }], ports }],
          egress: [{ to: [{ podSelector: {} }], ports }],
        },
      },
      options,
    ),
  ];
}

/** A pod that listens, behind a Service: its address is known before any Job starts. */
function serverOf(
  name: string,
  namespace: string,
  role: Role,
  args: EnforcementCanaryArgs,
  options: ChildOptions,
): k8s.core.v1.Service {
  const labels = { [roleLabel]: role, app: `canary-${role}` };
  const settings: ProberSettings = { ...timing, deadline: 0, listen: [["TCP", port]], ready: 49_151, probes: [] };
  const server = new k8s.apps.v1.Deployment(
    `${name}-server-${role}`,
    {
      metadata: { name: `canary-${role}`, namespace },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: { ...withoutSidecars } },
          spec: podSpec("prober", args, settings),
        },
      },
    },
    { ...options, ...awaited(args) },
  );
  return new k8s.core.v1.Service(
    `${name}-server-${role}`,
    {
      metadata: { name: `canary-${role}`, namespace },
      spec: { selector: labels, ports: [{ protocol: "TCP", port, targetPort: port }] },
    },
    { parent: options.parent, dependsOn: [server], ...awaited(args) },
  );
}

/** The Job of a check. It is not named: a changed trigger replaces it, the new one before the old one goes. */
function jobOf(
  name: string,
  posture: CanaryPosture,
  check: Check,
  server: k8s.core.v1.Service,
  args: EnforcementCanaryArgs,
  options: ChildOptions,
): pulumi.Resource {
  const timeout = timeoutOf(args);
  const { namespace, trigger } = posture;
  const labels = { [roleLabel]: check.from, app: `canary-${check.name}` };
  const common: ProberSettings = { ...timing, deadline: 60, listen: [], probes: [], complaint: check.complaint };
  const told = server.spec.clusterIP.apply((address) => {
    const task: ProberTask = ["tcp", address, port, check.wanted];
    return JSON.stringify({ ...common, probes: [task] });
  });
  return new k8s.batch.v1.Job(
    `${name}-${check.name}`,
    {
      metadata: { namespace },
      spec: {
        // the Kubernetes provider gives up at once only where a Job fails for these two: a podFailurePolicy would have
        // `up` wait for its timeout
        backoffLimit: 0,
        activeDeadlineSeconds: timeout,
        template: {
          metadata: { labels, annotations: { ...withoutSidecars, "pulumi-cluster-security/trigger": trigger } },
          spec: { ...podSpec(check.name, args, common, told), restartPolicy: "Never" },
        },
      },
    },
    { ...options, ...awaited(args) },
  );
}

/** What is not as it must be is tried again for 20 s: policies take a moment to reach a new pod. */
const timing = { timeout: 3000, settle: 20_000, parallel: 1, name: "kubernetes.default.svc.cluster.local" };

/** @param told The settings as JSON, where they are known only once the server has an address. */
function podSpec(
  containerName: string,
  args: EnforcementCanaryArgs,
  settings: ProberSettings,
  told?: pulumi.Output<string>,
): k8s.types.input.core.v1.PodSpec {
  const image = { image: args.image ?? defaultProberImage, command: args.command ?? "node" };
  const ports = settings.listen.map(([protocol, number]) => ({ protocol, port: number }));
  const container = proberContainer(containerName, image, settings, ports);
  const env = (container["env"] as k8s.types.input.core.v1.EnvVar[]).map((each) =>
    each.name === settingsVariable && told !== undefined ? { ...each, value: told } : each,
  );
  const spec = proberPodSpec({ ...container, env }) as unknown as k8s.types.input.core.v1.PodSpec;
  return {
    ...spec,
    nodeSelector: { "kubernetes.io/os": "linux", ...args.nodeSelector },
    ...(args.imagePullSecrets ? { imagePullSecrets: args.imagePullSecrets.map((secret) => ({ name: secret })) } : {}),
  };
}
