/**
 * Policies that tenants write themselves, and the proof that they weaken nothing: the engine computes what crosses the
 * boundary of a tenant with and without each of them, over every pod that could be started.
 */
import type { KubeObject, Peer, Reachability, Workload } from "../../reachability/index";
import { diff, policyKindOf, readersOf } from "../../reachability/index";
import type { DraftDocument } from "../documents";
import { logicalNameOf, managedByLabel } from "../documents";
import type { DeclarationProblem } from "../errors";
import { DeclarationError } from "../errors";
import type { Model, ModelTenant, TenantPolicy } from "../model";
import { anyPod, elsewhere, ordinaryPod, worldOf } from "./imagined-cluster";

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
  // what a tenant writes may isolate, so every flow of the namespace comes first
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
    step: 3,
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
  const pods = new Map(after.snapshot.workloads.map((workload) => [workload.id, workload]));
  const isOwn = (id: string): boolean => own.has(pods.get(id)?.namespace ?? "");
  for (const entry of diff(before, after)) {
    const [from, to] = [isOwn(entry.sourceId), isOwn(entry.destinationId)];
    const more = entry.after.possible.subtract(entry.before.possible);
    if (from === to || more.isEmpty()) continue;
    const [source, destination] = [entry.sourceId, entry.destinationId].map((id) => nameOf(pods.get(id)) ?? id);
    yield `${source} → ${destination} (${more.toString()})`;
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

/** What a pod of the imagined cluster stands for; nothing for an address range. */
function nameOf(pod: Workload | undefined): string | undefined {
  if (pod === undefined) return undefined;
  if (pod.namespace === elsewhere) return "namespaces that are not declared";
  return [anyPod, ordinaryPod].includes(pod.name) ? `pods of ${pod.namespace}` : `${pod.namespace}/${pod.name}`;
}

function gained(before: Reachability, after: Reachability, source: Peer, destination: Peer): string | undefined {
  const was = before.traffic(source, destination).possible;
  const more = after.traffic(source, destination).possible.subtract(was);
  return more.isEmpty() ? undefined : more.toString();
}

/** The first enforcer that reads both the policies of the declaration and the tenant's. */
function enforcerOf(model: Model, { apiVersion, kind }: KubeObject): string | undefined {
  const own = policyKindOf(apiVersion, kind)?.dialect;
  return readersOf(own === undefined ? [model.dialect] : [model.dialect, own])[0];
}
