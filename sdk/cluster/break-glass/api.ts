/** The API of a cluster, as far as break glass uses it. */
import type { KubeObject } from "../../reachability";
import { change, type ApiClient, type Connection } from "../api-client";
import { ApiError, ClusterError } from "../errors";
import { listAll } from "../list-all";

/** A kind of objects in one namespace. */
export interface ObjectKind {
  readonly apiVersion: string;
  /** Plural name in URLs. */
  readonly resource: string;
}

/** An object as it was read. */
export interface LiveObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid?: string;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly uid?: string }[];
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

export const jobs: ObjectKind = { apiVersion: "batch/v1", resource: "jobs" };
export const pods: ObjectKind = { apiVersion: "v1", resource: "pods" };

const admissionPolicyKind: ObjectKind = {
  apiVersion: "admissionregistration.k8s.io/v1",
  resource: "validatingadmissionpolicies",
};

/** Objects a page. */
const pageSize = 500;

/** Reads and changes single objects of a cluster. Every method throws ClusterError where the API server refuses. */
export class BreakGlassApi {
  constructor(
    private readonly client: ApiClient,
    private readonly connection: Connection,
  ) {}

  /** Who asks, as the API server knows them. Needs no right of its own. */
  async whoAmI(): Promise<{ readonly user: string; readonly groups: readonly string[] }> {
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
    const review = (await change(
      this.connection,
      "POST",
      "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      body,
    )) as {
      status?: { userInfo?: { username?: string; groups?: string[] } };
    };
    return { user: review.status?.userInfo?.username ?? "", groups: review.status?.userInfo?.groups ?? [] };
  }

  /** The object; undefined where there is none. */
  async get(kind: ObjectKind, namespace: string, name: string): Promise<LiveObject | undefined> {
    return await unlessMissing(this.client.get(pathOf(kind, namespace, name)) as Promise<LiveObject>);
  }

  /**
   * All objects of a kind, page by page; undefined where the cluster does not serve it.
   *
   * @param namespace Only those of this namespace. Default: all.
   */
  async list(
    kind: ObjectKind,
    namespace: string | undefined,
    labelSelector: string,
  ): Promise<LiveObject[] | undefined> {
    const path = `${pathOf(kind, namespace)}?${new URLSearchParams({ labelSelector }).toString()}`;
    return await unlessMissing(listAll(this.client, path, pageSize) as Promise<unknown> as Promise<LiveObject[]>);
  }

  async create(kind: ObjectKind, namespace: string, object: KubeObject): Promise<LiveObject> {
    const path = pathOf(kind, namespace);
    const made = (await change(this.connection, "POST", path, object)) as Partial<LiveObject>;
    if (typeof made.metadata?.name !== "string") throw this.client.notUnderstood(path, "no object");
    return made as LiveObject;
  }

  /** Deletes an object with what it owns. False where there is none. */
  async delete(kind: ObjectKind, namespace: string, name: string): Promise<boolean> {
    const options = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background" };
    const done = await unlessMissing(change(this.connection, "DELETE", pathOf(kind, namespace, name), options));
    return done !== undefined;
  }

  /** Sets a label of a pod, or takes it away. False where there is no such pod any more. */
  async label(namespace: string, pod: string, key: string, value: string | null): Promise<boolean> {
    const body = { metadata: { labels: { [key]: value } } };
    const done = await unlessMissing(change(this.connection, "PATCH", pathOf(pods, namespace, pod), body));
    return done !== undefined;
  }

  /** Every ValidatingAdmissionPolicy with a label. */
  async admissionPolicies(labelSelector: string): Promise<LiveObject[]> {
    const found = await this.list(admissionPolicyKind, undefined, labelSelector);
    if (found !== undefined) return found;
    throw new ClusterError(
      `the API server has no ${admissionPolicyKind.resource} of ${admissionPolicyKind.apiVersion} (404), by which break glass is granted: it needs Kubernetes 1.30`,
    );
  }

  /** One ValidatingAdmissionPolicy; undefined where there is none of that name. */
  async admissionPolicy(name: string): Promise<LiveObject | undefined> {
    const path = pathOf(admissionPolicyKind, undefined, name);
    return await unlessMissing(this.client.get(path) as Promise<LiveObject>);
  }

  /** Writes an annotation onto a ValidatingAdmissionPolicy. */
  async annotateAdmissionPolicy(name: string, key: string, value: string): Promise<void> {
    const path = `${pathOf(admissionPolicyKind, undefined, name)}?fieldManager=cluster-security`;
    await change(this.connection, "PATCH", path, { metadata: { annotations: { [key]: value } } });
  }

  /** What the API server calls its version: `v1.36.3`. Everybody may ask. */
  async version(): Promise<string> {
    const { gitVersion } = (await this.client.get("/version")) as { gitVersion?: string };
    return gitVersion ?? "";
  }
}

function pathOf({ apiVersion, resource }: ObjectKind, namespace?: string, name?: string): string {
  const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const parts = [
    ...(namespace === undefined ? [] : ["namespaces", encodeURIComponent(namespace)]),
    resource,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
  ];
  return `${base}/${parts.join("/")}`;
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}
