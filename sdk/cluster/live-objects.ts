import type { KubeObject, Problem, SourcedObject } from "../reachability";
import { ApiError, type ApiClient } from "./api-client";
import { grantedAs, hidesTiers, isTiered } from "./calico-tiers";
import { ciliumConfig, kindsToRead, type KindToRead } from "./kinds";

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
  readonly version: string;
}

/** Group → versions it is served in; undefined where the server does not say. */
type Served = ReadonlyMap<string, readonly string[]> | undefined;

async function servedVersions(client: ApiClient): Promise<Served> {
  try {
    const list = (await client.get("/apis")) as { groups?: { name?: string; versions?: { version?: string }[] }[] };
    const served = new Map<string, readonly string[]>([["", ["v1"]]]);
    for (const group of list.groups ?? []) {
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
    const versions = served === undefined ? kind.versions : (served.get(kind.group) ?? []);
    // A version that is served but not known is asked for too: the engine says that it does not know it.
    const version = kind.versions.find((known) => versions.includes(known)) ?? versions[0];
    if (version !== undefined && !shadowedByAggregation(kind, served)) chosen.push({ kind, version });
  }
  return chosen;
}

/** Calico serves the same policies twice where its API server runs; the v3 form is the documented one. */
function shadowedByAggregation(kind: KindToRead, served: Served): boolean {
  return kind.group === "crd.projectcalico.org" && served !== undefined && served.has("projectcalico.org");
}

async function readKind(client: ApiClient, { kind, version }: ChosenKind, options: LiveOptions): Promise<LiveObjects> {
  const base = kind.group === "" ? `/api/${version}` : `/apis/${kind.group}/${version}`;
  const apiVersion = kind.group === "" ? version : `${kind.group}/${version}`;
  try {
    const items = await listAll(client, `${base}/${kind.plural}`, options.pageSize ?? 500);
    const hidden = isTiered(kind) && (await hidesTiers(client, base, kind.plural));
    return {
      objects: items.map((item) => ({
        // Items of a list do not repeat their kind.
        object: withoutBookkeeping({ ...item, apiVersion, kind: kind.kind }, options),
        source: { cluster: options.cluster },
      })),
      problems: hidden ? [forbidden(kind, options.cluster, " in every tier")] : [],
      unlisted: hidden ? [{ apiVersion, kind: kind.kind }] : [],
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) return nothing;
    if (error.status === 403) {
      const unlisted = [{ apiVersion, kind: kind.kind }];
      return { objects: [], problems: [forbidden(kind, options.cluster)], unlisted };
    }
    throw error;
  }
}

function forbidden(kind: KindToRead, cluster: string, where = ""): Problem {
  const resource = kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
  const names = grantedAs(kind);
  const of = names.length === 1 ? "" : ` of ${names.join(" and ")}`;
  return {
    code: "unreadable",
    message: `the role may not list ${resource}${where}: grant it get and list${of}`,
    source: { cluster },
    affectsVerdicts: kind.forbidden === "verdicts",
  };
}

interface Page {
  readonly items?: readonly Record<string, unknown>[];
  readonly metadata?: { readonly continue?: string };
}

/** How often a list is begun again because its continue token expired (410) before it gives up. */
const restarts = 3;

/** All pages of a list. A token that expires on the way (410 Gone) begins the list again, so the list is one moment's. */
export async function listAll(client: ApiClient, path: string, pageSize: number): Promise<Record<string, unknown>[]> {
  for (let restart = 0; ; restart++) {
    try {
      const items: Record<string, unknown>[] = [];
      let token: string | undefined;
      do {
        const query = new URLSearchParams({ limit: String(pageSize), ...(token ? { continue: token } : {}) });
        const page = (await client.get(`${path}${path.includes("?") ? "&" : "?"}${query.toString()}`)) as Page;
        // one by one: a page is larger than the number of arguments a call may have
        for (const item of page.items ?? []) items.push(item);
        token = page.metadata?.continue || undefined;
      } while (token !== undefined);
      return items;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 410 && restart < restarts)) throw error;
    }
  }
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
