/**
 * Policies that tenants write themselves, and the proof that they weaken nothing: the engine computes what crosses the
 * boundary of a tenant with and without each of them, over every pod that could be started.
 */
import type { KubeObject, Peer, Reachability } from "../../reachability/index";
import { buildSnapshot, compile, diff, profileFor, unknownValue } from "../../reachability/index";
import { Dialect, Tier } from "../declaration";
import type { DraftDocument } from "../documents";
import { logicalNameOf, managedByLabel } from "../documents";
import type { DeclarationProblem } from "../errors";
import { DeclarationError } from "../errors";
import type { Model, ModelTenant, ModelWorkload, TenantPolicy } from "../model";

/** Stands for every namespace that the declaration does not know; no namespace may be called so. */
const elsewhere = "Elsewhere";
/**
 * Stand for every pod that could be started in a namespace. The labels of both are anything; the account of the one is
 * anything too, the other's is the one that everybody has: an identity that rests on an account is not theirs to take.
 */
const anyPod = "any-pod";
const ordinaryPod = "any-pod-of-account-default";
/** Openings named in one refusal. */
const mostNamed = 3;

/**
 * A plan's policies with those of its tenants, each after the flows of its namespace.
 *
 * @throws DeclarationError for each policy that opens more across its tenant's boundary than the declaration does.
 */
export function withTenantPolicies(model: Model, baseline: readonly DraftDocument[]): readonly DraftDocument[] {
  const problems: DeclarationProblem[] = [];
  const added = model.tenants.flatMap((tenant) => {
    const before = new Map<string, Reachability>();
    return tenant.policies.map((policy): DraftDocument => {
      problems.push(...weaknesses(model, tenant, policy, baseline, before));
      return documentOf(policy.object, baseline);
    });
  });
  if (problems.length > 0) throw new DeclarationError(problems);
  return added.length === 0 ? baseline : [...baseline, ...added];
}

function documentOf(object: KubeObject, baseline: readonly DraftDocument[]): DraftDocument {
  const { metadata, apiVersion, kind, ...sections } = object;
  const { name, namespace, labels, annotations } = metadata as {
    name: string;
    namespace: string;
    labels?: Readonly<Record<string, string>>;
    annotations?: Readonly<Record<string, string>>;
  };
  // what a tenant writes may isolate, so every flow of the namespace stands first
  const flows = baseline.filter(
    ({ stage, object: other }) => stage === "flows" && other.metadata.namespace === namespace,
  );
  return {
    stage: "flows",
    object: {
      apiVersion,
      kind,
      metadata: {
        name,
        namespace,
        labels: { ...labels, ...managedByLabel },
        ...(annotations === undefined ? {} : { annotations }),
      },
      ...sections,
    },
    after: flows.map(logicalNameOf),
  };
}

/**
 * What a policy opens across its tenant's boundary. Everybody else's side is taken as open: a boundary that holds only
 * because the other tenant is careful is none. Each policy is judged by itself, so that no deny of another hides it.
 */
function weaknesses(
  model: Model,
  tenant: ModelTenant,
  { path, object }: TenantPolicy,
  baseline: readonly DraftDocument[],
  worlds: Map<string, Reachability>,
): readonly DeclarationProblem[] {
  const enforcer = enforcerOf(model, object);
  if (enforcer === undefined) {
    const fix = "Write it in the dialect of the declaration, or as a NetworkPolicy.";
    return [{ path, kind: "policy", message: "is not read by the enforcer of this cluster", fix }];
  }
  const before = worlds.get(enforcer) ?? worldOf(model, tenant, baseline, enforcer);
  worlds.set(enforcer, before);
  const after = worldOf(model, tenant, baseline, enforcer, object);
  const known = new Set(before.snapshot.problems.map(({ message }) => message));
  const unread = after.snapshot.problems.filter(({ message }) => !known.has(message));
  if (unread.length > 0) {
    const reasons = [...new Set(unread.map(({ message }) => message))].join("; ");
    const fix = "Write it so that what it opens can be computed.";
    return [{ path, kind: "policy", message: `is not understood: ${reasons}`, fix }];
  }
  const opened = [...new Set([...openedPaths(tenant, before, after, namesIn(object))])];
  if (opened.length === 0) return [];
  const rest = opened.length > mostNamed ? `, and ${opened.length - mostNamed} more` : "";
  return [
    {
      path,
      kind: "policy",
      message: `weakens the boundary of tenant ${tenant.name}: it opens ${opened.slice(0, mostNamed).join("; ")}${rest}`,
      fix: "Keep it to the tenant's own namespaces. Whatever crosses the boundary is declared: as a flow, or as an exception.",
    },
  ];
}

