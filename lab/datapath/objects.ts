/** Objects on the API server, as far as the lab makes and removes them itself. */
import type { ApiClient, ApiResponse } from "../control-plane/index";

/** A Kubernetes object as YAML gives it. */
export interface LabObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly specs?: unknown;
}

const plurals: Readonly<Record<string, string>> = {
  Namespace: "namespaces",
  Pod: "pods",
  ServiceAccount: "serviceaccounts",
  Service: "services",
  EndpointSlice: "endpointslices",
  NetworkPolicy: "networkpolicies",
  CiliumNetworkPolicy: "ciliumnetworkpolicies",
  CiliumClusterwideNetworkPolicy: "ciliumclusterwidenetworkpolicies",
  CiliumCIDRGroup: "ciliumcidrgroups",
  ClusterNetworkPolicy: "clusternetworkpolicies",
  AdminNetworkPolicy: "adminnetworkpolicies",
  BaselineAdminNetworkPolicy: "baselineadminnetworkpolicies",
  Tier: "tiers",
  GlobalNetworkPolicy: "globalnetworkpolicies",
  StagedNetworkPolicy: "stagednetworkpolicies",
  StagedGlobalNetworkPolicy: "stagedglobalnetworkpolicies",
  StagedKubernetesNetworkPolicy: "stagedkubernetesnetworkpolicies",
  NetworkSet: "networksets",
  GlobalNetworkSet: "globalnetworksets",
  HostEndpoint: "hostendpoints",
};

/** Where objects of this kind (in this namespace) are created. @throws Error for a kind that the lab does not know */
export function collectionPath(object: LabObject): string {
  const plural = plurals[object.kind];
  if (plural === undefined) throw new Error(`${object.kind} is no kind that the lab applies by itself`);
  const base = object.apiVersion.includes("/") ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
  const { namespace } = object.metadata;
  return namespace === undefined ? `${base}/${plural}` : `${base}/namespaces/${namespace}/${plural}`;
}

export function objectPath(object: LabObject): string {
  return `${collectionPath(object)}/${object.metadata.name}`;
}

/** What the API server answered, and whether the object is another than before. */
export interface Written extends ApiResponse {
  readonly changed: boolean;
}

/** Creates an object as it is written; one of that name that is there already is replaced. */
export async function createOrReplace(client: ApiClient, object: LabObject): Promise<Written> {
  const created = await client.call("POST", collectionPath(object), object);
  if (created.status !== 409) return { ...created, changed: created.status < 300 };
  const { body } = await client.call("GET", objectPath(object));
  const { resourceVersion } = (body as { metadata: { resourceVersion: string } }).metadata;
  const written = await client.call("PUT", objectPath(object), {
    ...object,
    metadata: { ...object.metadata, resourceVersion },
  });
  const { metadata } = written.body as { metadata?: { resourceVersion?: string } };
  return { ...written, changed: written.status < 300 && metadata?.resourceVersion !== resourceVersion };
}

/** What the API server said about a request that it refused. */
export function refusal({ status, body }: ApiResponse): string {
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : `status ${status}`;
}
