/**
 * Calico's API server behind the lab's: who asks for projectcalico.org/v3 asks kube-apiserver, which passes the question on
 * and says who asks (Kubernetes documentation, "Configure the Aggregation Layer").
 */
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { bareEnvironment } from "../control-plane/commands";
import type { ApiClient, ControlPlane } from "../control-plane/index";
import type { Command } from "../control-plane/protocol";
import { apply, ownLabel } from "../nodes/index";
import { readFileSync } from "node:fs";
import { run } from "../toolchain/run";
import { DatapathError } from "./errors";
import type { CalicoPrograms } from "./programs";

/** The Service of Calico's API server. Its own namespace, as installations have it, would be on its way out at a new start. */
const home = "kube-system";
const service = "calico-api";

/** By which the two API servers know each other. */
export interface FrontProxy {
  readonly folder: string;
  /** What kube-apiserver must be started with. */
  readonly apiServerArgs: readonly string[];
}

/**
 * Makes the certificates in a folder, or takes those that are there.
 *
 * @param helper The lab's own program.
 * @throws DatapathError "failed"
 */
export async function frontProxy(helper: string, folder: string): Promise<FrontProxy> {
  const file = (name: string): string => path.join(folder, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // written last
  if (!existsSync(file("server.key"))) {
    const { code, stderr } = await run(helper, ["certificates", folder, `${service}.${home}.svc`], { timeout: 20_000 });
    if (code !== 0) throw new DatapathError("failed", `certificates cannot be made: ${stderr.trim()}`);
  }
  return {
    folder,
    apiServerArgs: [
      ...frontArgs(folder),
      `--proxy-client-cert-file=${file("proxy.crt")}`,
      `--proxy-client-key-file=${file("proxy.key")}`,
    ],
  };
}

/** Whom an API server believes when somebody says in whose name a request comes. */
function frontArgs(folder: string): readonly string[] {
  return [
    `--requestheader-client-ca-file=${path.join(folder, "ca.crt")}`,
    "--requestheader-allowed-names=front-proxy",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
  ];
}

/** Name of Calico's API server among the processes of the datapath. */
export const calicoApiServer = "calico-apiserver";

/** Calico's API server on loopback: it believes the front alone, and nobody anonymous. */
export function calicoApiServerCommand(
  programs: CalicoPrograms,
  options: {
    readonly controlPlane: ControlPlane;
    readonly proxy: FrontProxy;
    readonly port: number;
    readonly logs: string;
  },
): Command {
  const { controlPlane, proxy, port, logs } = options;
  const kubeconfig = controlPlane.kubeconfigPath;
  return {
    name: calicoApiServer,
    path: programs.apiServer.path,
    args: [
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--tls-cert-file=${path.join(proxy.folder, "server.crt")}`,
      `--tls-private-key-file=${path.join(proxy.folder, "server.key")}`,
      ...["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"].map(
        (name) => `--${name}=${kubeconfig}`,
      ),
      // told by the lab, not by the API server, which has no authority for users with certificates
      "--authentication-skip-lookup",
      ...frontArgs(proxy.folder),
    ],
    env: { ...bareEnvironment(), KUBECONFIG: kubeconfig, DATASTORE_TYPE: "kubernetes", LOG_LEVEL: "warn" },
    log: path.join(logs, `${calicoApiServer}.log`),
    grace: 1000,
  };
}

const registration = "/apis/apiregistration.k8s.io/v1/apiservices/v3.projectcalico.org";

/** Tells kube-apiserver where projectcalico.org/v3 is served: a name that leads back to this machine. */
export async function registerCalicoApi(client: ApiClient, proxy: FrontProxy, port: number): Promise<void> {
  await apply(client, `/api/v1/namespaces/${home}/services/${service}`, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: service, namespace: home, labels: ownLabel },
    spec: { type: "ExternalName", externalName: "localhost" },
  });
  await apply(client, registration, {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: "v3.projectcalico.org", labels: ownLabel },
    spec: {
      group: "projectcalico.org",
      version: "v3",
      groupPriorityMinimum: 1500,
      versionPriority: 200,
      service: { name: service, namespace: home, port },
      caBundle: readFileSync(path.join(proxy.folder, "ca.crt")).toString("base64"),
    },
  });
}

/** Whether policies of projectcalico.org/v3 can be listed. */
export async function servesCalicoApi(client: ApiClient): Promise<boolean> {
  return (await client.call("GET", "/apis/projectcalico.org/v3/tiers")).status === 200;
}

/** Takes it back: without it nobody could list all that a namespace has, and none would ever be deleted. */
export async function withdrawCalicoApi(client: ApiClient): Promise<void> {
  await client.call("DELETE", registration);
  await client.call("DELETE", `/api/v1/namespaces/${home}/services/${service}`);
}

/** A port of loopback that nobody listens at now. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === "object" && address) resolve(address.port);
        else reject(new DatapathError("failed", "no free port on 127.0.0.1"));
      });
    });
  });
}