function* openedPaths(
  tenant: ModelTenant,
  before: Reachability,
  after: Reachability,
  names: readonly string[],
): Iterable<string> {
  const own = new Set(tenant.namespaces);
  const isOwn = (id: string): boolean => own.has(id.slice(0, Math.max(id.indexOf("/"), 0)));
  for (const entry of diff(before, after)) {
    const [from, to] = [isOwn(entry.sourceId), isOwn(entry.destinationId)];
    const more = entry.after.possible.subtract(entry.before.possible);
    if (from === to || more.isEmpty()) continue;
    yield `${nameOf(entry.sourceId)} → ${nameOf(entry.destinationId)} (${more.toString()})`;
  }
  // what the table of workloads and addresses does not hold: the nodes, the API server, and names
  const others: readonly (readonly [string, Peer])[] = [
    ["the nodes", { kind: "node", where: "remote" }],
    ["the pod's own node", { kind: "node", where: "local" }],
    ["the API server", { kind: "kubeApiserver" }],
    ...names.map((name): [string, Peer] => [name, { kind: "fqdn", name }]),
  ];
  for (const namespace of tenant.namespaces) {
    for (const standing of [anyPod, ordinaryPod]) {
      const pod: Peer = { kind: "workload", id: `${namespace}/${standing}[Pod]` };
      for (const [name, other] of others) {
        const out = gained(before, after, pod, other);
        if (out !== undefined) yield `pods of ${namespace} → ${name} (${out})`;
        const into = other.kind === "fqdn" ? undefined : gained(before, after, other, pod);
        if (into !== undefined) yield `${name} → pods of ${namespace} (${into})`;
      }
    }
  }
}

/** DNS names that a policy may be about, one for each of its patterns. */
function namesIn(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]: [string, unknown]): readonly string[] => {
    if (typeof item !== "string") return namesIn(item);
    if (key !== "matchName" && key !== "matchPattern") return [];
    return [item.replace(/^\*\*\./, "any.depth.").replace(/\*+/g, "any")];
  });
}

function gained(before: Reachability, after: Reachability, source: Peer, destination: Peer): string | undefined {
  const was = before.traffic(source, destination).possible;
  const more = after.traffic(source, destination).possible.subtract(was);
  return more.isEmpty() ? undefined : more.toString();
}

function nameOf(id: string): string {
  if (id.startsWith(`${elsewhere}/`)) return "namespaces that are not declared";
  const standing = /^(.*)\/any-pod(-of-account-default)?\[Pod\]$/.exec(id);
  return standing === null ? id.replace(/\[[A-Z][A-Za-z]*\]$/, "") : `pods of ${standing[1]}`;
}

function worldOf(
  model: Model,
  tenant: ModelTenant,
  baseline: readonly DraftDocument[],
  enforcer: string,
  policy?: KubeObject,
): Reachability {
  const names = [...model.namespaces.keys(), elsewhere];
  const objects: KubeObject[] = [
    ...[...model.namespaces.values()].map(({ name, labels, existing }) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: existing ? { name } : { name, labels: { ...labels } },
    })),
    // anybody may label it
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: elsewhere, labels: unknownValue },
    } as unknown as KubeObject,
    ...names.flatMap((name) => [standIn(name, anyPod, unknownValue), standIn(name, ordinaryPod, "default")]),
    ...[...model.workloads.values()].map(podOf),
    ...baseline.map(({ object }) => object as unknown as KubeObject),
    ...names.filter((name) => isOther(model, tenant, name)).map(openDoor),
    ...(policy === undefined ? [] : [policy]),
  ];
  const profile = profileFor(enforcer);
  const clusterNetworkPolicy = profile.clusterNetworkPolicy || model.dialect === Dialect.ClusterNetworkPolicy;
  const snapshot = buildSnapshot(
    objects.map((object) => ({ object })),
    { profile: { ...profile, clusterNetworkPolicy } },
  );
  return compile(snapshot);
}

/** The enforcer that reads a policy; where the declaration is in Kubernetes' own dialects, the policy may say. */
function enforcerOf(model: Model, { apiVersion }: KubeObject): string | undefined {
  const own = apiVersion.startsWith("cilium.io/")
    ? "cilium"
    : apiVersion.startsWith("projectcalico.org/")
      ? "calico"
      : "";
  const chosen = model.dialect === Dialect.Cilium ? "cilium" : model.dialect === Dialect.Calico ? "calico" : "";
  if (own !== "" && chosen !== "" && own !== chosen) return undefined;
  return [own, chosen, "kubernetes"].find((name) => name !== "");
}

function isOther(model: Model, tenant: ModelTenant, namespace: string): boolean {
  return !tenant.namespaces.includes(namespace) && model.namespaces.get(namespace)?.tier !== Tier.Platform;
}

function standIn(namespace: string, name: string, serviceAccountName: unknown): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: unknownValue },
    spec: { serviceAccountName, containers: [] },
  } as unknown as KubeObject;
}

function podOf({ name, namespace, labels, serviceAccount, hostNetwork, ports }: ModelWorkload): KubeObject {
  const served = ports.map((port) => ({
    containerPort: port.from,
    protocol: port.protocol,
    ...(port.name === undefined ? {} : { name: port.name }),
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { ...labels } },
    spec: {
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
      hostNetwork,
      containers: [{ name, ports: served }],
    },
  };
}

/** Lets everything in and out, as a careless owner of the namespace might; every enforcer reads it. */
function openDoor(namespace: string): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "open-door", namespace },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{}], egress: [{}] },
  };
}
