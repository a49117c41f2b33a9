/** What is granted, as the cluster's own admission policies say. */
import type { Grant, GrantedPolicy, GrantedSubject, NamespaceGrants } from "../../plan";
import { describeSubject, durationText, grantsLabel, grantsLabelValue, readGrants } from "../../plan";
import { ClusterError } from "../errors";
import type { BreakGlassApi, ObjectKind } from "./api";
import { bypassKinds } from "./kinds";

/** The grants of every namespace. @throws ClusterError where they cannot be read or are not what this package writes. */
export async function grantsOf(api: BreakGlassApi): Promise<NamespaceGrants[]> {
  const policies = await api.admissionPolicies(`${grantsLabel}=${grantsLabelValue}`);
  return policies.flatMap(({ metadata }) => {
    try {
      return readGrants(metadata.annotations ?? {}) ?? [];
    } catch {
      throw new ClusterError(
        `the grants of ValidatingAdmissionPolicy ${metadata.name} cannot be read: deploy the declaration again`,
      );
    }
  });
}

/** Kinds in which there may be bypasses of these grants, or of earlier ones. */
export function kindsOf(granted: readonly NamespaceGrants[]): readonly ObjectKind[] {
  const own = granted.flatMap(({ grants }) =>
    grants.flatMap(({ subjects }) => subjects.flatMap(({ policies }) => policies)),
  );
  const kinds = [...bypassKinds, ...own.map(kindOf)];
  return [...new Map(kinds.map((kind) => [`${kind.apiVersion}/${kind.resource}`, kind])).values()];
}

/** The kind of a granted policy. */
export function kindOf({ apiVersion, resource }: GrantedPolicy): ObjectKind {
  return { apiVersion, resource };
}

/** What somebody asks for. */
export interface Wish {
  readonly namespace: string;
  /** Name of the workload; absent: any pod of the namespace. */
  readonly workload?: string;
  readonly seconds: number;
  /** Name of the grant. Absent: the first that covers the wish. */
  readonly grant?: string;
  readonly groups: readonly string[];
}

/** A grant that covers a wish, and what it opens. */
export interface Choice {
  readonly grant: Grant;
  readonly subject: GrantedSubject;
}

/**
 * The grant that covers a wish: for the workload itself before one for its namespace.
 *
 * @returns A sentence that says why there is none, otherwise.
 */
export function chooseGrant(granted: readonly NamespaceGrants[], wish: Wish): Choice | string {
  const { namespace, workload, seconds, groups } = wish;
  const of = describeSubject(namespace, workload);
  const here = granted.filter((one) => one.namespace === namespace).flatMap(({ grants }) => grants);
  if (here.length === 0)
    return `nothing is granted in namespace ${namespace}: declare it in breakGlass and deploy that`;
  const named = wish.grant === undefined ? here : here.filter(({ name }) => name === wish.grant);
  if (named.length === 0) return `there is no grant "${wish.grant}" in namespace ${namespace}: ${namesOf(here)}`;
  const covering = named.flatMap((grant) =>
    grant.subjects
      .filter((one) => one.workload === undefined || one.workload === workload)
      .map((subject) => ({ grant, subject })),
  );
  if (covering.length === 0) return `no grant is for ${of}: ${namesOf(named)}`;
  const own = covering.filter(({ grant }) => grant.groups.some((group) => groups.includes(group)));
  if (own.length === 0) {
    const whom = [...new Set(covering.flatMap(({ grant }) => grant.groups))].sort();
    return `bypasses of ${of} are granted to ${whom.join(", ")}, and you are in none of these groups`;
  }
  const long = own.filter(({ grant }) => grant.maxSeconds >= seconds);
  const [first] = long.sort(
    (a, b) => Number(a.subject.workload === undefined) - Number(b.subject.workload === undefined),
  );
  return first ?? `that is longer than is granted: ${namesOf(own.map(({ grant }) => grant))}`;
}

function namesOf(grants: readonly Grant[]): string {
  return [...new Set(grants.map(describeGrant))].join("; ");
}

function describeGrant({ name, subjects, maxSeconds }: Grant): string {
  const whose = subjects.map(({ workload }) => workload ?? "all pods").join(", ");
  return `${name} is for ${whose}, at most ${durationText(maxSeconds)}`;
}
