import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ArgumentCheck } from "./arguments";
import { chartArguments, checkArguments, isAnything, isFlag, isText } from "./arguments";
import type { CalicoOptions, CalicoPlan, CalicoResource } from "../charts/index";
import { calicoPlan, calicoSupport, chartSource } from "../charts/index";
import { chartRelease, defaultTimeoutSeconds } from "./chart-release";
import type { CniPosture } from "./cilium-cni";
import { readArguments } from "./errors";
import { adopt } from "./existing";
import { defaultCalicoNamespace, privilegedNamespace } from "./platform-namespaces";
import { typeToken } from "./type-tokens";

/** Arguments of `CalicoCni`. */
export interface CalicoCniArgs extends CalicoOptions {
  /** Calico runs already, installed by something else: nothing is installed, policies rely on it. Defaults to false. */
  existing?: boolean;
  /** Namespace of the operator, which is created. Defaults to `tigera-operator`. */
  namespace?: string;
  /** Chart of the operator: a name in `repository`, a local path, or an `oci://` address. Defaults to `tigera-operator`. */
  operatorChart?: string;
  /** Chart of the CustomResourceDefinitions, written likewise. Defaults to `crd.projectcalico.org.v1`. */
  crdChart?: string;
  /**
   * Where the charts are: a repository (`https://…`), a mirror (`oci://…`), or a local folder. Defaults to Calico's own;
   * unused where a chart is a path or an address.
   */
  repository?: string;
  /** Seconds to wait for each part. Defaults to 600. */
  timeoutSeconds?: number;
  /** Do not wait for pods to become ready: for clusters without nodes. Defaults to false. */
  skipAwait?: boolean;
  /** Further values of the operator's chart, merged last. */
  values?: pulumi.Inputs;
  /** Further fields of the spec of `Installation`, such as `calicoNetwork.ipPools`, merged last. */
  installation?: pulumi.Inputs;
  /** Further fields of the spec of the `FelixConfiguration` named `default`, merged last. */
  felixConfiguration?: pulumi.Inputs;
}

/** How the arguments of `CalicoCni` are checked. */
export const calicoArguments: Readonly<Record<keyof CalicoCniArgs, ArgumentCheck>> = {
  ...chartArguments,
  crdChart: isText,
  crds: isAnything,
  dataplane: isAnything,
  felixConfiguration: isAnything,
  goldmane: isFlag,
  installation: isAnything,
  metrics: isFlag,
  operatorChart: isText,
  platform: isAnything,
  whisker: isFlag,
  wireguard: isFlag,
  wireguardHosts: isFlag,
};

/**
 * Calico as the cluster's CNI: the Tigera operator, and as resources of the stack `Installation`, `APIServer`,
 * `FelixConfiguration` (WireGuard for IPv4 and IPv6), Goldmane and Whisker. The operator outlives what it has to clean up,
 * so that a destroy ends. With `existing: true` nothing is installed; the component represents the existing installation.
 *
 * Calico has no audit mode for a whole node; policies are tried out in their staged form (`mode: audit` of the
 * declaration).
 *
 * @throws ChartValuesError for versions, options and values that do not go together.
 */
export class CalicoCni extends pulumi.ComponentResource {
  /** Version of the charts; for an existing installation, as it was declared, or `unknown`. */
  public readonly version: pulumi.Output<string>;
  /** `wireguard`, `none`; `unknown` for an existing installation. */
  public readonly encryption: pulumi.Output<string>;
  /** What records flows: `goldmane`, `none`; `unknown` for an existing installation. */
  public readonly flows: pulumi.Output<string>;
  /** All of it in one object. */
  public readonly posture: pulumi.Output<CniPosture>;

