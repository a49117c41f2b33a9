/** GitOps tools that apply an object again when somebody else changes it. */
import type { ApiClient } from "../cluster";
import { gitopsKinds } from "../cluster/gitops-kinds";
import type { KubeObject } from "../reachability";

/** A Kustomization or HelmRelease of Flux, or an Argo CD Application. */
export interface GitopsOwner {
  readonly tool: "flux" | "argocd";
  readonly kind: keyof typeof gitopsKinds;
  readonly name: string;
  readonly namespace: string;
}

/** Who applies these objects, by the marks that the tools leave on them; each once. */
export function ownersIn(objects: readonly KubeObject[]): readonly GitopsOwner[] {
  const owners = new Map<string, GitopsOwner>();
  for (const object of objects) {
    const owner = ownerOf(object);
    if (owner !== undefined) owners.set(`${owner.kind} ${owner.namespace}/${owner.name}`, owner);
  }
  return [...owners.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function ownerOf({ metadata }: KubeObject): GitopsOwner | undefined {
  const { labels = {}, annotations = {} } = (metadata ?? {}) as {
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  for (const kind of ["kustomization", "helmrelease"] as const) {
    const { group } = gitopsKinds[kind];
    const name = labels[`${group}/name`];
    if (name !== undefined) {
      return { tool: "flux", kind, name, namespace: labels[`${group}/namespace`] ?? "flux-system" };
    }
  }
  const argo = annotations["argocd.argoproj.io/tracking-id"]?.split(":")[0] ?? labels["argocd.argoproj.io/instance"];
  if (argo === undefined) return undefined;
  // an Application outside Argo CD's own namespace is called by both; no name of an object has a low line
  const [first = "", second] = argo.split("_");
  const [namespace, name] = second === undefined ? ["argocd", first] : [first, second];
  return { tool: "argocd", kind: "application", name, namespace };
}

/** Those that are not known to be suspended. */
export async function unsuspended(owners: readonly GitopsOwner[], client: ApiClient): Promise<readonly GitopsOwner[]> {
  const states = await Promise.all(owners.map((owner) => isSuspended(owner, client)));
  return owners.filter((_, index) => states[index] !== true);
}

async function isSuspended({ kind, name, namespace }: GitopsOwner, client: ApiClient): Promise<boolean> {
  const { group, version, plural } = gitopsKinds[kind];
  try {
    const object = (await client.get(
      `/apis/${group}/${version}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}`,
    )) as { spec?: { suspend?: unknown; syncPolicy?: { automated?: { enabled?: unknown } | null } } };
    if (kind !== "application") return object.spec?.suspend === true;
    const automated = object.spec?.syncPolicy?.automated;
    return automated === undefined || automated === null || automated.enabled === false;
  } catch {
    // it may not be read, or is not there: nobody knows
    return false;
  }
}

/**
 * What to do, in order. Suspending alone changes nothing: what is applied stays enforced. It only keeps the tool from bringing
 * back what the rollback changes, until the commit says the same.
 */
export function stepsWith(
  owners: readonly GitopsOwner[],
  { to, context }: { to: string; context: string },
): readonly string[] {
  const tools = [...new Set(owners.map(({ tool }) => (tool === "flux" ? "Flux" : "Argo CD")))].join(" and ");
  const pause = (owner: GitopsOwner): string =>
    owner.tool === "flux"
      ? `flux suspend ${owner.kind} ${owner.name} --namespace ${owner.namespace} --context ${context}`
      : `argocd app set ${owner.namespace}/${owner.name} --sync-policy none`;
  const goOn = (owner: GitopsOwner): string =>
    owner.tool === "flux"
      ? `flux resume ${owner.kind} ${owner.name} --namespace ${owner.namespace} --context ${context}`
      : `argocd app set ${owner.namespace}/${owner.name} --sync-policy automated --auto-prune --self-heal`;
  return [
    `${tools} applies these policies and would bring back what is changed here. Nothing was changed.`,
    "1. Keep it from interfering. This alone changes nothing: policies that are applied stay enforced.",
    ...owners.map((owner) => `   ${pause(owner)}`),
    "2. Roll back in the cluster:",
    `   repeat this command (it goes on once it sees the suspension, or with --suspended)`,
    "3. Commit the same change, or it comes back with the next step:",
    `   ${commitOf(to)}`,
    "4. Let it go on:",
    ...owners.map((owner) => `   ${goOn(owner)}`),
  ];
}

function commitOf(to: string): string {
  const [, revision, below] = /^git:([^:]+)(?::(.*))?$/.exec(to) ?? [];
  if (revision === undefined)
    return `render the declaration that belongs to ${to} (cluster-security render), and commit`;
  return `git restore --source ${revision} -- ${below === undefined || below === "" ? "." : below} && git commit`;
}
