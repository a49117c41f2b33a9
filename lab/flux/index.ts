/** Flux's own kustomize-controller beside a control plane of the lab, with a repository that it reads. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ApiClient, ControlPlane } from "../control-plane/index";
import { apiClient } from "../control-plane/index";
import { bareEnvironment } from "../control-plane/commands";
import { writeKubeconfig } from "../control-plane/credentials";
import { apply } from "../nodes/index";
import { dyingWithParent } from "../toolchain/run";
import { installFluxDefinitions } from "./definitions";
import { FluxSource } from "./source";

export type { CommittedFile } from "./source";

/** The namespace that Flux lives in. */
export const fluxNamespace = "flux-system";
/** Whom the API server takes the controller for. */
export const fluxUser = `system:serviceaccount:${fluxNamespace}:kustomize-controller`;

export interface FluxOptions {
  readonly controlPlane: ControlPlane;
  /** The program, as `provideTools(["kustomize-controller"])` gives it. */
  readonly program: string;
  /** A folder of its own. */
  readonly folder: string;
  /** Name of the GitRepository. */
  readonly repository: string;
}

/** A running kustomize-controller. */
export interface Flux {
  readonly source: FluxSource;
  /** Where it writes what it does, JSON lines. */
  readonly log: string;
  /** Throws where it has ended by itself, with the end of its log. */
  check(): void;
  stop(): Promise<void>;
}

/**
 * Starts it with a service account of its own that may do everything, as Flux installs it. It looks at dependencies that are
 * not ready every 5 seconds, in place of every 30, and ends with this process.
 */
export async function startFlux({ controlPlane, program, folder, repository }: FluxOptions): Promise<Flux> {
  mkdirSync(path.join(folder, "tmp"), { recursive: true });
  await installFluxDefinitions(controlPlane, folder);
  const client = apiClient(controlPlane);
  const kubeconfig = path.join(folder, "kubeconfig");
  const { server, certificateAuthority } = controlPlane;
  writeKubeconfig(kubeconfig, { server, certificateAuthority, user: fluxUser, token: await accountToken(client) });
  const source = await FluxSource.open(client, path.join(folder, "source"), {
    namespace: fluxNamespace,
    name: repository,
  });
  const log = path.join(folder, "kustomize-controller.log");
  const controller = new Controller(program, log, {
    ...bareEnvironment(),
    KUBECONFIG: kubeconfig,
    RUNTIME_NAMESPACE: fluxNamespace,
    TMPDIR: path.join(folder, "tmp"),
    // every step parses Kubernetes' schema once more: collecting that often costs more than it frees
    GOGC: "400",
  });
  return {
    source,
    log,
    check: () => controller.check(),
    stop: async () => {
      await controller.stop();
      source.close();
      client.close();
    },
  };
}

/** Makes the account that Flux's installation makes, and a token for it. */
async function accountToken(client: ApiClient): Promise<string> {
  const name = "kustomize-controller";
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: fluxNamespace } };
  const rbac = "rbac.authorization.k8s.io";
  const home = `/api/v1/namespaces/${fluxNamespace}`;
  await apply(client, home, { apiVersion: "v1", kind: "Namespace", metadata: { name: fluxNamespace } });
  await apply(client, `${home}/serviceaccounts/${name}`, account);
  await apply(client, `/apis/${rbac}/v1/clusterrolebindings/cluster-reconciler`, {
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: "cluster-reconciler" },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name, namespace: fluxNamespace }],
  });
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 86_400 } };
  const { body } = await client.call("POST", `${home}/serviceaccounts/${name}/token`, request);
  const token = (body as { status?: { token?: unknown } }).status?.token;
  if (typeof token !== "string") throw new Error(`no token for ${fluxUser}: ${JSON.stringify(body)}`);
  return token;
}

const args = [
  // nobody asks it
  "--metrics-addr=0",
  "--health-addr=0",
  "--requeue-dependency=5s",
  "--no-remote-bases",
  "--kube-api-qps=500",
  "--kube-api-burst=1000",
];

class Controller {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #how: string | undefined;

  constructor(
    program: string,
    private readonly log: string,
    env: Record<string, string>,
  ) {
    const file = openSync(log, "a", 0o600);
    const [command, all] = dyingWithParent(program, args);
    this.#child = spawn(command, all, { env, stdio: ["ignore", file, file] });
    closeSync(file);
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#how = how;
        resolve();
      };
      this.#child.once("error", ({ message }) => end(message));
      this.#child.once("exit", (code, signal) => end(signal ?? `code ${code}`));
    });
  }

  check(): void {
    if (this.#how === undefined) return;
    const end = readFileSync(this.log, "utf8").slice(-2000);
    throw new Error(`kustomize-controller has ended by itself (${this.#how}):\n${end}`);
  }

  /** It has nothing to lose. */
  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
