import type { KubeObject, Problem, SourcedObject } from "../reachability";
import type { ApiClient } from "./api-client";
import { grantedAs, hidesTiers, isTiered } from "./calico-tiers";
import { ApiError } from "./errors";
import { ciliumConfig, kindsToRead, type KindToRead } from "./kinds";
import { listAll } from "./list-all";

export interface LiveOptions {
  /** Objects a page. Default 500, as kubectl asks for. */
  readonly pageSize?: number;
  /** Kinds read at the same time. Default 4. */
  readonly concurrency?: number;
  /** How the cluster is called in problems and explanations. */
  readonly cluster: string;
  /** Kinds that are read besides those that verdicts depend on. Default: none. */
  readonly more?: readonly KindToRead[];
  /** Keeps `metadata.managedFields`, which are half of most objects, of these kinds. Default: of none. */
  readonly keepsManagers?: (kind: string) => boolean;
}

/** What was read of a cluster, and what could not be. */
export interface LiveObjects {
  readonly objects: readonly SourcedObject[];
  readonly problems: readonly Problem[];
  /** Kinds that the role may not list, or not all of. */
  readonly unlisted: readonly { readonly apiVersion: string; readonly kind: string }[];
}

/**
 * Reads what verdicts depend on from a live cluster. Needs `get` and `list` only. A kind that the cluster does not have
 * is absent; a kind that the role may not list becomes a problem.
 *
 * @throws ClusterError where the API server cannot be reached, or refuses who asks altogether (401).
 */
export async function readLiveObjects(client: ApiClient, options: LiveOptions): Promise<LiveObjects> {
  const served = await servedVersions(client);
  const kinds = chooseKinds([...kindsToRead, ...(options.more ?? [])], served);
  const results = await inParallel(kinds, options.concurrency ?? 4, (chosen) => readKind(client, chosen, options));
  const config = await readCiliumConfig(client, served, options);
  // The order of `kindsToRead` and of the server, whatever came first.
  return {
    objects: [...results.flatMap((result) => result.objects), ...config.objects],
    problems: [...results.flatMap((result) => result.problems), ...config.problems],
    unlisted: [...results.flatMap((result) => result.unlisted), ...config.unlisted],
  };
}

const nothing: LiveObjects = { objects: [], problems: [], unlisted: [] };

interface ChosenKind {
  readonly kind: KindToRead;
  /** Those in which it may be served, best first: its group may have versions that it has not. */
  readonly versions: readonly string[];
}

/** Group → versions it is served in; undefined where the server does not say. */
type Served = ReadonlyMap<string, readonly string[]> | undefined;

async function servedVersions(client: ApiClient): Promise<Served> {
  try {
    const list = (await client.get("/apis")) as { groups?: { name?: string; versions?: { version?: string }[] }[] };
    if (!Array.isArray(list.groups)) throw client.notUnderstood("/apis", "no list of API groups");
    const served = new Map<string, readonly string[]>([["", ["v1"]]]);
    for (const group of list.groups) {
      if (group.name !== undefined) {
        served.set(
          group.name,
          (group.versions ?? []).flatMap(({ version }) => (version === undefined ? [] : [version])),
        );
      }
    }
    return served;
  } catch (error) {
    // Whoever may not ask what there is can still ask for each thing.
    if (error instanceof ApiError && error.status === 403) return undefined;
    throw error;
  }
}

function chooseKinds(kinds: readonly KindToRead[], served: Served): ChosenKind[] {
  const chosen: ChosenKind[] = [];
  for (const kind of kinds) {
    const versions = versionsOf(kind, served);
    if (versions.length > 0 && !shadowedByAggregation(kind, served)) chosen.push({ kind, versions });
  }
  return chosen;
}

function versionsOf({ versions: known, group, isEverywhere }: KindToRead, served: Served): readonly string[] {
  const versions = served === undefined ? known : (served.get(group) ?? (isEverywhere ? known : []));
  const both = known.filter((version) => versions.includes(version));
  // A version that is served but not known is asked for too: the engine says that it does not know it.
  return both.length > 0 ? both : versions.slice(0, 1);
}

