/** The provider's configuration: what the engine passes, with the environment variables that Pulumi documents. */
import { loadKubeconfig, selfContained } from "./kubeconfig";
import { Cluster } from "./cluster";
import type { Mutability } from "./immutable";

export interface Configuration {
  kubeconfig?: string | undefined;
  context?: string | undefined;
  cluster?: string | undefined;
  namespace?: string | undefined;
  deleteUnreachable: boolean;
  skipUpdateUnreachable: boolean;
  patchForce: boolean;
  upsert: boolean;
  mutable: Mutability;
}

export class ConfigurationError extends Error {}

/** `variables` has the keys of the provider's inputs (`kubeconfig`, `enableServerSideApply`, …), values as text. */
export function readConfiguration(variables: ReadonlyMap<string, string>, env: NodeJS.ProcessEnv): Configuration {
  const flag = (name: string, variable: string, otherwise = false): boolean => {
    const value = variables.get(name) || env[variable];
    return value === undefined || value === "" ? otherwise : value === "true";
  };
  if (!flag("enableServerSideApply", "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", true)) {
    throw new ConfigurationError(
      "enableServerSideApply: false is not supported here: the lab's provider always uses server-side apply",
    );
  }
  if (variables.get("renderYamlToDirectory")) {
    throw new ConfigurationError("renderYamlToDirectory is not supported by the lab's provider");
  }
  return {
    kubeconfig: variables.get("kubeconfig"),
    context: variables.get("context"),
    cluster: variables.get("cluster"),
    namespace: variables.get("namespace"),
    deleteUnreachable: flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
    skipUpdateUnreachable: flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
    patchForce: flag("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
    upsert: flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
    mutable: {
      configMap: flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
      secret: flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
    },
  };
}

/** How long an API server that did not answer counts as unreachable, so that a preview does not ask it 100 times. */
const unreachableFor = 5_000;

/** The configured cluster, or why there is none. */
export class Connection {
  private readonly opened: Cluster | undefined;
  private readonly problem: string | undefined;
  private probe: Promise<string | undefined> | undefined;
  private probedAt = 0;
  readonly defaultNamespace: string;

  constructor(readonly configuration: Configuration) {
    let contextNamespace: string | undefined;
    try {
      const kubeconfig = loadKubeconfig(configuration);
      contextNamespace = kubeconfig.getContextObject(kubeconfig.getCurrentContext())?.namespace;
      this.opened = new Cluster(kubeconfig);
    } catch (error) {
      this.problem = `failed to load the kubeconfig: ${(error as Error).message}`;
    }
    this.defaultNamespace = configuration.namespace || contextNamespace || "default";
  }

  /** The cluster; throws where the kubeconfig cannot be used. */
  get cluster(): Cluster {
    if (!this.opened)
      throw new ConfigurationError(`configured Kubernetes cluster is unreachable: ${this.problem ?? ""}`);
    return this.opened;
  }

  /** The kubeconfig as one text, for a program that is not to read the user's files. */
  kubeconfigText(): string {
    return selfContained(this.cluster.kubeconfig);
  }

  /** Why the API server cannot be asked now, or undefined when it answers. */
  async unreachable(): Promise<string | undefined> {
    if (!this.opened) return this.problem;
    if (this.probe && (await this.probe) !== undefined && Date.now() - this.probedAt > unreachableFor)
      this.probe = undefined;
    if (!this.probe) {
      this.probedAt = Date.now();
      this.probe = this.opened.request("GET", "/version", { timeout: 10_000 }).then(
        () => undefined,
        (error: Error) => error.message,
      );
    }
    return this.probe;
  }
}
