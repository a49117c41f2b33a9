/** Which policies select an endpoint. */
import type { EnforcerProfile } from "../model/profile";
import { isBeforeCalico } from "../model/calico-version";
import { tiers, type CompiledPolicy, type RuleVerdict, type Tier } from "../model/rules";
import type { Condition } from "../model/selectors/conditions";
import { isUnknown, NO, triAnd, triOr, type Tri } from "../model/unknown";
import type { PolicySource } from "../model/policy-source";
import type { Direction } from "../model/direction";
import { namespaceOf, type Endpoint } from "./endpoints";
import { directionOf, type RuleOf, type Selection, type TiedRules, type TierSelection } from "./evaluate";
import { selects } from "./matching";
import type { PodUniverse } from "./pod-universe";

export type Selected = Readonly<Record<Direction, readonly TierSelection[]>>;

const selectedByNone: Selected = { ingress: [], egress: [] };

/** Policies in the order of evaluation, looked up by the namespace they can select from. */
export class PolicyIndex {
  readonly #byNamespace = new Map<string, CompiledPolicy[]>();
  readonly #everywhere: CompiledPolicy[] = [];
  readonly #selected = new Map<Endpoint, Selected>();
  /** Every policy's place in the order of evaluation. */
  readonly #place = new Map<CompiledPolicy, number>();
  /** Pods that the same policies select share one answer, so that what follows from it is worked out once. */
  readonly #shared = new Map<string, Selected>();

  constructor(
    policies: readonly CompiledPolicy[],
    private readonly profile: EnforcerProfile,
  ) {
    const tieBreak = tieBreakOf(profile);
    const sorted = policies
      .map((policy) => ({ policy, text: tieBreak(policy) }))
      .sort((a, b) => compare(a.policy, b.policy) || compareTexts(a.text, b.text));
    for (const [place, { policy }] of sorted.entries()) {
      this.#place.set(policy, place);
      const namespaces = namespacesOf(policy.subject.where);
      if (namespaces === undefined) this.#everywhere.push(policy);
      else for (const name of namespaces) listIn(this.#byNamespace, name).push(policy);
    }
  }

  /**
   * Looks up the policies of all pods at once: from each policy to the pods it selects, instead of from each pod through
   * all policies.
   */
  selectFor(universe: PodUniverse): void {
    const chosen: Selection[][] = universe.pods.map(() => []);
    const everywhere = new Map<CompiledPolicy, Map<Tri, Selection>>();
    const selectionOf = (policy: CompiledPolicy, selected: Tri): Selection => {
      let byTri = everywhere.get(policy);
      if (byTri === undefined) everywhere.set(policy, (byTri = new Map()));
      let selection = byTri.get(selected);
      if (selection === undefined) byTri.set(selected, (selection = { policy, selected }));
      return selection;
    };
    for (const policy of this.#place.keys()) {
      if (policy.subject.kind !== "pods") continue;
      const set = universe.ofCondition(policy.subject.where);
      if (set.base === NO) {
        for (let at = 0; at < set.listed.length; at++) {
          chosen[set.listed[at] as number]?.push(selectionOf(policy, set.values[at] as Tri));
        }
        continue;
      }
      let at = 0;
      for (const [index, selections] of chosen.entries()) {
        const value = set.listed[at] === index ? (set.values[at++] as Tri) : set.base;
        if (value !== NO) selections.push(selectionOf(policy, value));
      }
    }
    for (const [index, selections] of chosen.entries()) {
      this.#selected.set(universe.pods[index] as Endpoint, this.#group(selections));
    }
  }

  #group(selections: readonly Selection[]): Selected {
    const key = selections.map(({ policy, selected }) => `${this.#place.get(policy)}:${selected}`).join();
    let group = this.#shared.get(key);
    if (group === undefined) {
      group = {
        ingress: groupByTier(selections, "ingress", this.profile),
        egress: groupByTier(selections, "egress", this.profile),
      };
      this.#shared.set(key, group);
    }
    return group;
  }

  /** The policies that select an endpoint, by direction and tier. */
  of(endpoint: Endpoint): Selected {
    const known = this.#selected.get(endpoint);
    if (known !== undefined) return known;
    // no policy protects what lies outside, and each address is an endpoint of its own
    if (endpoint.kind === "world") return selectedByNone;
    const selections: Selection[] = [];
    for (const policy of this.candidates(endpoint)) {
      // ClusterNetworkPolicy and NetworkPolicy are about pods of namespaces only
      if (endpoint.kind === "ingress" && policy.origin.dialect !== "cilium") continue;
      const selected = selects(policy.subject, endpoint);
      if (selected !== NO) selections.push({ policy, selected });
    }
    const result = this.#group(selections);
    this.#selected.set(endpoint, result);
    return result;
  }