  constructor(name: string, args: CalicoCniArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, calicoArguments, true);
    const existing = args.existing ?? false;
    const found = existing ? readArguments(() => adopt(calicoSupport, args, ["namespace"])) : undefined;
    const plan = existing ? undefined : readArguments(() => planFor(args));
    const posture: CniPosture = {
      cni: "calico",
      version: plan?.version ?? found?.version ?? "unknown",
      existing,
      encryption: plan === undefined ? "unknown" : plan.felix.spec["wireguardEnabled"] === true ? "wireguard" : "none",
      flows: plan === undefined ? "unknown" : plan.observability.length > 0 ? "goldmane" : "none",
    };
    super(typeToken("CalicoCni"), name, args, opts);

    for (const warning of plan?.warnings ?? found?.warnings ?? []) void pulumi.log.warn(warning, this);
    if (plan !== undefined) install(name, args, plan, this);
    this.version = pulumi.output(posture.version);
    this.encryption = pulumi.output(posture.encryption);
    this.flows = pulumi.output(posture.flows);
    this.posture = pulumi.output(posture);
    this.registerOutputs({
      version: this.version,
      encryption: this.encryption,
      flows: this.flows,
      posture: this.posture,
    });
  }
}

function planFor(args: CalicoCniArgs): CalicoPlan {
  return calicoPlan(args, {
    values: args.values ?? {},
    installation: args.installation ?? {},
    felix: args.felixConfiguration ?? {},
  });
}

/** In the order in which each part needs the ones before it; destroying runs it backwards, the operator near the end. */
function install(name: string, args: CalicoCniArgs, plan: CalicoPlan, parent: pulumi.Resource): void {
  const home = args.namespace ?? defaultCalicoNamespace;
  const repository = args.repository ?? "https://docs.tigera.io/calico/charts";
  const { timeoutSeconds, skipAwait } = args;
  const shared = { namespace: home, version: plan.version, timeoutSeconds, skipAwait };
  const chart = (published: string, chosen: string | undefined): ReturnType<typeof chartSource> =>
    chartSource({ name: published, version: plan.chartVersion, repository, chart: chosen });

  const namespace = new k8s.core.v1.Namespace(
    `${name}-namespace`,
    { metadata: { name: home, labels: { ...privilegedNamespace } } },
    { parent },
  );
  const before: pulumi.Resource[] = [namespace];
  if (plan.crdChart) {
    const source = chart("crd.projectcalico.org.v1", args.crdChart);
    const settings = { ...shared, release: "calico-crds", source, values: {} };
    before.push(chartRelease(`${name}-crds`, settings, { parent, dependsOn: [namespace] }));
  }
  const operator = chartRelease(
    `${name}-operator`,
    {
      ...shared,
      release: "calico",
      source: chart("tigera-operator", args.operatorChart),
      values: plan.operatorValues,
    },
    { parent, dependsOn: before },
  );
  const wait = (condition: string): Record<string, string> =>
    skipAwait === true ? {} : { "pulumi.com/waitFor": condition };
  const timeout = `${timeoutSeconds ?? defaultTimeoutSeconds}s`;
  const register = (
    { apiVersion, kind, name: object, spec }: CalicoResource,
    annotations: Record<string, string>,
    dependsOn: pulumi.Resource[],
  ): pulumi.Resource => {
    // an empty map would be a change in every preview: the API server keeps none
    const metadata = { name: object, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
    return new k8s.apiextensions.CustomResource(
      `${name}-${kind.toLowerCase()}`,
      { apiVersion, kind, metadata, spec },
      { parent, dependsOn, customTimeouts: { create: timeout, update: timeout, delete: timeout } },
    );
  };

  const installation = register(plan.installation, wait("condition=Ready"), [operator]);
  // it serves projectcalico.org/v3: without it neither this configuration nor any policy can be written
  const apiServer = register(plan.apiServer, wait("jsonpath={.status.state}=Ready"), [operator, installation]);
  register(plan.felix, {}, [apiServer]);
  let last = installation;
  for (const part of plan.observability) last = register(part, {}, [operator, last]);
}
