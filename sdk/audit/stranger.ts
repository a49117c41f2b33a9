/** Whether a baseline is this cluster's at all. */
import { defaultTiers } from "../findings/types";
import type { SourcedObject } from "../reachability";
import { isPolicy } from "../reachability";
import type { Compared } from "./candidates";
import { builtInNamespaces } from "./open-namespaces";
import type { AuditInput, AuditResult } from "./types";

/**
 * Why a baseline is not this cluster's: none of its namespaces is here, and where it has none, none of its policies.
 * Clusterwide policies alone prove nothing: each cluster that this package secures has those of the same names.
 */
export function strangerTo(
  { baseline, live }: AuditInput,
  { baseline: meant, live: found }: Compared,
): string | undefined {
  const policies = [...meant].filter(([, { object }]) => isPolicy(object.apiVersion, object.kind));
  if (policies.length === 0) return "the baseline holds no policy, so there is nothing to compare";
  const homes = [...namesOfHomes(baseline)].filter((name) => !platform.has(name));
  const here = namesOfHomes(live.filter(({ object }) => object.kind === "Namespace" && object.apiVersion === "v1"));
  // where namespaces may not be listed, what lies in them tells
  const places = here.size > 0 ? here : namesOfHomes(live);
  const isHere = homes.length > 0 ? homes.some((name) => places.has(name)) : policies.some(([key]) => found.has(key));
  if (isHere) return undefined;
  const what = homes.length > 0 ? "none of its namespaces" : "none of its policies";
  return `the baseline has nothing in common with the cluster: ${what} is there. Is it another cluster's, or is the context the wrong one?`;
}

/** Namespaces that many clusters have. */
const platform: ReadonlySet<string> = new Set([
  ...builtInNamespaces,
  ...defaultTiers.exemptNamespaces,
  ...defaultTiers.platformNamespaces,
]);

function namesOfHomes(objects: readonly SourcedObject[]): ReadonlySet<string> {
  return new Set(
    objects.flatMap(({ object: { kind, metadata } }) => {
      const name: unknown = kind === "Namespace" ? metadata?.name : metadata?.namespace;
      return typeof name === "string" ? [name] : [];
    }),
  );
}

/** An audit that could compare nothing. */
export function inconclusive(gaps: readonly string[], live: readonly SourcedObject[]): AuditResult {
  const count = live.filter(({ object }) => object.kind === "Namespace").length;
  return { verdict: "inconclusive", drifts: [], gaps, compared: { policies: 0, namespaces: count, workloads: 0 } };
}

/** A state tells the identifiers of its objects. Where none of them is the cluster's, another cluster has the same names. */
export function otherUids({ baseline, live }: Compared): readonly string[] {
  const uids = [...baseline].flatMap(([key, { object }]) => {
    const [was, is] = [object.metadata?.["uid"], live.get(key)?.object.metadata?.["uid"]];
    return typeof was === "string" && typeof is === "string" ? [was === is] : [];
  });
  if (uids.length === 0 || uids.includes(true)) return [];
  return [
    "every object of the baseline has another uid in the cluster: all of them were made anew, or the baseline is another cluster's",
  ];
}
