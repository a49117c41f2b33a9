import { existsSync } from "node:fs";
import type * as https from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Connection } from "./api-client";
import { ClusterError } from "./errors";

/** The name that stands for the cluster this process runs in: a pod with a service account. */
const inCluster = "in-cluster";

export interface ContextOptions {
  /** The context's name in the kubeconfig, or {@link inCluster}. Never guessed: a cluster is touched only when named. */
  readonly context: string;
  /** The kubeconfig's file. Default: `$KUBECONFIG`, then `~/.kube/config`. */
  readonly kubeconfig?: string;
}

/**
 * The connection that a context of a kubeconfig describes, with whatever way to sign in it names (certificates, tokens,
 * exec plugins, OIDC).
 *
 * @throws ClusterError where there is no such file or context.
 */
export async function connect(options: ContextOptions): Promise<Connection> {
  const config = await load(options);
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw new ClusterError(`context "${options.context}" names a cluster that the kubeconfig does not hold`);
  }
  return {
    server: cluster.server,
    async requestOptions() {
      const request: https.RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(request);
      } catch (error) {
        throw new ClusterError(
          `cannot sign in to context "${options.context}": ${error instanceof Error ? error.message : String(error)}`,
          { cause: error },
        );
      }
      return request;
    },
  };
}

async function load(options: ContextOptions): Promise<KubeConfig> {
  // The client takes over half a second to load: only who names a cluster pays for it.
  const client = await import("@kubernetes/client-node");
  const config = new client.KubeConfig();
  if (options.context === inCluster && options.kubeconfig === undefined) {
    config.loadFromCluster();
    return config;
  }
  if (options.kubeconfig !== undefined) {
    if (!existsSync(options.kubeconfig)) throw new ClusterError(`there is no kubeconfig ${options.kubeconfig}`);
    readInto(options.kubeconfig, () => config.loadFromFile(options.kubeconfig as string));
  } else {
    readInto(process.env["KUBECONFIG"] ?? "~/.kube/config", () => config.loadFromDefault());
  }
  const names = config.getContexts().map((context) => context.name);
  if (!names.includes(options.context)) {
    const known = names.length === 0 ? "it has none" : `it has ${names.map((name) => `"${name}"`).join(", ")}`;
    throw new ClusterError(`the kubeconfig has no context "${options.context}": ${known}`);
  }
  config.setCurrentContext(options.context);
  return config;
}

function readInto(file: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    // The parser's message may quote the file, and the file holds credentials.
    throw new ClusterError(`the kubeconfig ${file} cannot be read: it is not a valid kubeconfig`, { cause: error });
  }
}
