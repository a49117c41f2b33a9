/** Snapshots of one cluster under changing sets of policies. */
import type { KubeObject } from "../model/objects";
import type { EnforcerProfile } from "../model/profile";
import type { PolicySource } from "../model/policy-source";
import type { CompiledPolicy } from "../model/rules";
import type { Snapshot } from "../model/snapshot";
import { readSnapshot } from "./build";
import { identityOf } from "./identity";
import { policyKindOf } from "./kinds";

/** What a policy was read as. */
interface Read {
  readonly sources: PolicySource[];
  readonly compiled: CompiledPolicy[];
}

/** The cluster with what policies refer to, and the policies that were read in it, once one of them was needed. */
interface Context {
  readonly others: readonly KubeObject[];
  readonly base: Snapshot;
  read: ReadonlyMap<KubeObject, Read> | undefined;
}

/**
 * Reads every policy once, instead of once for each set that it is in. Everything is read anew where something else comes
 * or goes: tiers and sets of addresses, which policies refer to, and the policies of a mesh, which are read together.
 */
export class PolicyVariants {
  readonly #namespaces: ReadonlySet<string | undefined>;
  /** All policies that are to come and that nothing else decides about; two versions of one are in different groups. */
  readonly #groups: readonly (readonly KubeObject[])[];
  /** The first, which the caller may come back to, and the last. */
  #contexts: readonly Context[] = [];

  /** @param known All policies that are to come, in every version of them. */
  constructor(
    private readonly cluster: readonly KubeObject[],
    known: readonly KubeObject[],
    private readonly profile: EnforcerProfile,
  ) {
    const declared = cluster.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata?.name);
    this.#namespaces = new Set([undefined, ...declared]);
    this.#groups = withDistinctNames(known.filter((policy) => this.#isByItself(policy)));
  }

  /** The snapshot with these policies. Its problems are those of the cluster and what policies refer to. */
  with(policies: readonly KubeObject[]): Snapshot {
    const others = policies.filter((policy) => !this.#isByItself(policy));
    // one of the sets that come needs them: reading them first reads the cluster once
    const readsPolicies = others.length < policies.length || this.#contexts.length === 0;
    const { base, read } = this.#contextOf(others, readsPolicies);
    const own = policies.flatMap((policy) => read?.get(policy) ?? []);
    return {
      ...base,
      policies: [...base.policies, ...own.flatMap(({ sources }) => sources)],
      rules: { ...base.rules, policies: [...base.rules.policies, ...own.flatMap(({ compiled }) => compiled)] },
    };
  }

  /** Whether nothing but the policy itself decides how it is read, and it decides nothing else: a namespace it names is there. */
  #isByItself({ apiVersion, kind, metadata }: KubeObject): boolean {
    const policyKind = policyKindOf(apiVersion, kind);
    return policyKind !== undefined && policyKind.mesh !== true && this.#namespaces.has(metadata?.namespace);
  }

  #contextOf(others: readonly KubeObject[], readsPolicies: boolean): Context {
    const known = this.#contexts.find(
      (each) => each.others.length === others.length && others.every((one, at) => one === each.others[at]),
    );
    if (known !== undefined && (known.read !== undefined || !readsPolicies)) return known;
    const read = new Map<KubeObject, Read>();
    let base = known?.base;
    for (const group of readsPolicies && this.#groups.length > 0 ? this.#groups : [[]]) {
      const objects = [...this.cluster, ...others, ...group];
      const snapshot = readSnapshot(
        objects.map((object) => ({ object })),
        { profile: this.profile },
      );
      for (const object of group) read.set(object, { sources: [], compiled: [] });
      for (const source of snapshot.policies) read.get(source.object)?.sources.push(source);
      for (const policy of snapshot.rules.policies) read.get(policy.origin.object)?.compiled.push(policy);
      base ??= withoutPolicies(snapshot, read);
    }
    if (known !== undefined) {
      known.read = read;
      return known;
    }
    const context = { others, base: base as Snapshot, read: readsPolicies ? read : undefined };
    this.#contexts = [this.#contexts[0] ?? context, context];
    return context;
  }
}

function withoutPolicies(snapshot: Snapshot, these: ReadonlyMap<KubeObject, Read>): Snapshot {
  return {
    ...snapshot,
    policies: snapshot.policies.filter(({ object }) => !these.has(object)),
    rules: { ...snapshot.rules, policies: snapshot.rules.policies.filter(({ origin }) => !these.has(origin.object)) },
  };
}

/** Versions of one object are read apart: two of one name would be copies. */
function withDistinctNames(policies: readonly KubeObject[]): readonly (readonly KubeObject[])[] {
  const groups: Map<string, KubeObject>[] = [];
  for (const policy of new Set(policies)) {
    const key = identityOf(policy) ?? "";
    let group = groups.find((one) => !one.has(key));
    if (group === undefined) groups.push((group = new Map()));
    group.set(key, policy);
  }
  return groups.map((group) => [...group.values()]);
}
