/** A control plane with the grants of a declaration, asked as different people. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControlPlane } from "../../lab/control-plane/index";
import { startControlPlane } from "../../lab/control-plane/index";
import type { CrdSetName } from "../../lab/crds/index";
import { installCrds } from "../../lab/crds/index";
import { simulatedNodeProgram, simulateNode } from "../../lab/nodes/index";
import { provideTools } from "../../lab/toolchain/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Whom a request comes from; the administrator where it is left out. */
export interface Person {
  readonly user: string;
  readonly groups: readonly string[];
}

/** Where objects of a kind are, `%` for the namespace. */
const collections: Readonly<Record<string, string>> = {
  "v1 Namespace": "/api/v1/namespaces",
  "v1 Pod": "/api/v1/%/pods",
  "v1 Service": "/api/v1/%/services",
  "v1 ServiceAccount": "/api/v1/%/serviceaccounts",
  "apps/v1 Deployment": "/apis/apps/v1/%/deployments",
  "apps/v1 DaemonSet": "/apis/apps/v1/%/daemonsets",
  "batch/v1 Job": "/apis/batch/v1/%/jobs",
  "networking.k8s.io/v1 NetworkPolicy": "/apis/networking.k8s.io/v1/%/networkpolicies",
  "cilium.io/v2 CiliumNetworkPolicy": "/apis/cilium.io/v2/%/ciliumnetworkpolicies",
  "cilium.io/v2 CiliumClusterwideNetworkPolicy": "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies",
  "rbac.authorization.k8s.io/v1 ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
  "rbac.authorization.k8s.io/v1 Role": "/apis/rbac.authorization.k8s.io/v1/%/roles",
  "rbac.authorization.k8s.io/v1 RoleBinding": "/apis/rbac.authorization.k8s.io/v1/%/rolebindings",
  "rbac.authorization.k8s.io/v1 ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
  "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy":
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
  "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding":
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
};

/** The path of an object's collection, or of the object with its name. */
export function placeOf(object: KubeObject, name = ""): string {
  const collection = collections[`${object.apiVersion} ${object.kind}`] ?? assert.fail(String(object.kind));
  const place = collection.replace("%", `namespaces/${object.metadata?.namespace ?? ""}`);
  return name === "" ? place : `${place}/${name}`;
}

/** A running control plane. */
export class Plane {
  private constructor(
    readonly controlPlane: ControlPlane,
    private readonly folder: string,
  ) {}

  /**
   * Starts one, without a scheduler.
   *
   * @param settings `node`: with a simulated node, on which pods run by their status alone. Default: pods stay pending.
   * `auditLog`: the API server keeps one. `crds`: definitions to install; default Cilium's.
   */
  static async start({
    node = false,
    auditLog = false,
    crds = ["cilium"],
  }: {
    readonly node?: boolean;
    readonly auditLog?: boolean;
    readonly crds?: readonly CrdSetName[];
  } = {}): Promise<Plane> {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-break-glass-"));
    const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
    const controlPlane = await startControlPlane({
      dataDir: path.join(folder, "plane"),
      tools,
      fresh: true,
      auditLog,
      ...(node ? { nodeProgram: simulatedNodeProgram() } : {}),
    });
    if (node) await simulateNode(controlPlane);
    await installCrds(controlPlane, crds);
    return new Plane(controlPlane, folder);
  }

  async stop(): Promise<void> {
    await this.controlPlane.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** One request. */
  call(method: string, at: string, body?: object, person?: Person): Promise<Answer> {
    const impersonated =
      person === undefined ? {} : { "impersonate-user": person.user, "impersonate-group": [...person.groups] };
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(at, this.controlPlane.server),
        {
          method,
          ca: readFileSync(this.controlPlane.certificateAuthority),
          headers: {
            authorization: `Bearer ${this.controlPlane.token}`,
            "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
            ...(payload === undefined ? {} : { "content-length": payload.length }),
            ...impersonated,
          },
        },
        (response) => {
          const chunks: string[] = [];
          response.setEncoding("utf8").on("data", (text: string) => void chunks.push(text));
          response.once("end", () => resolve({ status: response.statusCode ?? 0, body: chunks.join("") }));
        },
      );
      outgoing.once("error", reject);
      outgoing.end(payload);
    });
  }

  /** Creates an object, or fails with what the API server says. */
  async create(object: KubeObject, person?: Person): Promise<KubeObject> {
    const { status, body } = await this.call("POST", placeOf(object), object, person);
    assert.equal(status, 201, `${object.kind} ${object.metadata?.name}: ${body}`);
    return JSON.parse(body) as KubeObject;
  }

  /** Puts the policies of a declaration in place, and waits until the admission policies are in force. */
  async deploy(declaration: ClusterSecurityDeclaration): Promise<void> {
    const { namespaces, documents } = plan(declaration);
    for (const { name } of namespaces) {
      await this.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    for (const { object } of documents) await this.create(object as unknown as KubeObject);
    for (const { name } of namespaces) {
      // any Job of a timer's name that is no timer is refused, once the API server knows the policy
      const probe: KubeObject = {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: "break-glass-probe", namespace: name },
        spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "c" }] } } },
      };
      await this.until(
        `guards in ${name}`,
        async () => (await this.call("POST", `${placeOf(probe)}?dryRun=All`, probe)).status === 422,
      );
    }
  }

  /** Waits for something; fails after the given time. @returns milliseconds that it took */
  async until(what: string, holds: () => Promise<boolean>, within = 60_000): Promise<number> {
    const begun = Date.now();
    while (!(await holds())) {
      assert.ok(Date.now() - begun < within, `${what}: not within ${within} ms`);
      await sleep(100);
    }
    return Date.now() - begun;
  }

  /** Whether an object is there. */
  async exists(object: KubeObject): Promise<boolean> {
    const { status } = await this.call("GET", placeOf(object, object.metadata?.name));
    assert.ok(status === 200 || status === 404, String(status));
    return status === 200;
  }
}
