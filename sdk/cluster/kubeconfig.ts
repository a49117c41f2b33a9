import { existsSync } from "node:fs";
import type * as https from "node:https";
import { delimiter } from "node:path";
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
  return connectionOf(await load(options), options.context);
}

/** What Pulumi's Kubernetes provider is told of its cluster. */
export interface ProviderCluster {
  /** The kubeconfig's file, or its contents. Default: `$KUBECONFIG`, then `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** Default: the kubeconfig's current one. */
  readonly context?: string;
}

/**
 * The connection that Pulumi's Kubernetes provider makes of the same settings. The caller has to make sure that it leads to the
 * cluster that is meant.
 *
 * @throws ClusterError where there is no such kubeconfig or context.
 */
export async function connectAsProvider({ kubeconfig, context }: ProviderCluster): Promise<Connection> {
  const client = await import("@kubernetes/client-node");
  const config = new client.KubeConfig();
  if (kubeconfig === undefined || kubeconfig.trim() === "") {
    readDefault(config);
  } else if (existsSync(kubeconfig)) {
    readInto(kubeconfig, () => config.loadFromFile(kubeconfig));
  } else if (/[\n{]/.test(kubeconfig)) {
    readInto("of the provider", () => config.loadFromString(kubeconfig));
  } else {
    throw new ClusterError(`there is no kubeconfig ${kubeconfig}`);
  }
  const name = context ?? config.getCurrentContext();
  choose(config, name);
  return connectionOf(config, name);
}

function connectionOf(config: KubeConfig, context: string): Connection {
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw new ClusterError(`context "${context}" names a cluster that the kubeconfig does not hold`);
  }
  return {
    server: cluster.server,
    context,
    async requestOptions() {
      const request: https.RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(request);
      } catch (error) {
        throw new ClusterError(`cannot sign in to context "${context}": ${whyNot(error, cluster.server)}`, {
          cause: error,
        });
      }
      return request;
    },
  };
}

/** Why nobody is signed in. What a program printed on its standard output is never told: it may be a token. */
function whyNot(error: unknown, server: string): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return `there is no ${path ?? "such file"}`;
  if (server.startsWith("http:") && error.message.includes("HTTP protocol")) {
    return `its server ${server} has no TLS: where that is meant, as with kubectl proxy, set insecure-skip-tls-verify of the cluster in the kubeconfig`;
  }
  if (error instanceof SyntaxError || error instanceof TypeError) {
    return "the program that signs in (exec of the user in the kubeconfig) prints no ExecCredential with a status";
  }
  return (
    error.message.replace(/\s+/g, " ").trim() || "the program that signs in (exec of the user) fails without a word"
  );
}

function choose(config: KubeConfig, context: string): void {
  const names = config.getContexts().map(({ name }) => name);
  if (!names.includes(context)) {
    const known = names.length === 0 ? "it has none" : `it has ${names.map((name) => `"${name}"`).join(", ")}`;
    throw new ClusterError(`the kubeconfig has no context "${context}": ${known}`);
  }
  config.setCurrentContext(context);
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
    readDefault(config);
  }
  choose(config, options.context);
  return config;
}

/** What the client makes up where there is neither a kubeconfig nor a service account: port 8080 of this machine. */
const madeUp = { name: "loaded-context", server: "http://localhost:8080" };

/** The files of KUBECONFIG, else ~/.kube/config, else the service account of the pod that this runs in. */
function readDefault(config: KubeConfig): void {
  const named = process.env["KUBECONFIG"] ?? "";
  if (named !== "" && !named.split(delimiter).some((file) => existsSync(file))) {
    throw new ClusterError(`there is no kubeconfig ${named} (KUBECONFIG)`);
  }
  readInto(named === "" ? "~/.kube/config" : named, () => config.loadFromDefault());
  const [only] = config.getContexts();
  if (only?.name === madeUp.name && config.getCluster(only.cluster)?.server === madeUp.server) {
    throw new ClusterError(
      "there is no kubeconfig: KUBECONFIG is not set, and there is no ~/.kube/config; name one with --kubeconfig",
    );
  }
}

function readInto(file: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    // The parser's message may quote the file, and the file holds credentials.
    const reason = unreadable[code] ?? "it is not a valid kubeconfig";
    throw new ClusterError(`the kubeconfig ${file} cannot be read: ${reason}`, { cause: error });
  }
}

const unreadable: Readonly<Record<string, string>> = {
  EACCES: "you may not read it",
  EISDIR: "it is a folder",
  ENOENT: "there is no such file",
};
