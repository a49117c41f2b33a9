import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";

/** Files with secrets, all of them readable by this user only. */
export interface Credentials {
  /** Bearer token of the administrator. */
  readonly adminToken: string;
  /** Bearer token of kube-controller-manager. */
  readonly managerToken: string;
  /** kube-apiserver's `--token-auth-file`. */
  readonly tokenFile: string;
  /** Private key that signs service account tokens. */
  readonly serviceAccountKey: string;
}

/** Reads the credentials of a data folder, or makes new ones. */
export function prepareCredentials(folder: string): Credentials {
  const tokenFile = path.join(folder, "tokens.csv");
  const serviceAccountKey = path.join(folder, "service-accounts.key");
  if (!existsSync(serviceAccountKey)) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(serviceAccountKey, privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
  }
  if (!existsSync(tokenFile)) {
    // columns: token, user, uid, "groups"; membership in system:masters passes every authorizer
    const line = (user: string): string => `${randomBytes(32).toString("hex")},${user},${user},"system:masters"\n`;
    writeFileSync(tokenFile, line("lab-admin") + line("system:kube-controller-manager"), { mode: 0o600 });
  }
  const [admin, manager] = readFileSync(tokenFile, "utf8").split("\n");
  const token = (line: string | undefined): string => {
    const value = line?.split(",")[0];
    if (!value) throw new Error(`${tokenFile} holds no token; remove it`);
    return value;
  };
  return { adminToken: token(admin), managerToken: token(manager), tokenFile, serviceAccountKey };
}

/** Name of the one context (and cluster) in the lab's kubeconfig. */
export const labContext = "cluster-security-lab";

/** Writes a kubeconfig with one cluster, one user and one context; paths in it are absolute. */
export function writeKubeconfig(
  file: string,
  options: { server: string; certificateAuthority: string; user: string; token: string },
): void {
  const name = labContext;
  const certificateAuthority = path.resolve(options.certificateAuthority);
  const cluster = {
    ...{ server: options.server, "certificate-authority": certificateAuthority },
    // nothing is gained on loopback, and each start of Pulumi's provider reads the definitions of the whole API
    "disable-compression": true,
  };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name: options.user, user: { token: options.token } }],
    contexts: [{ name, context: { cluster: name, user: options.user } }],
    "current-context": name,
  };
  writeFileSync(file, stringify(config), { mode: 0o600 });
}