/** Calico serves the same policies twice where its API server runs; the v3 form is the documented one. */
function shadowedByAggregation(kind: KindToRead, served: Served): boolean {
  return kind.group === "crd.projectcalico.org" && served !== undefined && served.has("projectcalico.org");
}

async function readKind(client: ApiClient, { kind, versions }: ChosenKind, options: LiveOptions): Promise<LiveObjects> {
  for (const version of versions) {
    const found = await readVersion(client, kind, version, options);
    if (found !== undefined) return found;
  }
  return kind.isEverywhere ? unread(kind, versions[0] ?? "", missing(kind, options.cluster)) : nothing;
}

/** Undefined where the kind is not served in this version. */
async function readVersion(
  client: ApiClient,
  kind: KindToRead,
  version: string,
  options: LiveOptions,
): Promise<LiveObjects | undefined> {
  const base = kind.group === "" ? `/api/${version}` : `/apis/${kind.group}/${version}`;
  try {
    const items = await listAll(client, `${base}/${kind.plural}`, options.pageSize ?? 500);
    const hidden = isTiered(kind) && (await hidesTiers(client, base, kind.plural));
    const apiVersion = apiVersionOf(kind, version);
    return {
      ...(hidden ? unread(kind, version, forbidden(kind, options.cluster, " in every tier")) : nothing),
      objects: items.map((item) => ({
        // Items of a list do not repeat their kind.
        object: withoutBookkeeping({ ...item, apiVersion, kind: kind.kind }, options),
        source: { cluster: options.cluster },
      })),
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) return undefined;
    if (error.status === 403) return unread(kind, version, forbidden(kind, options.cluster));
    throw error;
  }
}

function apiVersionOf({ group }: KindToRead, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

function unread(kind: KindToRead, version: string, problem: Problem): LiveObjects {
  return {
    objects: [],
    problems: [problem],
    unlisted: [{ apiVersion: apiVersionOf(kind, version), kind: kind.kind }],
  };
}

function missing(kind: KindToRead, cluster: string): Problem {
  return {
    code: "unreadable",
    message: `the API server has no ${resourceOf(kind)} (404), which every Kubernetes has: does the context lead to one, and is the path of its server right?`,
    source: { cluster },
    affectsVerdicts: true,
  };
}

function resourceOf({ group, plural }: KindToRead): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function forbidden(kind: KindToRead, cluster: string, where = ""): Problem {
  const names = grantedAs(kind);
  const of = names.length === 1 ? "" : ` of ${names.join(" and ")}`;
  return {
    code: "unreadable",
    message: `the role may not list ${resourceOf(kind)}${where}: grant it get and list${of}`,
    source: { cluster },
    affectsVerdicts: kind.forbidden === "verdicts",
  };
}

/** Without what only the server's own machinery needs; managedFields are half of most objects. */
function withoutBookkeeping(object: KubeObject, { keepsManagers }: LiveOptions): KubeObject {
  if (object.metadata === undefined || keepsManagers?.(object.kind) === true) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

async function readCiliumConfig(client: ApiClient, served: Served, options: LiveOptions): Promise<LiveObjects> {
  if (served !== undefined && !served.has("cilium.io")) return nothing;
  const source = { cluster: options.cluster };
  try {
    const object = (await client.get(
      `/api/v1/namespaces/${ciliumConfig.namespace}/configmaps/${ciliumConfig.name}`,
    )) as KubeObject;
    return {
      objects: [{ object: withoutBookkeeping({ ...object, apiVersion: "v1", kind: "ConfigMap" }, options), source }],
      problems: [],
      unlisted: [],
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) return nothing;
    if (error.status !== 403) throw error;
    // Cilium's kinds may be there without its agent; only where they are does its configuration matter.
    if (served === undefined) return nothing;
    const name = `${ciliumConfig.namespace}/${ciliumConfig.name}`;
    const message = `the role may not get ConfigMap ${name}, so Cilium's defaults are assumed: grant it, or name the enforcer (--cni cilium@VERSION)`;
    const unlisted = [{ apiVersion: "v1", kind: "ConfigMap" }];
    return { objects: [], problems: [{ code: "unreadable", message, source, affectsVerdicts: false }], unlisted };
  }
}

async function inParallel<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