  /** The policies that can be about an endpoint, in the order of evaluation. */
  candidates(endpoint: Endpoint): readonly CompiledPolicy[] {
    const namespace = namespaceOf(endpoint);
    // a pod whose namespace is not known may be selected by the policies of any
    const local =
      endpoint.kind !== "pod"
        ? []
        : namespace === undefined
          ? [...new Set([...this.#byNamespace.values()].flat())]
          : (this.#byNamespace.get(namespace) ?? []);
    if (local.length === 0) return this.#everywhere;
    return [...this.#everywhere, ...local].sort((a, b) => (this.#place.get(a) ?? 0) - (this.#place.get(b) ?? 0));
  }
}

function groupByTier(
  selections: readonly Selection[],
  direction: Direction,
  profile: EnforcerProfile,
): TierSelection[] {
  const byTier = new Map<Tier, Selection[]>();
  for (const selection of selections) {
    if (directionOf(selection.policy, direction) !== undefined) listIn(byTier, selection.policy.tier).push(selection);
  }
  return [...byTier].map(([tier, policies]) => {
    const rules = rulesInOrder(tier, policies, direction, profile);
    const ties = leavesTiesOpen(tier, profile) ? tiesOf(rules) : undefined;
    const isolating = policies.flatMap((selection) => {
      const isolates = directionOf(selection.policy, direction)?.isolates ?? NO;
      return isolates === NO ? [] : [{ selection, isolates }];
    });
    const isolated = isolation(policies, direction);
    return { tier, policies, rules, isolated, isolating, ...(ties === undefined ? {} : { ties }) };
  });
}

/** Whether the outcome is open where policies of one priority disagree. */
export function leavesTiesOpen(tier: Tier, profile: EnforcerProfile): boolean {
  return profile.equalPriorities === "open" && (tier.id === tiers.admin.id || tier.id === tiers.baseline.id);
}

/** Rules by priority and policy; nothing where every priority has one policy. */
function tiesOf(rules: readonly RuleOf[]): readonly TiedRules[] | undefined {
  const byOrder = new Map<number, Map<CompiledPolicy, RuleOf[]>>();
  for (const of of rules) {
    const { policy } = of.selection;
    let byPolicy = byOrder.get(policy.order);
    if (byPolicy === undefined) byOrder.set(policy.order, (byPolicy = new Map<CompiledPolicy, RuleOf[]>()));
    listIn(byPolicy, policy).push(of);
  }
  const groups = [...byOrder.values()].map((byPolicy) => [...byPolicy.values()]);
  return groups.some((group) => group.length > 1) ? groups : undefined;
}

const denyFirst: Readonly<Record<RuleVerdict, number>> = { deny: 0, allow: 1, pass: 2 };

function rulesInOrder(
  tier: Tier,
  policies: readonly Selection[],
  direction: Direction,
  profile: EnforcerProfile,
): RuleOf[] {
  const rules = policies.flatMap((selection) =>
    (directionOf(selection.policy, direction)?.rules ?? []).map((rule, place) => ({ selection, rule, place })),
  );
  if (tier.combinator === "additive") {
    rules.sort((a, b) => denyFirst[a.rule.verdict] - denyFirst[b.rule.verdict]);
  } else if (profile.equalPriorities === "denyFirst" && (tier.id === tiers.admin.id || tier.id === tiers.baseline.id)) {
    // Cilium orders by priority + rule index / 100, and at equal keys Deny before Accept before Pass
    rules.sort(
      (a, b) =>
        compareNumbers(a.selection.policy.order, b.selection.policy.order) ||
        a.place - b.place ||
        denyFirst[a.rule.verdict] - denyFirst[b.rule.verdict],
    );
  }
  return rules;
}

/** Whether what the rules of a tier leave undecided is denied there. */
function isolation(policies: readonly Selection[], direction: Direction): Tri {
  let result: Tri = NO;
  for (const { policy, selected } of policies) {
    result = triOr(result, triAnd(selected, directionOf(policy, direction)?.isolates ?? NO));
  }
  return result;
}

function listIn<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

function compare(a: CompiledPolicy, b: CompiledPolicy): number {
  return (
    compareNumbers(a.tier.order, b.tier.order) || compareTexts(a.tier.id, b.tier.id) || compareNumbers(a.order, b.order)
  );
}

/**
 * The text by which policies of one tier and order are sorted. Calico compares name, namespace and kind as one text
 * (PolKVLess in felix/calc/policy_sorter.go), and up to 3.31 its inner names: `default.NAME`, `NS/default.NAME`,
 * `NS/knp.default.NAME`. Elsewhere the order inside a tier does not matter.
 */
function tieBreakOf(profile: EnforcerProfile): (policy: CompiledPolicy) => string {
  if (!isBeforeCalico(profile, 32)) {
    return ({ origin }) => `${origin.name}/${origin.namespace ?? ""}/${calicoKind(origin)}`;
  }
  return ({ origin, tier }) => {
    const { dialect, name, namespace } = origin;
    const inTier = dialect === "kubernetes" ? `knp.default.${name}` : name.includes(".") ? name : `${tier.id}.${name}`;
    return namespace === undefined ? inTier : `${namespace}/${inTier}`;
  };
}

/** What Calico calls the kind of a policy inside. */
function calicoKind({ dialect, kind }: PolicySource): string {
  return dialect === "kubernetes" || dialect === "cluster-network-policy" ? `Kubernetes${kind}` : kind;
}

/** Infinities are equal to themselves. */
function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The namespaces that a condition limits its subjects to; nothing where it does not name them. */
function namespacesOf(where: Condition): readonly string[] | undefined {
  const parts = where.op === "and" ? where.of : [where];
  for (const part of parts) {
    if (part.op !== "test" || part.field !== "namespace" || part.operator !== "in") continue;
    const known = part.values.filter((value): value is string => !isUnknown(value));
    if (known.length === part.values.length) return known;
  }
  return undefined;
}
